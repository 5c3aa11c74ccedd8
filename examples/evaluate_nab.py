"""The shipped detectors for time series on the Numenta Anomaly Benchmark, by its own rules.

    python examples/evaluate_nab.py FOLDER [--line 0.0105] [--hold 225] [--series NAME] [-c FILE]

FOLDER holds NAB's data folders (CSV, gzipped or not) and combined_windows.json; series that are not there are left out.
A row alarms when its tail probability is at most the line and none of the `hold` rows before it alarmed: what an alert
policy with suppression would send.  Its score is its surprise then, and a tenth of the line's otherwise.

Rules: Lavin & Ahmad 2015, "Evaluating real-time anomaly detection algorithms: the Numenta Anomaly Benchmark", and the
benchmark's code: the first 15 % of a series (at most 750 rows) do not count; the earliest detection in a window counts
by a sigmoid of its place; false alarms by a sigmoid of their distance from the window before; one threshold for all
series is chosen per profile; 0 is a detector that says nothing, 100 a perfect one.

The series are told in two halves; in each folder they alternate, in the order of the SHA-1 of their file names.  The
detectors were chosen by figures of the first, the line with both in view.
"""

import argparse
import csv
import hashlib
import json
import math
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from flows.convert.files import read_lines
from flows.scoring.judgement import table_judgement
from flows.scoring.prequential import score_table
from flows.scoring.table import Table
from state.types import F64, I64

PROFILES = {"standard": (1.0, 0.11, 1.0), "reward low FP": (1.0, 0.22, 1.0), "reward low FN": (1.0, 0.11, 2.0)}
"""Weights of a true positive, a false positive, a false negative."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """windows: first and last row of each anomaly."""

    name: str
    time_us: I64
    value: F64
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Rows that do not count."""
        return min(int(0.15 * len(self.value)), 750)


def read(folder: Path) -> list[Series]:
    """The series that are there."""
    found = []
    for name, windows in sorted(json.loads((folder / "combined_windows.json").read_text()).items()):
        path = next((p for p in (folder / name, folder / f"{name}.gz") if p.exists()), None)
        if path is None:
            continue
        rows = list(csv.DictReader(read_lines(path)))
        time = np.array([np.datetime64(row["timestamp"], "us") for row in rows])
        value = np.array([float(row["value"]) for row in rows])
        at = [
            (
                int(np.searchsorted(time, np.datetime64(a, "us"))),
                int(np.searchsorted(time, np.datetime64(b, "us"), "right")) - 1,
            )
            for a, b in windows
        ]
        found.append(Series(name, time.astype(np.int64), value, tuple(at)))
    return found


def halves(series: Sequence[Series]) -> tuple[list[int], list[int]]:
    """Numbers of the series that were chosen on, and of those that were not."""
    folders: dict[str, list[tuple[str, int]]] = {}
    for i, one in enumerate(series):
        folder, _, name = one.name.rpartition("/")
        folders.setdefault(folder, []).append((hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(), i))
    ordered = [[i for _, i in sorted(mine)] for mine in folders.values()]
    return [i for mine in ordered for i in mine[::2]], [i for mine in ordered for i in mine[1::2]]


def sigmoid(place: float) -> float:
    """1 far before the end of a window, 0 at its end, towards -1 beyond."""
    return -1.0 if place > 3 else 2 / (1 + math.exp(5 * place)) - 1


def worth(series: Series) -> tuple[I64, F64]:
    """Per row: the window that it is in, -1 for none, and what a detection there is worth, before weights."""
    window, value = np.full(len(series.value), -1), np.full(len(series.value), -1.0)
    for k, (first, last) in enumerate(sorted(series.windows)):
        width = last - first + 1
        for row in range(first, last + 1):
            window[row], value[row] = k, sigmoid(-(last - row + 1) / width) / sigmoid(-1.0)
        for row in range(last + 1, len(value)):
            value[row] = sigmoid((row - last) / max(width - 1, 1))
    return window, value


def benchmark(series: Sequence[Series], scores: Sequence[F64]) -> dict[str, float]:
    """Profile -> score, 0 to 100, with the threshold that is best for it."""
    rows: list[tuple[float, int, int, float]] = []
    for k, (one, score) in enumerate(zip(series, scores, strict=True)):
        window, value = worth(one)
        rows += [(score[i], k, int(window[i]), float(value[i])) for i in range(one.probation, len(score))]
    rows.sort(key=lambda row: -row[0])
    windows = sum(last >= one.probation for one in series for _, last in one.windows)
    return {name: _best(rows, windows, *weights) for name, weights in PROFILES.items()}


def _best(rows: list[tuple[float, int, int, float]], windows: int, hit: float, false: float, missed: float) -> float:
    """Lowers the threshold row by row."""
    nothing = total = best = -missed * windows
    found: dict[tuple[int, int], float] = {}
    for i, (score, k, window, value) in enumerate(rows):
        if window < 0:
            total += false * value
        else:
            before = found.get((k, window))
            total += (missed if before is None else -hit * before) + hit * max(value, before or -1.0)
            found[k, window] = max(value, before or -1.0)
        if i + 1 == len(rows) or rows[i + 1][0] < score:
            best = max(best, total)
    return 100 * (best - nothing) / (hit * windows - nothing)


def alarms(tail: F64, line: float, hold: int) -> F64:
    """Surprise in nats where a row alarms, a tenth of what it lacks no more than elsewhere."""
    surprise = -np.log(np.where(np.isnan(tail), 1.0, tail))
    out = 0.1 * np.minimum(surprise, -math.log(line))
    last = -hold - 1
    for row in np.flatnonzero(surprise >= -math.log(line)).tolist():
        if row - last > hold:
            out[row], last = surprise[row], row
    return out


def scored(series: Series, line: float, hold: int, config: Path | None = None) -> F64:
    """(n,) a series through the flow's models, row by row.  config: what differs from flows/series.toml."""
    table = Table(series.value[:, None], ("value",), None, None, series.time_us).as_series()
    scores = score_table(*table_judgement(table.features, config, environ={}, series=True), table, 1)
    return alarms(scores.tail_probability, line, hold)


def main() -> None:
    """Prints the scores of the three profiles, by halves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--line", type=float, default=0.0105)
    parser.add_argument("--hold", type=int, default=225)
    parser.add_argument("--series", action="append", help="only these (a part of the name will do)")
    parser.add_argument("-c", "--config", type=Path, help="what differs from flows/series.toml")
    given = parser.parse_args()
    series = [s for s in read(given.folder) if not given.series or any(part in s.name for part in given.series)]
    with ProcessPoolExecutor() as pool:
        scores = list(pool.map(partial(scored, line=given.line, hold=given.hold, config=given.config), series))
    chosen, rest = halves(series)
    for name, part in (("first half", chosen), ("second half", rest), ("all", [*chosen, *rest])):
        some = [series[i] for i in part]
        rows, windows = sum(len(s.value) for s in some), sum(len(s.windows) for s in some)
        sys.stdout.write(f"{name}: {len(some)} series, {rows:,} rows, {windows} windows\n")
        for profile, score in benchmark(some, [scores[i] for i in part]).items():
            sys.stdout.write(f"  {profile:14} {score:6.2f}\n")


if __name__ == "__main__":
    main()
