"""A flow as data: what builds its operators, what their keys are, and what they send where.

The drivers (flows.drive.local, flows.engine) read it, and what looks into saved state; none of them knows which stages
there are, or what they do.  The stages of a job: flows.job_stages.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from flows.evolution.layout import Layout
from flows.operators.messages import GroupInput, Leaving
from flows.sources.base import Lines
from state.chunks import Chunks, Saved
from state.errors import DriftnetError

State_contra = TypeVar("State_contra", contravariant=True)
Built_co = TypeVar("Built_co", covariant=True)

Routed = tuple[int, GroupInput] | Leaving
"""What a source partition emits: a message and the key group that it goes to, or what leaves the flow."""


Destination = str | tuple[str, ...] | None
"""Of a kind of message: the stage that it goes to, several where each message says which (`stage`), None for nobody."""


class Operator(Protocol):
    """A stage at work on one key."""

    def process(self, message: Any, /) -> Sequence[Any]:
        """What follows from a message: (whom it is for, message), a message for a stage with one key, or what leaves
        the flow.
        """

    def snapshot(self, chunks: Chunks, /) -> bytes: ...


class IngestOperator(Protocol):
    """Lines of one source partition to messages for the key groups.

    awaited: whether others wait for its watermark as soon as it is there, or only what it says counts.
    """

    @property
    def awaited(self) -> bool: ...

    @property
    def watermark_us(self) -> int: ...

    @property
    def newest_us(self) -> int:
        """The largest event time that counts."""

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


class Builder(Protocol[State_contra, Built_co]):
    """Builds the operator of one key, anew or from its snapshot."""

    def __call__(self, who: Any, /, *, resume: State_contra | None) -> Built_co: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage with keys.

    name: of its step in Bytewax and of its folders of chunks: a part of saved state, which never changes.  keys: whom
    it has operators for (None where there is but one) -> the number of the key, for the life of the state.  sends: kind
    of message that its operators give -> where it goes to.  holds_lines: whether rows that wait in its operators
    (`rows_waiting`) are lines without a fate.  is_fed: whether source partitions send to it.
    """

    name: str
    keys: Mapping[Any, int]
    build: Builder[Saved, Operator]
    sends: Mapping[type, Destination] = field(default_factory=dict)
    holds_lines: bool = False
    is_fed: bool = False

    @property
    def receivers(self) -> set[str]:
        """The stages that it may send to."""
        return {name for to in self.sends.values() for name in (to if isinstance(to, tuple) else (to,)) if name}


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of a job, picklable if its builders are.

    ingest: builds the first operator of a source partition; its messages name their stage.  keyed: the others, each
    after those that send to it.  lead_us: how far one bounded partition may run ahead of the others in event time.
    out_of_orderness_us, idle_timeout_us: of live partitions that fall silent.  shape: what state is made of, as it is
    noted beside it (flows.evolution.fates).  unsaid: the layout of state that does not say its own, None where there is
    none.  Raises DriftnetError for stages that do not fit together.
    """

    ingest: Builder[bytes, IngestOperator]
    keyed: tuple[Stage, ...]
    lead_us: int
    out_of_orderness_us: int
    idle_timeout_us: int
    shape: Mapping[str, Any]
    unsaid: Layout | None = None

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.keyed]
        for i, stage in enumerate(self.keyed):
            if stage.name in names[:i]:
                raise DriftnetError(f"stage {stage.name}: seen twice, expected one of this name")
            for to in sorted(stage.receivers):
                if to not in names[i + 1 :]:
                    raise DriftnetError(
                        f"stage {stage.name}: sends to {to!r}, expected one of the stages after it: {names[i + 1 :]}"
                    )

    def stage(self, name: str) -> Stage:
        """By its name.  Raises DriftnetError for one that there is not."""
        for stage in self.keyed:
            if stage.name == name:
                return stage
        raise DriftnetError(f"stage {name}: seen in a message, expected one of {[s.name for s in self.keyed]}")

    def senders(self, name: str) -> Iterator[Stage]:
        """The stages that send to one."""
        return (stage for stage in self.keyed if name in stage.receivers)


def destination(stage: Stage, message: Any) -> str | None:
    """The stage that a message goes to.  Raises KeyError for a kind of message of which nothing says where it goes."""
    to = stage.sends[type(message)]
    return message.stage if isinstance(to, tuple) else to


def addressed(stage: Stage, item: Any) -> tuple[str | None, Any, Any]:
    """The stage that a message goes to, whom it is for there, and the message.  item: what an operator of `stage` gave,
    and does not leave the flow.  Raises DriftnetError for a kind of message of which nothing says where it goes.
    """
    who, message = item if isinstance(item, tuple) else (None, item)
    try:
        return destination(stage, message), who, message
    except KeyError:
        raise DriftnetError(
            f"stage {stage.name}: gave a {type(message).__name__}, expected one of"
            f" {[kind.__name__ for kind in stage.sends]}: nothing says where others go"
        ) from None
