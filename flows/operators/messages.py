"""What travels between the stages. Every message carries its sender's watermark, as in Flink."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from detectors.alerting.campaigns import Campaign
from detectors.campaigns.coincidence import Coincidences
from flows.counters import Counts
from flows.operators.rows import FeatureRows
from flows.steps import Step
from flows.streams import Stream
from flows.wire.told import Command, Label
from state.batch import MicroBatch
from state.types import F64, I64, START_OF_TIME_US, U64


@dataclass(slots=True)
class GroupInput:
    """From a source partition to one key group of the subject stage.

    watermark_us: no row that `sender` sends after this message is older, save late ones, which it keeps to itself.
    last_us: the sender's largest event time, told with its last watermark.  told: labels and commands.  rejected: the
    subjects of lines that were rejected, and when that was (system columns alone), where features ask for them.
    verdicts: what people found out, as rows of a further kind of subjects; what comes late counts from when it came.
    at_rest: the sender's input has ended for now, and windows no longer wait for it in this run.  stage: the one whose
    key group it is (flows.job_stages).
    """

    sender: str
    watermark_us: int
    batch: MicroBatch | None = None
    last_us: int = START_OF_TIME_US
    told: list[Label | Command] = field(default_factory=list)
    rejected: MicroBatch | None = None
    verdicts: MicroBatch | None = None
    at_rest: bool = False
    stage: str = Step.SUBJECT.value


class Loans(NamedTuple):
    """What subjects of one kind lend, of some panes.  end_us: (k,) where the pane of each ends, ascending.  key: (k,)
    hashes of their ids.  values: (k, L).
    """

    end_us: I64
    key: U64
    values: F64

    def take(self, rows: I64 | slice) -> "Loans":
        """Some of them."""
        return Loans(self.end_us[rows], self.key[rows], self.values[rows])

    @staticmethod
    def together(several: Sequence["Loans"]) -> "Loans":
        """Of all, pane by pane.  At least one."""
        if len(several) == 1:
            return several[0]
        whole = Loans(*map(np.concatenate, zip(*several, strict=True)))
        return whole.take(np.argsort(whole.end_us, kind="stable"))


@dataclass(slots=True)
class LoanInput:
    """From a key group of one kind of subjects to one of those that they lend to: all panes up to watermark_us are in.

    kind, group: of the sender.  stage: as of GroupInput.
    """

    kind: str
    group: int
    watermark_us: int
    stage: str
    loans: Loans | None = None

    @property
    def sender(self) -> str:
        """The name under which watermarks are kept."""
        return lender_name(self.kind, self.group)


def lender_name(kind: str, group: int) -> str:
    """What a key group of a kind is called by those that it lends to."""
    return f"{kind} {group}"


@dataclass(slots=True)
class CoactionInput:
    """From a key group of objects to the campaigns: coincidences of all buckets that end up to watermark_us."""

    sender: str
    watermark_us: int
    told: list[Coincidences] = field(default_factory=list)


def coaction_name(column: str, group: int) -> str:
    """What a key group of a column's objects is called by the campaigns."""
    return f"{column} {group}"


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
    Or from the campaigns: how these stand after all reviews up to there.

    subjects: (end of a round, how many of the cohort were seen in the 24 hours before).  told: what people said of
    subjects, and takes effect up to there; all cohorts hear it, one passes it on.
    """

    sender: str
    watermark_us: int
    candidates: list[Any] = field(default_factory=list)
    subjects: list[tuple[int, int]] = field(default_factory=list)
    told: list[Label | Command] = field(default_factory=list)
    campaigns: list[Campaign] = field(default_factory=list)


CAMPAIGNS_SENDER: Final = "all campaigns"
"""What the campaigns are called by the alert policy; no cohort is called so."""


@dataclass(slots=True)
class Output:
    """Records (plain dicts that orjson can write) for one output stream."""

    stream: Stream
    records: list[dict[str, Any]]


Leaving = Output | Counts
"""What leaves the flow: records for an output stream, or additions to the totals."""
