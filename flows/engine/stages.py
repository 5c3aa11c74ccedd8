"""What the binding needs to know of a job: how to build its operators, and nothing of what they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from flows.layout import Layout
from flows.operators.messages import CohortInput, GroupInput, Leaving, PolicyInput
from flows.sources.base import Lines
from state.chunks import Chunks, Saved

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)
Who_contra = TypeVar("Who_contra", contravariant=True)
State_contra = TypeVar("State_contra", contravariant=True)
Built_co = TypeVar("Built_co", covariant=True)

Routed = tuple[int, GroupInput] | Leaving
"""What a source partition emits: a message and the key group that it goes to, or records for an output stream."""


class Operator(Protocol[In_contra, Out_co]):
    """A stage at work on one key."""

    def process(self, message: In_contra, /) -> Sequence[Out_co]: ...

    def snapshot(self, chunks: Chunks, /) -> bytes: ...


class SubjectStage(Operator[GroupInput, tuple[str, CohortInput] | Leaving], Protocol):
    """The stage that keeps rows until their panes close."""

    @property
    def rows_waiting(self) -> int: ...


class IngestOperator(Protocol):
    """Lines of one source partition to messages for the key groups.

    awaited: whether others wait for its watermark as soon as it is there, or only what it says counts.
    """

    @property
    def awaited(self) -> bool: ...

    @property
    def watermark_us(self) -> int: ...

    @property
    def accepted(self) -> int:
        """Rows that moved time, or could have, since the start of this run."""

    @property
    def rows_waiting(self) -> int:
        """Rows that were read and have no fate yet."""

    def process(self, lines: Lines, now_us: int | None = None, /) -> Sequence[Routed]:
        """now_us: the wall clock, in a live run."""

    def silence(self, now_us: int, /) -> Sequence[Routed]:
        """A live partition has given nothing for a while."""

    def advance(self, watermark_us: int, /) -> Sequence[Routed]:
        """Moves the watermark without a line: time has passed on an idle partition."""

    def rest(self) -> Sequence[Routed]:
        """The end of the input for now: to every key group, that it need not wait for this partition in this run."""

    def finish(self) -> Sequence[Routed]:
        """The end of the input: what is left, and the last watermark, to every key group."""

    def snapshot(self) -> bytes: ...


class Builder(Protocol[Who_contra, State_contra, Built_co]):
    """Builds the operator of one key, anew or from its snapshot."""

    def __call__(self, who: Who_contra, /, *, resume: State_contra | None) -> Built_co: ...


@dataclass(frozen=True, slots=True)
class Stages:
    """Builders of a job's operators, and how many of them run side by side.

    groups: key groups of the subject stage.  cohorts: keys of the population stage.  Builders must be picklable for
    runs in several processes.  lead_us: how far one bounded partition may run ahead of the others in event time.
    out_of_orderness_us, idle_timeout_us: of live partitions that fall silent.  shape: what state is made of, as it is
    noted beside it (flows.fates).  unsaid: the layout of state that does not say its own, None where there is none.
    cohort_numbers: of cohorts, where they are not their positions.
    """

    groups: int
    cohorts: tuple[str, ...]
    ingest: Builder[str, bytes, IngestOperator]
    subject: Builder[int, Saved, SubjectStage]
    population: Builder[str, Saved, Operator[CohortInput, PolicyInput | Leaving]]
    alerts: Builder[None, Saved, Operator[PolicyInput, Leaving]]
    lead_us: int
    out_of_orderness_us: int
    idle_timeout_us: int
    shape: Mapping[str, Any] = field(default_factory=lambda: {"layout": {}, "replaceable": {}})
    unsaid: Layout | None = None
    cohort_numbers: Mapping[str, int] = field(default_factory=dict)

    def cohort_number(self, name: str) -> int:
        """Which key the cohort has, in Bytewax and in saved state: the same one as long as there is such a cohort."""
        return self.cohort_numbers.get(name, self.cohorts.index(name))


Item = tuple[str, Any]
"""What travels in Bytewax: a key's name, and (who, message) or an Leaving."""
