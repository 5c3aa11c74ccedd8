"""What a person sees while a run goes on: a bar in a terminal, a line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from state.times import iso, minute

if TYPE_CHECKING:
    from rich.progress import Progress

_log = logging.getLogger("driftnet")


class Display(Protocol):
    """Told how far a run is, as often as the run likes."""

    def update(self, read: int, fraction: float | None, note: str = "", before: int = 0) -> None:
        """read: lines so far.  fraction: of the whole input, None when unknown.  note: what else is worth a word.
        before: lines that earlier runs had read, for the speed of this one.
        """


class Quiet:
    """Shows nothing."""

    def update(self, read: int, fraction: float | None, note: str = "", before: int = 0) -> None:
        """Nothing."""


class StatusLines:
    """Logs a line every every_s seconds: for live runs, and where standard error is no terminal."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._started_s = self._next_s = time.monotonic()
        self._next_s += every_s

    def update(self, read: int, fraction: float | None, note: str = "", before: int = 0) -> None:
        """A line, if it is time for one."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            speed = (read - before) / max(now_s - self._started_s, 1e-9)
            done = "" if fraction is None else f" ({fraction:.0%})"
            _log.info(
                "%s", ", ".join(part for part in (f"{read:,} events{done}", f"{speed:,.0f} events/s", note) if part)
            )


class Bar:
    """A progress bar with the number of events and their speed."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, read="0 events", note="")
        self._started_s = time.monotonic()

    def update(self, read: int, fraction: float | None, note: str = "", before: int = 0) -> None:
        """Moves the bar."""
        speed = (read - before) / max(time.monotonic() - self._started_s, 1e-9)
        text = f"{read:,} events, {speed:,.0f}/s"
        self._progress.update(
            self._task, total=None if fraction is None else 1.0, completed=fraction or 0.0, read=text, note=note
        )


@contextmanager
def display(*, quiet: bool = False, live: bool = False, every_s: float = 10.0) -> Iterator[Display]:
    """The display that fits: none, lines, or a bar on standard error that what is printed meanwhile scrolls above."""
    if quiet:
        yield Quiet()
    elif live or not sys.stderr.isatty():
        yield StatusLines(every_s)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            BarColumn(),
            TextColumn("{task.fields[read]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        # Standard output is only taken over where it is the same screen; a file or a pipe stays as it is.
        with Progress(
            *columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()
        ) as progress:
            yield Bar(progress)


def event_time(us: int) -> str:
    """A watermark for people; nothing before the first event and after the last."""
    if not 0 <= us < 253_402_300_800_000_000:
        return ""
    return f"at {minute(iso(us))}"
