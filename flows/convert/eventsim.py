"""Eventsim's page log ("Sparkify"), a synthetic music service."""

from pathlib import Path
from typing import Any, Final

import orjson

from flows.convert.files import Record, read_lines, write_lines
from flows.convert.listening import track_id
from state.errors import SourceError

_TYPES: Final = {
    "NextSong": "play",
    "Thumbs Up": "like",
    "Add to Playlist": "playlist_edit",
    "Add Friend": "follow",
    "Login": "login_ok",
    "Submit Registration": "sign_up",
    "Submit Upgrade": "plan_change",
    "Submit Downgrade": "plan_change",
}
_PLANS: Final = {"paid": "premium", "free": "free"}


def convert_eventsim(path: Path, out: Path) -> int:
    """A page log (JSON Lines, .gz or not) to events of the platform schema; the number of lines.

    Pages that say nothing about listening are left out, and so are visitors without a user id. A song is logged when
    it starts: its play stands there, and how long it was heard is not known.
    Raises SourceError for a line of another format, SinkError when out cannot be written.
    """
    events: list[Record] = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            event = _event(orjson.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{path}:{number}: not a line of eventsim's page log: {error!r}") from None
        if event is not None:
            events.append(event)
    events.sort(key=lambda e: int(e["event_time"]))
    return write_lines(out, ({"event_id": f"{e['user_id']}-{i}"} | e for i, e in enumerate(events)))


def _event(page: dict[str, Any]) -> Record | None:
    kind = _TYPES.get(page["page"])
    if kind is None or not page["userId"]:
        return None
    event = {
        "event_time": int(page["ts"]),
        "type": kind,
        "user_id": str(page["userId"]),
        "plan": _PLANS.get(page["level"]),
        "account_created": int(page["registration"]) if page.get("registration") else None,
    }
    if kind != "play":
        return event
    heard = {"artist_id": page["artist"], "track_id": track_id(page["artist"], page["song"])}
    return event | heard | {"track_ms": round(1000 * page["length"])}
