"""What travels between the stages. Every message carries its sender's watermark, as in Flink."""

from dataclasses import dataclass, field
from typing import Any

from flows.streams import Stream
from flows.wire.told import Command, Label
from state.batch import MicroBatch
from state.types import F64, I64, START_OF_TIME_US, U64, Names


@dataclass(slots=True)
class GroupInput:
    """From a source partition to one key group of the subject stage.

    watermark_us: no row that `sender` sends after this message is older, save late ones, which it keeps to itself.
    last_us: the sender's largest event time, told with its last watermark.  told: labels and commands.  rejected: the
    subjects of lines that were rejected, and when that was (system columns alone), where features ask for them.
    at_rest: the sender's input has ended for now, and windows no longer wait for it in this run.
    """

    sender: str
    watermark_us: int
    batch: MicroBatch | None = None
    last_us: int = START_OF_TIME_US
    told: list[Label | Command] = field(default_factory=list)
    rejected: MicroBatch | None = None
    at_rest: bool = False


@dataclass(slots=True)
class FeatureRows:
    """Rows of one window end, of one key group and cohort, sorted by subject.

    x: (n, F).  own: name of a subject-scope detector -> its verdict on these rows.  label: as in detectors.base.Rows.
    """

    window: str
    end_us: int
    group: int
    subject: U64
    name: Names
    start_us: I64
    stop_us: I64
    x: F64
    own: dict[str, "OwnVerdict"] = field(default_factory=dict)
    label: F64 | None = None

    def __len__(self) -> int:
        return len(self.subject)

    def take(self, at: I64) -> "FeatureRows":
        """Some of the rows.  at: their positions."""
        own = {name: OwnVerdict(v.score[at], v.typical[at], v.share[at]) for name, v in self.own.items()}
        label = None if self.label is None else self.label[at]
        times = self.start_us[at], self.stop_us[at]
        head = self.window, self.end_us, self.group
        return FeatureRows(*head, self.subject[at], self.name[at], *times, self.x[at], own, label)


@dataclass(slots=True)
class OwnVerdict:
    """A subject-scope detector's view.  score: (n,); typical, share: (n, F), the subject's usual values and the
    parts.
    """

    score: F64
    typical: F64
    share: F64


@dataclass(slots=True)
class CohortInput:
    """From a key group to one cohort of the population stage: all window ends up to watermark_us are in.

    told: labels and commands that take effect up to there, of any cohort.
    """

    sender: int
    watermark_us: int
    rows: list[FeatureRows] = field(default_factory=list)
    told: list[Label | Command] = field(default_factory=list)


@dataclass(slots=True)
class PolicyInput:
    """From a cohort to the alert policy: candidates of all rounds up to watermark_us (detectors.alerting.Candidate).

    subjects: (end of a round, how many of the cohort were seen in the 24 hours before).  told: what people said of
    subjects, and takes effect up to there; all cohorts hear it, one passes it on.
    """

    sender: str
    watermark_us: int
    candidates: list[Any] = field(default_factory=list)
    subjects: list[tuple[int, int]] = field(default_factory=list)
    told: list[Label | Command] = field(default_factory=list)


@dataclass(slots=True)
class Output:
    """Records (plain dicts that orjson can write) for one output stream; COUNTS carries counter increments."""

    stream: Stream
    records: list[dict[str, Any]]
