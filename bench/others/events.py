"""The input: the plays of the scenario `uniform`, with some plays turned into skips and likes."""

from pathlib import Path
from typing import Final

from bench.workloads import evenly, plays
from state.types import MINUTE_US

EVENTS_PER_USER: Final = 20
_PLAY: Final = b'"type":"play"'
_AT: Final = len(b'{"event_id":"')
_OTHERWISE: Final = {ord(b"0"): b'"type":"skip"', ord(b"1"): b'"type":"skip"', ord(b"2"): b'"type":"like"'}


def write_events(path: Path, events: int) -> None:
    """A function of the number alone.  By the first digit of the event id, 1/8 are skips and 1/16 likes."""
    users = max(1, events // EVENTS_PER_USER)
    with path.open("wb") as out:
        for line in plays(events, users, 30 * MINUTE_US, evenly(users)):
            out.write(line.replace(_PLAY, _OTHERWISE.get(line[_AT], _PLAY), 1) + b"\n")
