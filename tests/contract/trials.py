"""Trials of our own sinks, sources and formats as parameters of tests: one test per check."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import pytest

from flows.contract.kit import checks_of
from flows.contract.trial import Trial


@dataclass
class Places:
    """Folders of a test, and what its processes said on standard output."""

    folder: Path
    capture: pytest.CaptureFixture[str] | None = None
    names_only: bool = False
    """Whether nothing is tried there: a trial is asked which checks it has."""

    def new(self) -> Path:
        """A folder where nothing is yet."""
        return Path(mkdtemp(dir=self.folder))

    def said(self) -> list[str]:
        """The lines of standard output since this was asked for last."""
        return [] if self.capture is None else self.capture.readouterr().out.splitlines()


@dataclass(frozen=True)
class Named:
    """The check of this name, of a trial that is made for each test."""

    make: Callable[[Any], Trial]
    name: str

    def __call__(self, place: Any) -> None:
        (check,) = (check for check in checks_of(self.make(place)) if str(check) == self.name)
        check.run()


def trials(*makers: Callable[[Any], Trial], place: Callable[[Path], Any] = Places) -> list[Named]:
    """One parameter per check.  place: what a maker is given, of a folder."""
    with TemporaryDirectory() as folder:
        there = place(Path(folder))
        there.names_only = True
        found = [(make, list(checks_of(make(there)))) for make in makers]
    return [Named(make, str(check)) for make, checks in found for check in checks]


def ids(named: Named) -> str:
    return f"{named.make.__name__}: {named.name}"
