"""What is tried: settings, and how the checks look at what became of them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from flows.config.plugged import FormatSettings, SinkSettings, SourceSettings


@dataclass(frozen=True, slots=True)
class SinkTrial:
    """A sink to try.

    fresh: gives its settings, of a place where nothing is yet; picklable.  read: the records of the stream `alerts`
    that are at the place of settings, in the order in which they were written, or in that of their ids where the place
    has none.  whole: whether those are whole records; else each has `subject` and `raised` at least, and what it has is
    compared.  ordered: whether `read` tells the order in which records came.

    outage: makes the place of settings unusable while it is entered; None where that cannot be done.  outage_s: for how
    long.  broken: settings of a place where nobody can write.  secret: a text in the settings that nobody may see.
    """

    fresh: Callable[[], SinkSettings]
    read: Callable[[Any], Sequence[Mapping[str, Any]]]
    whole: bool = True
    ordered: bool = True
    outage: Callable[[Any], AbstractContextManager[Any]] | None = None
    outage_s: float = 60.0
    broken: Callable[[], SinkSettings] | None = None
    secret: str = ""


@dataclass(frozen=True, slots=True)
class SourceTrial:
    """A source to try.

    fresh: gives its settings, of a place that has the same lines each time; picklable.  The source ends, or
    `bounded()` does.  lines: all of them, in the order of their partitions.  secret: as of a sink.
    """

    fresh: Callable[[], SourceSettings]
    lines: Sequence[bytes]
    secret: str = ""


@dataclass(frozen=True, slots=True)
class FormatTrial:
    """A format to try.  samples: values, and the JSON objects that they become.  secret: as of a sink."""

    settings: FormatSettings
    samples: Sequence[tuple[bytes, Mapping[str, Any]]]
    secret: str = ""


Trial = SinkTrial | SourceTrial | FormatTrial
