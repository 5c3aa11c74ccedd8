"""A note beside the state of a run that is archived: which directory it is, and how far its archive is."""

import json
import logging
from pathlib import Path
from typing import Any, Final

from flows.archive.head import Entry
from flows.savepoint.copy import ARCHIVE_NOTE
from state.times import iso_now

_log: Final = logging.getLogger("driftnet.archive")


def write_note(directory: Path, url: str, identity: str, last: Entry | None, errors: int, error: str) -> None:
    """identity: of the directory, by which its archive knows it.  last: the checkpoint that is there.  errors, error:
    how many attempts failed, and why the last one did, "" where it did not.
    """
    told = {
        "url": url,
        "directory": identity,
        "epoch": last.epoch if last else None,
        "taken": last.taken if last else None,
        "errors": errors,
        "error": error,
        "written": iso_now("seconds"),
    }
    fresh = directory / f"{ARCHIVE_NOTE}.new"
    try:
        fresh.write_text(json.dumps(told))
        fresh.replace(directory / ARCHIVE_NOTE)
    except OSError as error_here:
        _log.debug("%s cannot be written: %s", fresh, error_here)


def read_note(directory: Path) -> dict[str, Any] | None:
    """What was noted; None where a directory has no archive, or nobody can read it."""
    try:
        found = json.loads((directory / ARCHIVE_NOTE).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def noted_id(directory: Path) -> str | None:
    """The directory's own."""
    found = (read_note(directory) or {}).get("directory")
    return found if isinstance(found, str) and found else None
