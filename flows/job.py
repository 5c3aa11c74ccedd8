"""Job: a checked configuration, compiled: what is known of events, and what is thought of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from detectors.features.declare import Where
from flows.campaigns import Campaigns
from flows.event_stream import EventStream
from flows.evolution.renames import Renames
from flows.judgement import Judgement
from flows.streams import Stream
from flows.wire.told import Kinds


@dataclass(frozen=True, slots=True)
class SubjectKind:
    """Another kind of subjects: the same events under another key, with windows and detectors of their own.

    name: as records say it.  key: the event column that holds their ids; events without one are not theirs.  where:
    conditions on the others.  job: what is known and thought of them; events are read as the first kind's are.
    alerts: whether they are alerted themselves.
    """

    name: str
    key: str
    where: Where
    job: "Job"
    alerts: bool


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that alerts depend on, beside the events.  renamed: what had other names in state that was saved
    earlier.  kinds: further kinds of subjects, beside those that the stream is keyed by.  campaigns: what accounts
    coincide on; None where nobody asks.
    """

    stream: EventStream
    judgement: Judgement
    renamed: Renames = field(default_factory=Renames)
    kinds: tuple[SubjectKind, ...] = ()
    campaigns: Campaigns | None = None

    @property
    def name(self) -> str:
        """What it is called, a part of every alert's identity."""
        return self.judgement.name

    @property
    def digest(self) -> str:
        """16 hexadecimal digits: of all that alerts depend on."""
        return self.judgement.digest

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """All "features" of its windows, in the order of their matrices, and all "detectors", of all kinds."""
        jobs = (self, *(kind.job for kind in self.kinds))
        windows = [window for job in jobs for window in job.stream.rows.windows]
        return {
            "features": tuple(dict.fromkeys(feature.name for window in windows for feature in window.features)),
            "detectors": tuple(dict.fromkeys(use.name for job in jobs for use in job.judgement.detectors)),
        }

    @property
    def columns(self) -> frozenset[str]:
        """The columns that rows of its own subjects have."""
        return self.stream.columns | self.judgement.audience.columns

    @property
    def decoded(self) -> frozenset[str]:
        """The event columns that must be decoded, for all kinds and for campaigns."""
        keys = {column for kind in self.kinds for column in (kind.key, *(c.column for c in kind.where))}
        if self.campaigns is not None:
            keys |= self.campaigns.columns
        asked = self.columns.union(keys, *(kind.job.columns for kind in self.kinds))
        return frozenset(column.name for column in self.stream.wire.schema().columns if column.name in asked)

    @property
    def carried(self) -> tuple[str, ...]:
        """Event columns that labels have."""
        labels = self.judgement.labels
        return () if labels is None else labels.columns

    @property
    def kinds_known(self) -> Kinds:
        """What subjects are called."""
        return Kinds(self.judgement.own_kind, frozenset(kind.name for kind in self.kinds))

    def typed(self, subject: str) -> tuple[str, str]:
        """Kind and id of a subject that people name: of a further kind it is "KIND:ID", and of the stream's own, whose
        kind is "" here, it may be.
        """
        kind, colon, name = subject.partition(":")
        if colon and kind in self.kinds_known.others:
            return kind, name
        return "", name if colon and kind == self.kinds_known.own else subject

    def without_detectors(self) -> "Job":
        """The same with nobody to judge."""
        kinds = tuple(replace(kind, job=kind.job.with_judgement(detectors=())) for kind in self.kinds)
        return replace(self.with_judgement(detectors=()), kinds=kinds)

    def asking(self, streams: Iterable[Stream]) -> "Job":
        """The same, where these output streams are read by somebody."""
        asked = frozenset(streams)
        kinds = tuple(replace(kind, job=kind.job.with_judgement(asked=asked)) for kind in self.kinds)
        return replace(self.with_judgement(asked=asked), kinds=kinds)

    def with_stream(self, **changes: Any) -> "Job":
        """The same with parts of the stream replaced, under the same digest."""
        return replace(self, stream=replace(self.stream, **changes))

    def with_judgement(self, **changes: Any) -> "Job":
        """The same with parts of the judgement replaced, under the same digest."""
        return replace(self, judgement=replace(self.judgement, **changes))
