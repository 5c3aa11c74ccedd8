"""Job: a checked configuration, compiled to the frozen specs that the operators are built from."""

from dataclasses import dataclass, field
from functools import lru_cache

from detectors.alerting.exempt import Exemption
from detectors.alerting.policy import PolicySpec
from detectors.base import DetectorSpec
from detectors.calibrate import CalibrationSpec
from detectors.combine import Combination
from detectors.drift.spec import DriftSpec
from detectors.features.declare import FeatureDecl, SequenceDecl
from detectors.features.parts import PartKind
from detectors.features.plan import FeaturePlan
from flows.evolution.renames import Renames
from flows.streams import Stream
from flows.wire.spec import WireSpec
from state.plain import LATER
from state.schema import Schema
from state.types import DAY_US
from state.windows import WindowSpec, pane_us


@dataclass(frozen=True, slots=True)
class TimeSpec:
    """Event-time settings, in microseconds.

    out_of_orderness_us: the watermark stays this far behind the largest event time.  allowed_lateness_us: windows wait
    this much longer before they close.  idle_timeout_us: live runs only.  dedup_horizon_us: how long ids are known.
    ahead_max_us: how far an event may be ahead of its partition before others must bear it out; 0 for any distance.
    """

    out_of_orderness_us: int
    allowed_lateness_us: int
    idle_timeout_us: int
    dedup_horizon_us: int
    ahead_max_us: int = 0


@dataclass(frozen=True, slots=True)
class StateSpec:
    """Bounds per key group.  capacity: subjects.  ttl_us: silence after which one leaves.  rows_per_pane_max: row
    budget.
    """

    capacity: int
    ttl_us: int
    rows_per_pane_max: int


@dataclass(frozen=True, slots=True)
class CohortSpec:
    """Which population a row belongs to: the subject's last known word in an enum column.

    column: "" for one cohort.  values: the words; other words and none at all go to the cohort "other".
    """

    column: str = ""
    values: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All cohorts, in code order; the last one is "other" (the only one is "all" without a column)."""
        return (*self.values, "other") if self.column else ("all",)


@dataclass(frozen=True, slots=True)
class WindowFeatures:
    """One window and the names of its features, in matrix order."""

    window: WindowSpec
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DetectorUse:
    """One detector on some windows.  features: empty for all of each window's.  budget_s: how long one call of it (in
    scope SUBJECT: a round's calls) may take; 0 for as long as it likes.  cost_us: CPU per row, on average; 0 for any.
    memory_bytes: of a cohort's model as it is saved; 0 for any.
    """

    name: str
    spec: DetectorSpec
    windows: tuple[str, ...]
    features: tuple[str, ...] = ()
    weight: float = 1.0
    budget_s: float = 30.0
    cost_us: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LearningSpec:
    """What detectors hear.  Calibration hears everybody: a sample without its odd ones finds more and more of them odd.

    teach_every_us: a subject's rows of one window are
    learned from at most once in this time, so that who is there in every round is not heard more than others; 0 for no
    limit.  Who was heard is remembered that long: 16 bytes per subject and window, in every snapshot.
    """

    teach_every_us: int = 0


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """What labels do.  wait_us: how long a scored row waits for its label.  rows_max: that wait, per cohort and window;
    beyond it the oldest leave.  trust_us: for how long a label genuine spares its subject alerts, but for those of the
    worst severity; 0 for not at all.
    """

    wait_us: int = 7 * DAY_US
    rows_max: int = 100_000
    trust_us: int = 7 * DAY_US


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that alerts depend on, beside the events.

    asked: the streams that have a sink.  labels: None where no source has any.  exempt: the list of subjects that are
    not alerted.  renamed: what had other names in state that was saved earlier.  left_out: detectors whose plug-ins
    cannot be loaded, each with the reason; the others do their work.
    """

    name: str
    seed: int
    key_groups: int
    digest: str
    schema: Schema
    wire: WireSpec
    cohorts: CohortSpec
    time: TimeSpec
    state: StateSpec
    sequences: tuple[SequenceDecl, ...]
    features: tuple[FeatureDecl, ...]
    windows: tuple[WindowFeatures, ...]
    detectors: tuple[DetectorUse, ...]
    calibration: CalibrationSpec
    drift: DriftSpec
    policy: PolicySpec
    learning: LearningSpec = LearningSpec()
    combination: Combination = Combination.HARMONIC
    asked: frozenset[Stream] = frozenset()
    labels: LabelSpec | None = field(default=None, metadata=LATER)
    exempt: tuple[Exemption, ...] = ()
    renamed: Renames = field(default_factory=Renames)
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def plan(self) -> FeaturePlan:
        """The compiled features.  Raises ConfigError for declarations that do not fit the schema."""
        return _plan(self.schema, self.sequences, self.features, tuple((w.window, w.features) for w in self.windows))

    @property
    def tells_duplicates(self) -> bool:
        """Whether a feature counts each subject's duplicates."""
        return self.plan.marks(PartKind.DUPLICATES)

    @property
    def tells_rejects(self) -> bool:
        """Whether a feature counts each subject's rejected lines."""
        return self.plan.marks(PartKind.REJECTS)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """All "features" of its windows, in the order of their matrices, and all "detectors"."""
        features = dict.fromkeys(feature.name for window in self.plan.windows for feature in window.features)
        return {"features": tuple(features), "detectors": tuple(use.name for use in self.detectors)}

    @property
    def pane_us(self) -> int:
        """The base pane that all windows are made of."""
        return pane_us(tuple(w.window for w in self.windows))

    @property
    def columns(self) -> frozenset[str]:
        """The event columns that must be decoded."""
        return self.plan.columns | ({self.cohorts.column} if self.cohorts.column else frozenset())


@lru_cache(maxsize=8)
def _plan(
    schema: Schema,
    sequences: tuple[SequenceDecl, ...],
    features: tuple[FeatureDecl, ...],
    windows: tuple[tuple[WindowSpec, tuple[str, ...]], ...],
) -> FeaturePlan:
    return FeaturePlan(schema, sequences, features, windows)
