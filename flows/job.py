"""Job: a checked configuration, compiled: what is known of events, and what is thought of them."""

from dataclasses import dataclass, field, replace
from typing import Any

from flows.event_stream import EventStream
from flows.evolution.renames import Renames
from flows.judgement import Judgement


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that alerts depend on, beside the events.  renamed: what had other names in state that was saved
    earlier.
    """

    stream: EventStream
    judgement: Judgement
    renamed: Renames = field(default_factory=Renames)

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
        """All "features" of its windows, in the order of their matrices, and all "detectors"."""
        features = dict.fromkeys(feature.name for window in self.stream.rows.windows for feature in window.features)
        return {"features": tuple(features), "detectors": tuple(use.name for use in self.judgement.detectors)}

    @property
    def columns(self) -> frozenset[str]:
        """The event columns that must be decoded."""
        return self.stream.plan.columns | self.judgement.audience.columns

    def with_stream(self, **changes: Any) -> "Job":
        """The same with parts of the stream replaced, under the same digest."""
        return replace(self, stream=replace(self.stream, **changes))

    def with_judgement(self, **changes: Any) -> "Job":
        """The same with parts of the judgement replaced, under the same digest."""
        return replace(self, judgement=replace(self.judgement, **changes))
