"""Two outputs of the job, row by row: what is asked before any time counts."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from bench.others.features import NAMES

RELATIVE: Final = 1e-9
ABSOLUTE: Final = dict.fromkeys(NAMES, 1e-12) | {"gap_cv": 1e-7}
"""A variance taken as mean of squares minus square of the mean loses half its digits where all gaps are equal."""

Row = tuple[list[float | None], float | None]
Rows = dict[tuple[int, str], Row]


@dataclass(frozen=True, slots=True)
class Comparison:
    """rows: of the reference.  equal: rows that are in both and the same.  difference: the first one, "" without."""

    rows: int
    equal: int
    difference: str

    @property
    def same(self) -> bool:
        """Whether every row is equal and none is missing or too many."""
        return not self.difference and self.equal == self.rows


def read_rows(path: Path) -> Rows:
    """Window end and user -> values and score.  Raises ValueError for a row that is there twice."""
    rows: Rows = {}
    count = 0
    with path.open("rb") as lines:
        for line in lines:
            record: dict[str, Any] = orjson.loads(line)
            rows[record["window_end"], record["user_id"]] = record["features"], record.get("score")
            count += 1
    if count != len(rows):
        raise ValueError(f"{path}: {count - len(rows)} rows are there twice")
    return rows


def digest(rows: Rows) -> str:
    """A hash of all rows, whatever their order in the file."""
    ordered = [[*key, *rows[key]] for key in sorted(rows)]
    return hashlib.sha256(orjson.dumps(ordered)).hexdigest()[:16]


def compare(reference: Rows, path: Path) -> Comparison:
    """The output at `path` against the reference."""
    rows = read_rows(path)
    equal, difference = 0, ""
    for key, wanted in reference.items():
        seen = rows.get(key)
        what = "is missing" if seen is None else _difference(wanted, seen)
        if not what:
            equal += 1
        elif not difference:
            difference = f"user {key[1]}, window end {key[0]}: {what}"
    surplus = rows.keys() - reference.keys()
    if surplus and not difference:
        end, user = min(surplus)
        difference = f"user {user}, window end {end}: not in the reference, and {len(surplus) - 1} more"
    return Comparison(len(reference), equal, difference)


def _difference(wanted: Row, seen: Row) -> str:
    if wanted == seen:
        return ""
    if len(seen[0]) != len(NAMES):
        return f"{len(seen[0])} features, wanted {len(NAMES)}"
    pairs = zip(NAMES, wanted[0], seen[0], strict=True)
    for name, a, b in (*pairs, ("score", wanted[1], seen[1])):
        if a != b and (a is None or b is None or not _close(a, b, ABSOLUTE.get(name, 0.0))):
            return f"{name} is {b!r}, wanted {a!r}"
    return ""


def _close(a: float, b: float, absolute: float) -> bool:
    return math.isclose(a, b, rel_tol=RELATIVE, abs_tol=absolute)
