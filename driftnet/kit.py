"""What a plug-in's author imports: the contracts of detectors, sources and sinks, and parts to build them from.

    >>> from driftnet.kit import Record, detector, detector_types
    >>> sorted(detector_types())[:3]
    ['binned_logistic', 'discord', 'ecod']
    >>> detector("half_space_trees", {"n_trees": 10}).n_trees
    10

A detector is two classes, a frozen `DetectorSpec` and the `Detector` that it builds; `driftnet detectors new NAME`
writes both with a test, and `driftnet.checks` holds what they must fulfil.  A configuration names a detector by its
file or by the entry point group `driftnet.detectors`.

A sink is given to `driftnet.replay`; a configuration knows those of `flows/sinks` only, and the same holds for sources:

    >>> class Count:
    ...     records = 0
    ...     def write(self, records: list[Record]) -> None:
    ...         self.records += len(records)
    ...     def flush(self) -> int:
    ...         return self.records
    ...     def close(self) -> None:
    ...         "Nothing is held."
    >>> import driftnet
    >>> rejects = Count()
    >>> found = driftnet.replay([b"not JSON"], sinks={"rejects": [rejects]})
    >>> rejects.records
    1
"""

from detectors.base import (
    Detector,
    DetectorSpec,
    Direction,
    FeatureInfo,
    Rows,
    Scope,
    SubjectDetector,
    Wave,
)
from detectors.features.declare import Condition, FeatureDecl, FeatureKind
from detectors.limits import require, require_features
from detectors.refitted import RefittedSpec, Scorer
from detectors.registry import detector_types
from detectors.registry import spec_from as detector
from detectors.sample import Sample
from detectors.scaling import Scale, fit_scale, scale_of
from flows.sinks.base import BufferedSink, Patience, Record, Sink
from flows.sources.base import Lines, Partition, Source, Unwatched
from state.errors import ConfigError, SinkError, SnapshotError, SourceError
from state.slot_columns import SlotColumns
from state.snapshot import pack, unpack
from state.types import DAY_US, F64, HOUR_US, I32, I64, MINUTE_US, SECOND_US, U64
from state.windows import WindowKind, WindowSpec

__all__ = [
    "DAY_US",
    "F64",
    "HOUR_US",
    "I32",
    "I64",
    "MINUTE_US",
    "SECOND_US",
    "U64",
    "BufferedSink",
    "Condition",
    "ConfigError",
    "Detector",
    "DetectorSpec",
    "Direction",
    "FeatureDecl",
    "FeatureInfo",
    "FeatureKind",
    "Lines",
    "Partition",
    "Patience",
    "Record",
    "RefittedSpec",
    "Rows",
    "Sample",
    "Scale",
    "Scope",
    "Scorer",
    "Sink",
    "SinkError",
    "SlotColumns",
    "SnapshotError",
    "Source",
    "SourceError",
    "SubjectDetector",
    "Unwatched",
    "Wave",
    "WindowKind",
    "WindowSpec",
    "detector",
    "detector_types",
    "fit_scale",
    "pack",
    "require",
    "require_features",
    "scale_of",
    "unpack",
]
