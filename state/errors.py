"""Every error that Driftnet raises on purpose.

DriftnetError
├── ConfigError            a person fixes it: file, key, value seen, what is allowed
│   └── PluginError        a plug-in's author fixes it: which distribution or file, what it raised
├── SourceError            an operator fixes it: an input that cannot be read
├── SinkError              an operator fixes it: an output that cannot be written
├── DetectorError          a detector's author fixes it: which detector, which call, what came back
├── CheckpointError        an operator fixes it: state that cannot be written
└── SnapshotError          an operator fixes it: bytes that do not fit this job
    └── SnapshotVersionError

A bad input line is not an error: it is data, and goes to the dead-letter stream with its reason.
Messages say what was seen, what was expected and what to do.
"""

from collections.abc import Iterable
from typing import NamedTuple


class DriftnetError(Exception):
    """Root of the tree; the command line prints its message without a traceback and exits with exit_code."""

    exit_code = 2


class Mistake(NamedTuple):
    """One thing that is wrong.  key: its path below what was being made.  text: what was seen, what is allowed."""

    key: tuple[str, ...]
    text: str


class ConfigError(DriftnetError):
    """A configuration that cannot run.  mistakes: all that is wrong with it, each with its place."""

    def __init__(self, text: str, mistakes: Iterable[Mistake] = ()) -> None:
        super().__init__(text)
        self.mistakes = tuple(mistakes) or (Mistake((), text),)

    @classmethod
    def of(cls, mistakes: Iterable[Mistake], owner: str = "") -> "ConfigError":
        """One error for at least one mistake, told a line each.  owner: the dotted name of what was being made."""
        told = tuple(dict.fromkeys(mistakes))
        lines = (f"{'.'.join(filter(None, (owner, *m.key)))}: {m.text}" for m in told)
        return cls("\n".join(line.removeprefix(": ") for line in lines), told)


class PluginError(ConfigError):
    """A detector that is there, and cannot be loaded."""


class SourceError(DriftnetError):
    """An input that cannot be read."""


class SinkError(DriftnetError):
    """An output that cannot be written."""


class DetectorError(DriftnetError):
    """A detector that broke its contract."""


class CheckpointError(DriftnetError):
    """State that cannot be written now."""


class SnapshotError(DriftnetError):
    """Saved state that does not fit."""


class SnapshotVersionError(SnapshotError):
    """Saved state written by a version that this build cannot read."""

    def __init__(self, what: str, found: int, reads: tuple[int, ...]) -> None:
        known = ", ".join(f"v{v}" for v in reads)
        super().__init__(f"{what}: saved state is v{found}, this build reads {known}; use a build that knows v{found}")
        self.what = what
        self.found = found
        self.reads = reads
