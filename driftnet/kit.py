"""What a plug-in's author imports: the contracts of detectors, sinks, sources and formats, and parts to build them of.

    >>> from driftnet.kit import Record, detector, detector_types
    >>> sorted(detector_types())[:3]
    ['binned_logistic', 'discord', 'ecod']
    >>> detector("half_space_trees", {"n_trees": 10}).n_trees
    10

A detector is two classes, a frozen `DetectorSpec` and the `Detector` that it builds; `driftnet detectors new NAME`
writes both with a test, and `driftnet.checks` holds what they must fulfil.  A configuration names a detector by its
file or by the entry point group `driftnet.detectors`.

Sinks, sources and formats are settings, which are a table of the configuration and say what it stands for.  A
configuration names them by the `kind` that an entry point of the groups `driftnet.sinks`, `driftnet.sources` and
`driftnet.formats` gives; our own are found in the same way.  `driftnet plugins new sink|source|format NAME` writes a
package with one that works; examples/spool is one with all three.

    >>> from driftnet.kit import sink_kinds, source_kinds, format_kinds
    >>> sorted(format_kinds())
    ['avro', 'json', 'protobuf']

A sink that is open already can be given to `driftnet.replay`:

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
from driftnet._kinds import format_kinds, sink_kinds, source_kinds
from flows.config.formats import LinesSettings
from flows.config.plugged import FormatSettings, SinkSettings, SourceSettings
from flows.config.secrets import Address, Secret
from flows.config.section import problem
from flows.durations import Duration, Moment
from flows.formats.base import Format, FormatSpec, UndecodableError
from flows.placeholders import expanded
from flows.sinks.base import BufferedSink, Delivery, Opening, Patience, Record, Sink, SinkSpec
from flows.sinks.identity import record_id, told_id
from flows.sources.base import Asked, Lines, Partition, Source, Unwatched
from flows.streams import Stream
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
    "Address",
    "Asked",
    "BufferedSink",
    "Condition",
    "ConfigError",
    "Delivery",
    "Detector",
    "DetectorSpec",
    "Direction",
    "Duration",
    "FeatureDecl",
    "FeatureInfo",
    "FeatureKind",
    "Format",
    "FormatSettings",
    "FormatSpec",
    "Lines",
    "LinesSettings",
    "Moment",
    "Opening",
    "Partition",
    "Patience",
    "Record",
    "RefittedSpec",
    "Rows",
    "Sample",
    "Scale",
    "Scope",
    "Scorer",
    "Secret",
    "Sink",
    "SinkError",
    "SinkSettings",
    "SinkSpec",
    "SlotColumns",
    "SnapshotError",
    "Source",
    "SourceError",
    "SourceSettings",
    "Stream",
    "SubjectDetector",
    "UndecodableError",
    "Unwatched",
    "Wave",
    "WindowKind",
    "WindowSpec",
    "detector",
    "detector_types",
    "expanded",
    "fit_scale",
    "format_kinds",
    "pack",
    "problem",
    "record_id",
    "require",
    "require_features",
    "scale_of",
    "sink_kinds",
    "source_kinds",
    "told_id",
    "unpack",
]
