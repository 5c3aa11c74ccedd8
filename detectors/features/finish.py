"""The cells of a closed window -> the feature matrix: all features of one formula at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.features.declare import FeatureDecl
from detectors.features.formulas import Formula
from detectors.features.kinds import FEATURES, base, quantities
from detectors.features.parts import PLACES, Part, Place
from detectors.features.tables import TableStats
from state.cells import Cells
from state.types import F64, I64


@dataclass(frozen=True, slots=True)
class _Family:
    """Features of one formula.  at: (f,) their places.  arguments: for each argument (f,) rows of quantities."""

    formula: Formula
    at: I64
    unit: F64
    arguments: tuple[I64, ...]


class Finish:
    """The features of one window, compiled."""

    def __init__(self, features: Sequence[FeatureDecl], index: dict[Part, int]) -> None:
        """index: where each part is found in the cells."""
        self._width = len(features)
        needs = [(FEATURES[f.kind].formula, quantities(f)) for f in features]
        limited = [i for i, f in enumerate(features) if f.min_rows]
        needed = [q for _, arguments in needs for q in arguments] + [base(features[i]) for i in limited]
        self._row = {q: i for i, q in enumerate(dict.fromkeys(needed))}
        self._families = []
        for formula in dict.fromkeys(formula for formula, _ in needs):
            at = [i for i, (f, _) in enumerate(needs) if f is formula]
            unit = np.array([[features[i].unit_us] for i in at])
            arguments = zip(*([self._row[q] for q in needs[i][1]] for i in at), strict=True)
            self._families.append(_Family(formula, np.array(at), unit, tuple(np.array(rows) for rows in arguments)))
        self._limited = np.array(limited, np.int64)
        self._base = np.array([self._row[base(features[i])] for i in limited], np.int64)
        self._least = np.array([[features[i].min_rows] for i in limited])
        self._copies = [
            (place, *found)
            for place in Place
            if place is not Place.TABLES and len((found := self._copied(place, index))[0])
        ]
        self._tables = TableStats({(index[q[0]], q[1]): row for q, row in self._row.items() if isinstance(q, tuple)})
        self.tables = {index[q[0]] for q in self._row if isinstance(q, tuple)}
        """Numbers of the tables that are looked at."""

    def _copied(self, place: Place, index: dict[Part, int]) -> tuple[I64, I64]:
        """Where parts that live there are in the cells, and where among the quantities."""
        mine = [(index[q], row) for q, row in self._row.items() if isinstance(q, Part) and PLACES[q.kind] is place]
        return np.array([i for i, _ in mine], np.int64), np.array([row for _, row in mine], np.int64)

    def matrix(self, cells: Cells, length_us: F64) -> F64:
        """(F, n) float64, one row per feature.  length_us: (n,) the window's span of time, of each subject."""
        values = np.empty((len(self._row), len(cells)))
        for place, found, row in self._copies:
            part = getattr(cells, place)[found]
            values[row] = np.bitwise_count(part) if place is Place.BITS else part
        self._tables.fill(cells, values)
        out = np.empty((self._width, len(cells)))
        with np.errstate(divide="ignore", invalid="ignore"):
            for family in self._families:
                arguments = (values[row] for row in family.arguments)
                out[family.at] = family.formula(family.unit, length_us, *arguments)
        if len(self._limited):
            enough = values[self._base] >= self._least
            out[self._limited] = np.where(enough, out[self._limited], np.nan)
        return out
