"""A run's record beside its state: who runs it, since when, where it can be asked, and how it ended."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from flows.redaction import hidden
from state.errors import CheckpointError
from state.times import iso_now

_NAME: Final = "run"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """run: the name that logs and alert stores have it by.  started, ended: ISO 8601 UTC; ended is "" while it goes on,
    and of a run that was killed.  listen: HOST:PORT of its metrics and health, "" for nowhere.  how: it ended.
    """

    run: str
    job: str
    version: str
    host: str
    pid: int
    processes: int
    started: str
    listen: str = ""
    ended: str = ""
    how: str = ""


def record_file(directory: Path, host: int | None = None) -> Path:
    """Of one of several hosts, or of the only one."""
    return directory / (f"{_NAME}.json" if host is None else f"{_NAME}-{host}.json")


@contextmanager
def recorded(
    file: Path, ending: Callable[[], str], *, run: str, job: str, version: str, processes: int, listen: str
) -> Iterator[None]:
    """Keeps the record while the block runs.  ending: how it ended, if well.  Raises CheckpointError where it cannot be
    written at the start; at the end it says what there is room for.
    """
    told: dict[str, Any] = asdict(
        RunRecord(run, job, version, socket.gethostname(), os.getpid(), processes, iso_now("seconds"), listen)
    )
    try:
        _write(file, told)
    except OSError as error:
        raise CheckpointError(
            f"state directory {file.parent} cannot be written: {error.strerror}; make room, or name another"
        ) from error
    how = ""
    try:
        yield
        how = ending()
    except BaseException as error:
        how = hidden(f"{type(error).__name__}: {error}")
        raise
    finally:
        with suppress(OSError):
            _write(file, told | {"ended": iso_now("seconds"), "how": how})


def _write(file: Path, told: dict[str, Any]) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(told))
    fresh.replace(file)


def records(directory: Path) -> list[RunRecord]:
    """Of all hosts that have run it, each of its last run; none that cannot be read, or is of another version."""
    found = []
    for file in sorted(directory.glob(f"{_NAME}*.json")):
        with suppress(OSError, ValueError, TypeError):
            found.append(RunRecord(**json.loads(file.read_text())))
    return found
