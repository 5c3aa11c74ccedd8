"""Three streams, each with a configuration that says as much as possible about every row of it."""

import json
import random
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from flows.config import loads
from flows.drive.assembly import Opener
from flows.drive.local import LocalDriver
from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.job import Job
from flows.job_stages import JobStages
from flows.simulate.config import MONDAY_US, SimulationSpec
from flows.simulate.platform import Platform
from flows.sinks.specs import JsonlSink
from flows.sources.base import Source
from flows.sources.files import FilesSpec
from flows.streams import Stream
from flows.summary import Summary
from state.types import HOUR_US, SECOND_US

STREAMS = tuple(stream for stream in Stream if stream is not Stream.FEATURES)

_EVENING_US = MONDAY_US + 17 * HOUR_US

_PLATFORM = """
[job]
key_groups = 4
cohorts = { column = "offline" }
[windows]
w5m = { size = "15m" }
w1h = { slide = "15m" }
w24h = { size = "3h", slide = "1h" }
[detectors.extremes.params]
ready = 64
ready_hours = 0
settle_hours = 1
[calibration]
remember = 256
ready = 64
[alerts]
budget_per_day = 5000
line = 0.7
candidate_line = 1.0
suppress = "1h"
[sinks]
scores = [{ kind = "jsonl", path = "unused" }]
"""

_COMPANY = """
[features.crowd]
kind = "max"
column = "net_users"
[features.crowded]
kind = "share"
where = { net_users = { min = 2 } }
[features.wide]
kind = "mean"
column = "holder_artists_users"
[features.sudden]
kind = "max"
column = "holder_surge"
[detectors]
population = false
[detectors.history]
features = ["crowd", "plays", "crowded"]
windows = ["w1h"]

[subjects.net]
key = "ip"
lends = ["users", "devices"]
lends_from = "recent"
ttl = "2d"
[subjects.net.features]
users = { kind = "nunique", column = "user", log = true }
devices = { kind = "nunique", column = "device", log = true }
[subjects.net.windows.recent]
kind = "sliding"
size = "1h"
slide = "15m"
fire = "active"
[subjects.net.windows.sitting]
kind = "session"
gap = "20m"

[subjects.artist]
key = "artist"
where = { type = "play" }
alerts = true
cohorts = { column = "plan" }
lends = ["users"]
[subjects.artist.features]
plays = { kind = "count", log = true }
users = { kind = "nunique", column = "user", log = true }
crowd = { kind = "mean", column = "net_users" }
[subjects.artist.windows.w1h] # ends at every other pane: what is lent is remembered
kind = "sliding"
size = "1h"
slide = "30m"
[subjects.artist.detectors.extremes]
type = "extremes"
params = { ready = 64, ready_hours = 0, settle_hours = 1 }
[subjects.artist.detectors.own]
type = "history_baseline"
features = ["plays"]

[subjects.holder]
key = "rights_holder"
where = { type = "play" }
lends = ["artists_users", "surge"]
[subjects.holder.features]
artists_users = { kind = "max", column = "artist_users" }
surge = { kind = "surge", feature = "artists_users", half_life = "1h" }
[subjects.holder.windows.w15m]
kind = "tumbling"
size = "15m"
[subjects.holder.detectors.sudden]
type = "values"
features = ["surge"]
"""

_CROWDS = '"plays", "play_time", "countries", "failed_logins", "new_countries", "new_devices", "crowd", "crowded"'
_WAYS = (
    '"paid_plays", "paid_per_hour", "tracks", "skip_rate", "just_paid_share", "holder_entropy", "social_rate", "wide",'
    ' "sudden", "plays_per_age_day", "new_countries", "account_changes", "play_time", "active_hours", "plays",'
    ' "countries"'
)


def _in_company(platform: str) -> str:
    """With features of what others lend."""
    hour, day = 'w1h = { slide = "15m"', 'w24h = { size = "3h", slide = "1h"'
    platform = platform.replace(hour, f"{hour}, features = [{_CROWDS}]")
    return platform.replace(day, f"{day}, features = [{_WAYS}]")


_CARDS = """
[job]
name = "cards"
extends = "none"
key_groups = 3
[event]
id = "tx"
time = { path = "at.s", unit = "s" }
subject = "card"
[event.columns]
amount = { kind = "number", required = true, min = 0 }
shop = { kind = "id" }
[time]
out_of_orderness = "20s"
[state]
capacity = 24
ttl = "90m"
rows_per_pane_max = 40
[features.count]
kind = "count"
log = true
[features.capped]
kind = "capped"
[features.total]
kind = "sum"
column = "amount"
log = true
[features.shops]
kind = "nunique"
column = "shop"
[windows.w10m]
kind = "sliding"
size = "10m"
slide = "5m"
[windows.visit]
kind = "session"
gap = "5m"
max = "1h"
[detectors.trees]
type = "half_space_trees"
windows = ["w10m", "visit"]
[detectors.history]
type = "history_baseline"
windows = ["w10m"]
[calibration]
remember = 256
ready = 64
[alerts]
budget_per_day = 5000
line = 0.7
candidate_line = 1.0
suppress = "30m"
[sinks]
scores = [{ kind = "jsonl", path = "unused" }]
"""


@dataclass(frozen=True)
class Scenario:
    """lines: in the order of arrival.  late: whether what is late depends on how the lines are divided."""

    config: str
    lines: Callable[[], list[bytes]]
    subject: str
    late: bool = False

    def job(self) -> Job:
        return loads(self.config, "scenario").job()


def _platform_lines(**settings: Any) -> list[bytes]:
    platform = Platform(
        SimulationSpec(
            users=250, active_share=0.7, start_us=_EVENING_US, duration_us=7 * HOUR_US, partitions=1, **settings
        )
    )
    return [line for piece in platform.lines(platform.partitions()[0]) for line in piece]


def _troubled_lines() -> list[bytes]:
    """Disorder, duplicates, every kind of bad line, and some lines that come half an hour too late."""
    lines = _platform_lines(disorder_us=25 * SECOND_US, duplicate_share=0.05, bad_line_share=0.01)
    chosen = random.Random(3).sample(range(len(lines) // 2), len(lines) // 50)
    late = [lines[i] for i in chosen]
    kept = [line for i, line in enumerate(lines) if i not in set(chosen)]
    return kept[: len(kept) * 3 // 4] + late + kept[len(kept) * 3 // 4 :]


def _card_lines() -> list[bytes]:
    """One card makes a third of all payments; of the others there are more than there is room for."""
    rng = random.Random(9)
    lines = []
    for i in range(6000):
        second = 1_700_000_000 + 2 * i + rng.randrange(-9, 10)
        card = "hot" if rng.random() < 0.33 else f"card{int(rng.paretovariate(0.7)) % 400}"
        amount = round(rng.lognormvariate(3, 1), 2)
        event = {"tx": i, "at": {"s": second}, "card": card, "amount": amount, "shop": rng.randrange(50)}
        lines.append(json.dumps(event).encode())
    return lines


def _ahead_lines() -> list[bytes]:
    """Cards whose clocks are ahead, from the first line on; one sends hundreds.  An hour in which nobody pays."""
    lines: list[bytes] = []
    rng = random.Random(11)
    for i, line in enumerate(_card_lines()):
        event = json.loads(line)
        event["at"]["s"] += 3600 * (i >= 2500)
        liars = 300 if i == 1500 else int(i % 97 == 0)
        for k in range(liars):
            at = {"s": event["at"]["s"] + rng.choice([300, 3600, 86_400, 10**9])}
            liar = event | {
                "tx": f"ahead{i}-{k}",
                "at": at,
                "card": "liar" if liars > 1 else f"card{rng.randrange(40)}",
            }
            lines.append(json.dumps(liar).encode())
        lines.append(json.dumps(event).encode())
    return lines


def _spoilt_lines() -> list[bytes]:
    """Cards of which some use an id again, in the same pane, in later ones, hundreds of times; and lines that are
    rejected, of cards that pay otherwise and of some that never do.
    """
    rng = random.Random(17)
    lines: list[bytes] = []
    for i, line in enumerate(_card_lines()[:3000]):
        event = json.loads(line)
        lines.append(line)
        if i % 5 == 0:
            lines.append(json.dumps(event | {"amount": None}).encode())
        if i % 7 == 0:
            lines.append(json.dumps(event | {"card": f"broken{rng.randrange(3)}", "tx": None}).encode())
        if i % 4 == 0:
            late = {"s": event["at"]["s"] + rng.randrange(3)}
            lines.append(json.dumps(event | {"card": "bot", "tx": "again", "at": late}).encode())
        if i % 3 == 0:
            lines.append(json.dumps(event | {"card": "two ids", "tx": i % 2, "at": event["at"]}).encode())
        if i % 1000 == 500:
            lines += [json.dumps(event | {"card": "flood", "tx": k % 60}).encode() for k in range(300)]
        if i % 50 == 0:
            lines += [b"{", b"[]", b'{"card": 7}', json.dumps(event | {"at": {"s": 9e9}}).encode()]
    return lines


_MARKED = """
[features.again]
kind = "duplicates"
log = true
[features.bad]
kind = "rejects"
[windows.plain]
kind = "sliding"
size = "10m"
slide = "5m"
fire = "active"
features = ["count", "total"]
[windows.quiet]
kind = "session"
gap = "5m"
max = "30m"
features = ["count", "bad"]
[detectors.nonsense]
type = "rules"
windows = ["w10m", "quiet"]
params = { rules = [{ name = "nonsense", feature = "bad", above = 3, p = 1e-7 }] }
[detectors.again]
type = "rules"
windows = ["w10m"]
params = { rules = [{ name = "again", feature = "again", above = 20, p = 1e-7 }] }
"""


SCENARIOS = {
    "in_order": Scenario(_PLATFORM, partial(_platform_lines, disorder_us=0, duplicate_share=0.0), "user_id"),
    "troubled": Scenario(_PLATFORM, _troubled_lines, "user_id", late=True),
    "company": Scenario(_in_company(_PLATFORM) + _COMPANY, _troubled_lines, "user_id", late=True),
    "hot_card": Scenario(_CARDS, _card_lines, "card"),
    "clocks_ahead": Scenario(_CARDS, _ahead_lines, "card", late=True),
    "spoilt": Scenario(_CARDS + _MARKED, _spoilt_lines, "card", late=True),
}


@cache
def lines_of(name: str) -> list[bytes]:
    return SCENARIOS[name].lines()


def write_files(name: str, parts: int, directory: Path) -> FilesSpec:
    """The lines in so many files; a subject's lines stay together, and so do copies of a line."""
    files: list[list[bytes]] = [[] for _ in range(parts)]
    for line in lines_of(name):
        try:
            key = str(json.loads(line)[SCENARIOS[name].subject]).encode()
        except (ValueError, KeyError, TypeError, RecursionError):
            key = line
        files[zlib.crc32(key) % parts].append(line)
    paths = [directory / f"events-{i}.jsonl" for i in range(parts)]
    for path, lines in zip(paths, files, strict=True):
        path.write_bytes(b"\n".join(lines))
    return FilesSpec(tuple(map(str, paths)), "per_file")


Told = tuple[dict[str, list[str]], dict[str, Any]]
"""Each output stream's records, sorted, and the totals."""


def run_local(job: Job, source: Source, directory: Path, batch_lines: int) -> Told:
    sinks = {stream: [opener()] for stream, opener in openers(directory).values()}
    partitions = [source.open(name) for name in source.partition_names()]
    summary = LocalDriver(job, partitions, sinks, batch_lines).run()
    for opened in sinks.values():
        opened[0].close()
    return told(directory, summary)


def run_bytewax(job: Job, source: Source, directory: Path, options: Options) -> Told:
    return told(directory, execute(bytewax_plan(job, source, directory, options)))


def bytewax_plan(job: Job, source: Source, directory: Path, options: Options) -> Plan:
    sources = partitions_of([source])
    return Plan(JobStages(job, tuple(sources)).stages(), sources, openers(directory), options)


def openers(directory: Path) -> dict[str, tuple[Stream, Opener]]:
    directory.mkdir(exist_ok=True)
    return {s.value: (s, Opener(JsonlSink(str(directory / f"{s}.jsonl")), s, "run")) for s in STREAMS}


def totals_of(summary: dict[str, Any]) -> dict[str, Any]:
    """Of a summary as JSON values, what is the same however a run was cut, killed and spread."""
    totals = {k: v for k, v in summary.items() if k not in ("elapsed_s", "events_per_s", "lag", "resumed")}
    # How many partitions gave a column values depends on how many there are.
    totals["filled"] = sorted(name for name, partitions in totals.get("filled", {}).items() if partitions)
    return totals


def told(directory: Path, summary: Summary) -> Told:
    totals = totals_of(summary.to_json())
    # Late and bad lines say which file they came from; where that file lies is not the point.
    here = str(directory.parent)
    texts = {s.value: (directory / f"{s}.jsonl").read_text().replace(here, "") for s in STREAMS}
    # So are the ids of an event about a file's lines, and of a command, which go by the file.
    texts["drift"] = re.sub('"event_id":"[0-9a-f]*","what":"lines"', '"what":"lines"', texts["drift"])
    texts["audit"] = re.sub('"audit_id":"[0-9a-f]*",(?=.*"source":)', "", texts["audit"])
    return {stream: sorted(text.splitlines()) for stream, text in texts.items()}, totals


def same(one: Told, other: Told) -> None:
    """Asserts equality, and names what only one of them has."""
    for stream, records in one[0].items():
        ours, theirs = Counter(records), Counter(other[0][stream])
        assert ours == theirs, f"{stream}: only here {list(ours - theirs)[:3]}, only there {list(theirs - ours)[:3]}"
    totals = {k: (one[1].get(k), other[1].get(k)) for k in one[1] | other[1] if one[1].get(k) != other[1].get(k)}
    assert not totals, f"totals (here, there): {totals}"
