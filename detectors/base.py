"""The detector contract: score reads, learn writes, the host decides the order; "not yet" is nan."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Final

from detectors.features.declare import Direction as Direction
from detectors.features.declare import FeatureDecl
from detectors.features.declare import FeatureInfo as FeatureInfo
from state.slot_columns import SlotColumns
from state.types import F64, I32, I64, U64
from state.windows import WindowSpec


class Scope(StrEnum):
    """Whose state a detector keeps."""

    COHORT = "cohort"
    """One model for all rows of a cohort. Sees whole rounds, in one fixed order."""
    SUBJECT = "subject"
    """One row of state per subject, in arrays indexed by slot. Sees each subject at most once per call."""


@dataclass(slots=True)
class Rows:
    """Feature rows of one window end, in (key group, subject) order: what a detector scores and learns from.

    x: (n, F) float64, nan where a feature has no value.  subject: (n,) uint64.  start_us, stop_us: (n,) int64.
    slot: (n,) int32 without repeats for scope SUBJECT, None for scope COHORT.  end_us: when the round closed.
    label: (n,) float64, 1 for fraud, 0 for genuine, nan for unknown; None where there are no labels.
    slides: whether these rows take the place of all of the round before: the window slides, and tells of everybody.
    ahead: a matrix that x is a stretch of, followed by rows of later rounds, and where x begins in it; None for none.
    """

    window: str
    end_us: int
    x: F64
    subject: U64
    start_us: I64
    stop_us: I64
    slot: I32 | None = None
    label: F64 | None = None
    slides: bool = False
    ahead: tuple[F64, int] | None = None

    def pick(self, at: I64) -> "Rows":
        """These rows."""
        slot = None if self.slot is None else self.slot[at]
        label = None if self.label is None else self.label[at]
        x = self.x.T.take(at, axis=1).T
        return replace(
            self, x=x, subject=self.subject[at], start_us=self.start_us[at], stop_us=self.stop_us[at],
            slot=slot, label=label, ahead=None,
        )  # fmt: skip

    def only(self, columns: I64) -> "Rows":
        """All rows, with these features."""
        return replace(self, x=self.x.T[columns].T, ahead=None)

    def __len__(self) -> int:
        return len(self.x)


WAVE_SHARE: Final = 0.05
"""Of the subjects: so many who are odd in the same way are a wave."""
FEATURES_TOLD: Final = 5
"""Features that a wave is described by."""


@dataclass(frozen=True, slots=True)
class Wave:
    """Many of a cohort's subjects at once that are odd in the same way.

    share: of the subjects of the last day.  features: what they have in common, most telling first.
    """

    share: float
    features: tuple[str, ...]


class Detector(ABC):
    """A detector at work on one window of one cohort (scope COHORT) or of one key group (scope SUBJECT).

    Built by its spec: `spec.build(features, resume)`, with features a tuple of FeatureInfo, one per column of x.
    """

    scope: ClassVar[Scope] = Scope.COHORT
    version: ClassVar[int] = 1

    @abstractmethod
    def score(self, rows: Rows) -> F64:
        """(n,) float64, higher is odder, nan for "not yet".  Calling it twice changes nothing; rows stay untouched."""

    @abstractmethod
    def learn(self, rows: Rows) -> None:
        """Learn from these rows, after they were scored.  All rows come, attackers' too."""

    @abstractmethod
    def explain(self, rows: Rows) -> F64:
        """(n, F) float64 >= 0: how much each feature adds to each row's score; the host normalises to shares."""

    def broken(self, rows: Rows) -> list[tuple[str, ...]]:
        """Names of the declared rules that each row breaks: none, for a detector that learns."""
        return [()] * len(rows)

    def wave(self, rows: Rows) -> Wave | None:  # noqa: ARG002
        """The attack that it sees going on, in this round or in what it remembers; None for none."""
        return None

    def forget_subject(self, subject: int) -> None:  # noqa: B027
        """Drops what is kept under the hash of a subject's id (rows.subject): nothing, where all is anonymous."""

    @abstractmethod
    def snapshot(self) -> bytes:
        """The state, as bytes of `state.snapshot`; the spec's build(features, resume=...) takes them back."""


class SubjectDetector(Detector):
    """A detector of scope SUBJECT: its state is arrays indexed by slot.

    columns: those arrays.  The host saves their rows as they change, and puts them back after `spec.build`; `snapshot`
    holds the rest.
    row_by_row: whether score, typical and explain look at the state and at each row alone, and neither at when a window
    ended nor at the other rows. Then they are asked of several windows at once, where nothing is learned between them;
    rows.end_us is that of the last one, and a subject may come repeatedly.
    """

    scope: ClassVar[Scope] = Scope.SUBJECT
    row_by_row: ClassVar[bool] = False
    columns: SlotColumns

    @abstractmethod
    def typical(self, rows: Rows) -> F64:
        """(n, F) the subject's usual values in the features' own units, nan in warm-up."""

    @abstractmethod
    def forget(self, slots: I64) -> None:
        """These slots' subjects left; the slots will be given to others."""

    def rest(self) -> None:
        """All has been asked of the rows of a round: what was kept of them, to answer several questions, may go."""


class DetectorSpec(ABC):
    """A frozen, hashable description of a detector: a frozen dataclass whose fields are its parameters.

    type: the word in the configuration and in the entry point group `driftnet.detectors`.
    own_features, own_windows: what it looks at where the configuration does not say; the planner computes equal ones
    once, whoever asks for them.  budget_us: CPU per row that scoring, learning and explaining may take, 0 for any.
    uses_labels: whether it learns from rows with a label only, and its score is the probability of label 1.
    calibrated: the raw score is turned into a tail probability by online calibration. A spec with calibrated=False
    (hard rules) gives tail probabilities itself: score() is then -log10(p).
    learns: whether rows change it; one that does not has an opinion from the first row on.
    one_mode: its scores of people have one mode, so that a second one is attackers' (detectors.groups).
    declared: what it finds is declared by the configuration, and holds however many are found.  What others that give
    probabilities themselves say of a round is not used when they find most of it suspicious.
    """

    type: ClassVar[str]
    scope: ClassVar[Scope] = Scope.COHORT
    version: ClassVar[int] = 1
    calibrated: ClassVar[bool] = True
    learns: ClassVar[bool] = True
    one_mode: ClassVar[bool] = True
    declared: ClassVar[bool] = False
    own_features: ClassVar[tuple[FeatureDecl, ...]] = ()
    own_windows: ClassVar[tuple[WindowSpec, ...]] = ()
    budget_us: ClassVar[float] = 0.0

    @property
    def uses_labels(self) -> bool:
        """See above."""
        return False

    @property
    def least(self) -> float:
        """With calibrated=False, the smallest tail probability of a window that it tells; 0 where it may be any."""
        return 0.0

    @abstractmethod
    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> Detector:
        """A detector at work.  Raises ConfigError for unusable features, SnapshotError for bytes that do not fit."""
