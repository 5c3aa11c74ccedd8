"""Judgement: what is thought of feature rows, as the frozen specs that operators are built from."""

from dataclasses import dataclass, field

from detectors.alerting.exempt import Exemption
from detectors.alerting.policy import PolicySpec
from detectors.base import DetectorSpec, Scope
from detectors.calibrate import CalibrationSpec
from detectors.combine import Combination
from detectors.drift.spec import DriftSpec
from flows.streams import Stream
from state.plain import LATER
from state.types import DAY_US


@dataclass(frozen=True, slots=True)
class CohortSpec:
    """Which population a row belongs to: the subject's last known word in an enum column.

    column: "" for one cohort.  values: the words; other words and none at all go to the cohort "other".  kind: that
    subjects are of, a part of the names of cohorts; "" for those that the stream is keyed by.
    """

    column: str = ""
    values: tuple[str, ...] = ()
    kind: str = field(default="", metadata=LATER)

    @property
    def names(self) -> tuple[str, ...]:
        """All cohorts, in code order; the last one is "other" (the only one is "all" without a column)."""
        names = (*self.values, "other") if self.column else ("all",)
        return tuple(f"{self.kind}:{name}" for name in names) if self.kind else names


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
    beyond it the oldest leave.  columns: names of event columns that a label has too, under the same paths: kinds of
    subjects that go by one of them can count it (docs/subjects.md).  trust_us: for how long a label genuine spares its
    subject alerts, but for those of the worst severity; 0 for not at all.
    """

    wait_us: int = 7 * DAY_US
    rows_max: int = 100_000
    trust_us: int = 7 * DAY_US
    columns: tuple[str, ...] = field(default=(), metadata=LATER)


@dataclass(frozen=True, slots=True)
class Audience:
    """What a judgement asks of the stage before it: which rows go to which cohort, and what detectors say of each
    subject by its own past.  own: these detectors; their state lies beside the subjects'.  heard: whether anybody takes
    the rows; those of a kind that is not judged are lent and counted alone.
    """

    cohorts: CohortSpec
    own: tuple[DetectorUse, ...] = ()
    heard: bool = True

    @property
    def columns(self) -> frozenset[str]:
        """The event columns that must be decoded for it."""
        return frozenset({self.cohorts.column} if self.cohorts.column else ())


@dataclass(frozen=True, slots=True)
class Judgement:
    """Feature rows to alerts: who is compared with whom, by what, and how much of it people are told.

    It depends on a stream by names alone: those of windows, of features, and of the column that cohorts go by.

    name: the job's, a part of every alert's identity.  own_kind: what the subjects are called that the stream is keyed
    by.  digest: of all that its alerts depend on, the stream among it.
    asked: the streams that somebody reads.  labels: None where no source has any.  exempt: the list of subjects that
    are not alerted.  left_out: detectors whose plug-ins cannot be loaded, each with the reason; the others do their
    work.
    """

    name: str
    seed: int
    cohorts: CohortSpec
    detectors: tuple[DetectorUse, ...]
    calibration: CalibrationSpec
    drift: DriftSpec
    policy: PolicySpec
    learning: LearningSpec = LearningSpec()
    combination: Combination = Combination.HARMONIC
    labels: LabelSpec | None = field(default=None, metadata=LATER)
    asked: frozenset[Stream] = frozenset()
    exempt: tuple[Exemption, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    digest: str = ""
    own_kind: str = "subject"

    @property
    def kind(self) -> str:
        """What its subjects are called."""
        return self.cohorts.kind or self.own_kind

    @property
    def audience(self) -> Audience:
        """What it asks of the subject stage."""
        return Audience(self.cohorts, tuple(use for use in self.detectors if use.spec.scope is Scope.SUBJECT))
