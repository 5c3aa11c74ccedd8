"""What a run of `make chaos` reads beside a scenario's own events: what strangers send, and colleagues by mistake.

Events whose clock is ahead, a partition of nothing but garbage, labels that are broken or dated far ahead, commands
that are wrong; and some labels and commands that are right, so that it matters that the others change nothing.
Accounts are exempt from alerts by list, by command and by label, for a while or for good.
"""

import json
import random
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from xxhash import xxh3_64_intdigest

from detectors.alerting.exempt import Exemption, Origin
from flows.config import loads
from flows.job import Job
from flows.sources.base import Source
from flows.sources.files import FilesSpec
from tests.engine.scenarios import SCENARIOS, lines_of, write_files

PARTS: Final = 2
"""Partitions of events."""
_MORE: Final = """
[detectors.bins]
type = "binned_logistic"
windows = ["{window}"]
params = {{ ready = 1, rows_each = 2 }}
[detectors.judge]
type = "river"
windows = ["{window}"]
params = {{ path = "river.linear_model.LogisticRegression", params = {{}}, warmup = 8, directed = false }}
[labels]
wait = "1h"
rows_max = 2000
[sources.told]
kind = "stdin"
reads = "labels"
"""
_GARBAGE: Final = (
    b"{",
    b"null",
    b"[1, 2",
    b"\xff\xfe{\x00}\x00",
    b"\x00" * 40,
    b"[" * 3000,
    b'{"event_id": 5}',
    b'{"tx": {}, "at": {"s": "soon"}, "card": [], "amount": "much"}',
    b'{"event_id": "e", "event_time": 1e400, "user_id": null, "type": "play"}',
    b"GET / HTTP/1.1",
    "é".encode("latin-1") * 30,
)
_FAR_MS: Final = 4_100_000_000_000
"""In 2099."""


@cache
def job(name: str) -> Job:
    """A scenario's job with detectors that learn from labels, and a list of two accounts that are not alerted: one for
    good, one until the middle.
    """
    plain = loads(SCENARIOS[name].config + _MORE.format(window="w10m" if _is_cards(name) else "w1h"), name).job()
    first_ms, last_ms = _times(name)
    ends_ms = _FAR_MS, (first_ms + last_ms) // 2
    listed = [
        Exemption(xxh3_64_intdigest(subject.encode()), subject, Origin.FILE, 1000 * end_ms, "staff", "ann")
        for subject, end_ms in zip(_busiest(name), ends_ms, strict=False)
    ]
    return plain.with_judgement(exempt=tuple(listed))


def write_sources(name: str, place: Path) -> list[Source]:
    """Files in a directory, as sources that `tests.engine.beside` runs."""
    events = write_files(name, PARTS, place)
    for path in map(Path, events.paths):
        path.write_bytes(b"\n".join(_with_clocks_ahead(name, path.read_bytes().splitlines())))
    rng = random.Random(5)
    beside = {
        "garbage": [line for i in range(500) for line in (rng.choice(_GARBAGE), *[b" "] * (i % 9 == 0))],
        "labels": _labels(name),
        "control": _commands(name),
    }
    for file, lines in beside.items():
        (place / f"{file}.jsonl").write_bytes(b"\n".join(lines))
    return [events, *(FilesSpec((str(place / f"{file}.jsonl"),), name=file) for file in beside)]


def _is_cards(name: str) -> bool:
    return SCENARIOS[name].subject == "card"


def _event(name: str, line: bytes) -> tuple[dict[str, Any], str, int] | None:
    """A line's content, its subject and its time in ms; None of one that is bad or dated otherwise than most."""
    try:
        event: dict[str, Any] = json.loads(line)
        at = event["at"]["s"] * 1000 if _is_cards(name) else event["event_time"]
        subject = event[SCENARIOS[name].subject]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    good = isinstance(subject, str) and isinstance(at, int) and 1_600_000_000_000 < at < 1_800_000_000_000
    return (event, subject, at) if good else None


@cache
def _events(name: str) -> list[tuple[dict[str, Any], str, int]]:
    """Content, subject and time in ms of all lines that are good."""
    return [event for event in (_event(name, line) for line in lines_of(name)) if event is not None]


def _times(name: str) -> tuple[int, int]:
    """The first event and the last one, in ms."""
    times = [at_ms for _, _, at_ms in _events(name)]
    return min(times), max(times)


@cache
def _busiest(name: str) -> list[str]:
    """Subjects with most events: these are alerted at some time, if they are not exempt."""
    return [subject for subject, _ in Counter(subject for _, subject, _ in _events(name)).most_common(8)]


def _with_clocks_ahead(name: str, lines: Sequence[bytes]) -> list[bytes]:
    """One line in a hundred comes again, under an id of its own, from a clock that is ahead, behind a blank one."""
    rng = random.Random(7)
    out: list[bytes] = []
    for i, line in enumerate(lines):
        out.append(line)
        found = _event(name, line) if i % 100 == 99 else None
        if found is not None:
            event, _, at_ms = found
            ahead_s = rng.choice([3600, 86_400, 10**9])
            own = {"tx": f"clock{i}", "at": {"s": at_ms // 1000 + ahead_s}}
            if not _is_cards(name):
                own = {"event_id": f"clock{i}", "event_time": at_ms + 1000 * ahead_s}
            out += [b"", json.dumps(event | own).encode()]
    return out


def _labels(name: str) -> list[bytes]:
    """Of every 40th event's subject, ten minutes later; each tenth one again in 2099, and some that are broken."""
    labels: list[bytes] = []
    found = (_event(name, line) for line in lines_of(name)[::40])
    for i, (_, subject, at_ms) in enumerate(event for event in found if event is not None):
        label: dict[str, Any] = {"subject": subject, "label": i % 3 == 0, "at": at_ms + 600_000}
        labels.append(json.dumps(label).encode())
        if i % 10 == 5:
            labels.append(json.dumps(label | {"at": _FAR_MS + i}).encode())
        if i % 30 == 7:
            labels += [b"{", json.dumps(label | {"label": 3}).encode(), json.dumps(label | {"at": "soon"}).encode()]
    return labels


def _commands(name: str) -> list[bytes]:
    """Right ones between wrong ones, over the time of the events."""
    trees = "trees" if _is_cards(name) else "population"
    first_ms, last_ms = _times(name)
    listed, _, third, fourth, *_ = _busiest(name)
    test = {"command": "exempt", "reason": "test account"}
    commands: list[dict[str, Any]] = [
        {"command": "tune", "detector": "judge", "settings": {"path": "river.linear_model.LogisticRegresion"}},
        test | {"subject": third, "until": _FAR_MS},
        {"command": "pause", "detector": trees},
        test | {"subject": fourth, "until": (first_ms + 2 * last_ms) // 3},
        {"command": "unexempt", "subject": "nobody"},
        {"command": "tune", "detector": "nobody", "settings": {"weight": 2}},
        {"command": "disable", "detector": trees, "at": _FAR_MS},
        {"command": "resume", "detector": trees},
        test | {"subject": fourth, "until": first_ms},
        {"command": "unexempt", "subject": third},
        {"command": "unexempt", "subject": listed},
        {"command": "exempt", "subject": third, "until": _FAR_MS},
        {"command": "tune", "detector": trees, "settings": {"scale_rows": 10**12}},
        {"command": "tune", "detector": trees, "settings": {"n_trees": 10**6, "height": 15}},
        {"command": "tune", "detector": trees, "settings": {"height": 16}},
        {"command": "tune", "detector": trees, "settings": {"weight": 2}},
        {"command": "tune", "detector": "bins", "settings": {"ready": "many"}},
        {"command": "format", "detector": trees},
        {"command": "disable", "detector": "history"},
    ]
    step_ms = (last_ms - first_ms) // (len(commands) + 2)
    return [
        json.dumps({"at": first_ms + i * step_ms, "by": "ann", **command}).encode()
        for i, command in enumerate(commands, 1)
    ]
