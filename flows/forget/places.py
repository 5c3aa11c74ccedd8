"""All places that were named, and what is found in them."""

import hashlib
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from flows.config.models import Config
from flows.forget.records import forget_in_lines, forget_in_parquet, forget_in_store
from flows.forget.state import about_of, forget_in_state
from flows.savepoint.manifest import is_savepoint
from flows.sinks import parts
from state.errors import ConfigError
from state.times import iso_now

RECORD: Final = "forgotten.jsonl"
"""In a state directory: one record for each time that somebody was forgotten there."""
_SQLITE: Final = b"SQLite format 3\0"


def forget_everywhere(name: str, places: Sequence[Path], by: str, reason: str, own: Config) -> dict[str, Any]:
    """The record of what was done.  It names the subject by a digest of its id.

    Raises ConfigError, before anything is changed, for a place that is none; SnapshotError and SinkError for one that
    cannot be changed, after those before it were.
    """
    work = [each for place in places for each in _inside(place)]
    record: dict[str, Any] = {
        "audit_id": secrets.token_hex(8),
        "at": iso_now(),
        "command": "forget",
        "outcome": "applied",
        "subject_digest": hashlib.blake2b(name.encode(), digest_size=16).hexdigest(),
        "by": by,
        "reason": reason,
    }
    about = about_of(name, own)
    removed: dict[str, dict[str, int]] = {}
    for kind, place in work:
        if kind == "state":
            found = forget_in_state(place, name, own)
            if not is_savepoint(place):
                with (place / RECORD).open("ab") as file_:
                    file_.write(orjson.dumps(record | {"removed": +found}, option=orjson.OPT_APPEND_NEWLINE))
        elif kind == "parquet":
            found = Counter({"rows": forget_in_parquet(place, about)})
        elif kind == "store":
            found = forget_in_store(place, about, record)
        else:
            found = Counter({"lines": forget_in_lines(place, about)})
        removed[str(place)] = dict(+found)
    return record | {"removed": removed}


def _inside(place: Path) -> Iterator[tuple[str, Path]]:
    if (place / "store").is_dir():
        yield "state", place
        yield from (("state", file.parent) for file in sorted(place.glob("savepoints/*/savepoint.json")))
        return
    if place.is_dir() and (parts.finished(place) or parts.journals(place)):
        yield "parquet", place
        return
    if not place.is_file():
        raise ConfigError(
            f"{place}: seen neither a state directory nor a file, allowed: state directories, savepoints, SQLite"
            " stores, JSON Lines files, folders of Parquet files"
        )
    with place.open("rb") as file:
        head = file.read(len(_SQLITE))
    if head == _SQLITE:
        yield "store", place
    elif head.lstrip()[:1] in (b"{", b""):  # lines that were forgotten are blank
        yield "lines", place
    else:
        raise ConfigError(f"{place}: begins with {head!r}, expected a SQLite store or JSON Lines of records")
