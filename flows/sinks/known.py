"""The alerts that a job has raised, wherever they went: what a person means by an id."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import orjson

from flows.sinks.store import AlertStore
from state.errors import SinkError

Record = dict[str, Any]


class KnownAlerts(Protocol):
    """place: where they are, for people."""

    place: str

    def get(self, prefix: str) -> Record | None:
        """The alert whose id begins so, None where there is none.  Raises SinkError for several."""

    def has_subject(self, subject: str) -> bool:
        """Whether a subject of this id was alerted."""

    def newest(self) -> str | None:
        """When the newest of them was raised, in event time."""


def known_alerts(db: Path | None, sinks: Iterable[Any]) -> KnownAlerts:
    """The store that is named, or the first of the sinks of alerts that can be read: SQLite, then JSON Lines."""
    files = [(sink.kind, Path(sink.path)) for sink in sinks if sink.kind in ("sqlite", "jsonl")]
    kind, path = ("sqlite", db) if db is not None else min(files, key=lambda f: f[0] != "sqlite", default=("", Path()))
    if kind == "sqlite" and (db is not None or path.is_file()):
        return _Stored(path)
    return _Listed(path if kind else None)


class _Stored:
    def __init__(self, path: Path) -> None:
        self.place = f"store {path}"
        self._store = AlertStore(path)

    def get(self, prefix: str) -> Record | None:
        return self._store.get(prefix)

    def has_subject(self, subject: str) -> bool:
        return bool(self._store.list_alerts(subject=subject, limit=1))

    def newest(self) -> str | None:
        found = self._store.list_alerts(limit=1)
        return str(found[0]["raised"]) if found else None


class _Listed:
    """Of a JSON Lines file, which may not be there yet; None for no file at all."""

    def __init__(self, path: Path | None) -> None:
        self.place = "no store of alerts in the configuration" if path is None else str(path)
        self._alerts = [] if path is None or not path.exists() else list(_records(path))

    def get(self, prefix: str) -> Record | None:
        found = {a["alert_id"]: a for a in self._alerts if a["alert_id"].startswith(prefix)}
        if len(found) > 1:
            raise SinkError(f"alert id {prefix!r} is not unique: {', '.join(sorted(found)[:3])}; give more digits")
        return next(iter(found.values()), None)

    def has_subject(self, subject: str) -> bool:
        return any(a["subject"] == subject for a in self._alerts)

    def newest(self) -> str | None:
        return max((a["raised"] for a in self._alerts), default=None)


def _records(path: Path) -> Iterable[Record]:
    """Whole lines that are alerts: the last one may be half written."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
        found = [orjson.loads(line) for line in lines if line.strip()]
    except (OSError, orjson.JSONDecodeError) as error:
        raise SinkError(f"{path}: cannot be read as JSON Lines of alerts: {error}") from None
    keys = ("alert_id", "subject", "raised", "first")
    if not all(isinstance(r, dict) and all(isinstance(r.get(key), str) for key in keys) for r in found):
        raise SinkError(f"{path}: has a line that is no alert")
    return found
