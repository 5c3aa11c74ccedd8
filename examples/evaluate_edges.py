"""How well do scores without labels find attacks in a stream of edges?  Per (destination, minute), beside baselines.

    python examples/evaluate_edges.py darpa_1998_edges.csv.zip

The file: lines "source,destination,MM/DD/YYYY-HH:MM,attack" ("-" for none), the DARPA 1998 intrusion data as an edge
stream (https://github.com/Stream-AD/MIDAS).  Dates run on past the end of a month.  A row is one destination in one
minute; it is positive if any of its edges belongs to an attack.  Exits with 1 below the aims.

Baselines: the destination's own edges this minute; its senders' edges this minute, the largest; MIDAS-R with exact
counters and a decay of 0.5 (Bhatia et al. 2020, AAAI 34(04), 3242-3249), the largest of its edges.
"""
# ruff: noqa: T201

import argparse
import io
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import driftnet
from detectors.quality import rank_quality

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

CONFIG: Final = Path(__file__).with_name("edges.toml")
AIMS: Final = {"all": (0.93, 0.88), "without the largest day": (0.88, 0.75), "median of hours": (0.83, 0.0)}
"""Rows -> AUC-ROC and average precision at least."""
_DECAY: Final = 0.5


@dataclass(frozen=True)
class Edges:
    """Columns of n edges, in the order of the file.  minute: since 1970.  source, destination: numbers of names."""

    minute: I64
    source: I64
    destination: I64
    attack: Bool
    names: list[str]

    def __len__(self) -> int:
        return len(self.minute)


def read(file: Path) -> Edges:
    """The edges of a zipped CSV file."""
    minutes: dict[str, int] = {}
    numbers: dict[str, int] = {}
    at: list[int] = []
    ends: tuple[list[int], list[int]] = ([], [])
    attack: list[bool] = []
    with zipfile.ZipFile(file) as archive, archive.open(archive.namelist()[0]) as raw:
        for line in io.TextIOWrapper(raw, encoding="ascii"):
            source, destination, moment, what = line.rstrip("\n").split(",")
            if moment not in minutes:
                minutes[moment] = minute_of(moment)
            at.append(minutes[moment])
            for name, into in zip((source, destination), ends, strict=True):
                into.append(numbers.setdefault(name, len(numbers)))
            attack.append(what != "-")
    return Edges(np.array(at), np.array(ends[0]), np.array(ends[1]), np.array(attack), list(numbers))


def minute_of(moment: str) -> int:
    """Of "MM/DD/YYYY-HH:MM", whose days run on past the end of the month."""
    date, clock = moment.split("-")
    month, day, year = map(int, date.split("/"))
    hour, minute = map(int, clock.split(":"))
    first = datetime(year, month, 1, tzinfo=UTC)
    return int((first + timedelta(days=day - 1, hours=hour, minutes=minute)).timestamp()) // 60


@dataclass(frozen=True)
class Rows:
    """One per (destination, minute), ascending by both.  of: (n,) the row of each edge."""

    destination: I64
    minute: I64
    attack: Bool
    of: I64


def rows_of(edges: Edges) -> Rows:
    """What is judged."""
    key, of = np.unique(edges.destination * (1 << 32) + edges.minute, return_inverse=True)
    attack = np.zeros(len(key), np.bool_)
    attack[of[edges.attack]] = True
    return Rows(key >> 32, key & ((1 << 32) - 1), attack, of)


def lines_of(edges: Edges) -> Iterator[bytes]:
    """As events."""
    names = edges.names
    for minute, source, destination in zip(
        edges.minute.tolist(), edges.source.tolist(), edges.destination.tolist(), strict=True
    ):
        yield b'{"at":%d,"source":"%s","destination":"%s"}' % (
            minute * 60, names[source].encode(), names[destination].encode(),
        )  # fmt: skip


class Scores:
    """Takes the score of each row as it comes.  names: -> number."""

    def __init__(self, names: list[str]) -> None:
        self._number = {name: number for number, name in enumerate(names)}
        self.found: dict[int, tuple[float, float]] = {}
        """destination << 32 | minute -> detector's score, value of the feature."""

    def write(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            if record["kind"] != "destination":
                continue
            minute = int(datetime.fromisoformat(record["start"]).timestamp()) // 60
            score, value = record["scores"]["surge"], record["values"]["sender_surge"]
            self.found[(self._number[record["subject"]] << 32) + minute] = (
                np.nan if score is None else score,
                np.nan if value is None else value,
            )

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


def scored(edges: Edges, rows: Rows) -> tuple[F64, F64]:
    """The detector's score and the feature's value of each row; nan where there is none.  Prints what the run was."""
    sink = Scores(edges.names)
    began = time.process_time()
    done = driftnet.replay(lines_of(edges), CONFIG, streams=[], sinks={"features": [sink]})
    totals = done.summary.to_json()
    print(
        f"{totals['read']:,} edges = {totals['accepted']:,} accepted + {totals['late']:,} late;"
        f" {len(sink.found):,} rows of destinations, {time.process_time() - began:.0f} CPU s"
    )
    key = (rows.destination << 32) + rows.minute
    nothing = (np.nan, np.nan)
    score, value = np.array([sink.found.get(k, nothing) for k in key.tolist()]).T
    return score, value


def largest(of: I64, value: F64, rows: int) -> F64:
    """The largest value among the edges of each row."""
    out = np.full(rows, -np.inf)
    np.maximum.at(out, of, value)
    return out


def of_sender(edges: Edges) -> F64:
    """(n,) how many edges each edge's source has in its minute."""
    _, of, count = np.unique(edges.source * (1 << 32) + edges.minute, return_inverse=True, return_counts=True)
    return count[of].astype(np.float64)


def midas(edges: Edges) -> F64:
    """(n,) MIDAS-R's score of each edge: how much more of this edge, source or destination there is than usual.

    Counters are exact, minutes of disorder are taken as they come; the current counts decay when the minute changes.
    """
    order = np.argsort(edges.minute, kind="stable")
    pairs = edges.source * (1 << 32) + edges.destination
    best = np.zeros(len(edges))
    t = edges.minute - edges.minute.min() + 1
    for keys in (pairs, edges.source, edges.destination):
        now: dict[int, float] = {}
        ever: dict[int, float] = {}
        seen_at: dict[int, int] = {}
        score = np.zeros(len(edges))
        for i, key, tick in zip(order.tolist(), keys[order].tolist(), t[order].tolist(), strict=True):
            passed = tick - seen_at.get(key, tick)
            a = now.get(key, 0.0) * _DECAY**passed + 1.0
            s = ever.get(key, 0.0) + 1.0
            now[key], ever[key], seen_at[key] = a, s, tick
            if tick > 1:
                mean = s / tick
                score[i] = (a - mean) ** 2 / mean + (a - mean) ** 2 / (mean * (tick - 1)) if a > mean else 0.0
        best = np.maximum(best, score)
    return best


def measures(score: F64, rows: Rows) -> dict[str, tuple[float, float]]:
    """Subset of the rows -> AUC-ROC, average precision."""
    label, score = rows.attack.astype(np.float64), np.where(np.isnan(score), -np.inf, score)
    finite = np.where(np.isinf(score), np.min(score[np.isfinite(score)], initial=0.0) - 1.0, score)
    day, hour = rows.minute // 1440, rows.minute // 60
    days, positives = np.unique(day[rows.attack], return_counts=True)
    rest = day != days[positives.argmax()]
    hours = (hour == h for h in np.unique(hour[rows.attack]).tolist())
    areas = [area for of in hours if (area := rank_quality(finite[of], label[of]).roc_auc) is not None]
    return {
        "all": _pair(finite, label),
        "without the largest day": _pair(finite[rest], label[rest]),
        "median of hours": (float(np.median(areas)) if areas else float("nan"), float("nan")),
    }


def _pair(score: F64, label: F64) -> tuple[float, float]:
    found = rank_quality(score, label)
    return found.roc_auc or 0.0, found.average_precision or 0.0


def main() -> int:
    """Prints the measures; 1 below the aims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    edges = read(parser.parse_args().file)
    rows = rows_of(edges)
    print(f"{len(edges):,} edges, {len(rows.minute):,} rows, {int(rows.attack.sum()):,} with an attack")
    score, value = scored(edges, rows)
    told = {
        "Driftnet": measures(score, rows),
        "the lent value alone": measures(value, rows),
        "sender's edges this minute": measures(largest(rows.of, of_sender(edges), len(rows.minute)), rows),
        "MIDAS-R": measures(largest(rows.of, midas(edges), len(rows.minute)), rows),
        "destination's edges": measures(np.bincount(rows.of).astype(np.float64), rows),
    }
    print(f"{'':<28}" + "".join(f"{name:>26}" for name in AIMS))
    for name, found in told.items():
        cells = (f"{area:.3f}" + ("" if np.isnan(ap) else f" / {ap:.3f}") for area, ap in found.values())
        print(f"{name:<28}" + "".join(f"{cell:>26}" for cell in cells))
    short = [
        f"{name}: {what} {seen:.3f}, aim {aim:.2f}"
        for name, aims in AIMS.items()
        for what, seen, aim in zip(("AUC-ROC", "average precision"), told["Driftnet"][name], aims, strict=True)
        if seen < aim
    ]
    for line in short:
        print(line)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
