"""Feature rows on their way from the subject stage through a round, and what own history says of them."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final

import numpy as np

from detectors.base import Rows
from flows.evolution.changes import WindowFit
from state.snapshot import pack, unpack
from state.types import F64, I32, I64, U64, Names
from state.windows import WindowSpec

_SIDE_BY_SIDE: Final = 8_192
"""So many rows of small rounds come together."""
Ahead = tuple[F64, int] | None
"""See detectors.base.Rows."""
_Part = tuple[F64, F64, I64 | None]
"""(n, k) usual values, (n, k) parts of the score, (k,) their columns."""


class OwnVerdict:
    """A subject-scope detector's view.  score: (n,); typical, share: (n, F), the subject's usual values and the parts.

    Few rows are ever asked for the two, so they stay as they came: group by group, and with the detector's features
    alone.
    """

    __slots__ = ("_parts", "_width", "score")

    def __init__(
        self, score: F64, typical: F64, share: F64, columns: I64 | None = None, width: int | None = None
    ) -> None:
        """columns: (k,) which of `width` features typical and share, (n, k), are of; None for all.  Of the others
        nothing is usual, and they have no part.
        """
        self.score = score
        self._width = typical.shape[1] if width is None else width
        self._parts: tuple[_Part, ...] = ((typical, share, columns),)

    def __len__(self) -> int:
        return len(self.score)

    @property
    def typical(self) -> F64:
        """(n, F) usual values, nan for unknown."""
        return self.take(np.arange(len(self))).typical if self._is_spread else self._parts[0][0]

    @property
    def share(self) -> F64:
        """(n, F) parts of the score."""
        return self.take(np.arange(len(self))).share if self._is_spread else self._parts[0][1]

    @property
    def _is_spread(self) -> bool:
        return len(self._parts) > 1 or self._parts[0][2] is not None

    def take(self, at: I64) -> "OwnVerdict":
        """Of some of the rows.  at: their positions."""
        shape = len(at), self._width
        typical, share = np.full(shape, np.nan), np.zeros(shape)
        ends = np.cumsum([len(part) for part, _, _ in self._parts])
        of = np.searchsorted(ends, at, side="right")
        for i, (usual, parts, columns) in enumerate(self._parts):
            rows = np.flatnonzero(of == i)
            if len(rows):
                from_ = at[rows] - (ends[i] - len(usual))
                cells = rows if columns is None else np.ix_(rows, columns)
                typical[cells], share[cells] = usual[from_], parts[from_]
        return OwnVerdict(self.score[at], typical, share)

    def cut(self, rows: slice) -> "OwnVerdict":
        """Of a stretch of the rows of one part."""
        ((typical, share, columns),) = self._parts
        return OwnVerdict(self.score[rows], typical[rows], share[rows], columns, self._width)

    @staticmethod
    def concat(parts: Sequence["OwnVerdict"]) -> "OwnVerdict":
        """Of all rows, one part after the other."""
        whole = copy(parts[0])
        whole.score = np.concatenate([p.score for p in parts])
        whole._parts = tuple(part for p in parts for part in p._parts)
        return whole

    @staticmethod
    def silent(rows: int, features: int) -> "OwnVerdict":
        """Of a detector that has said nothing yet."""
        return OwnVerdict(np.full(rows, np.nan), np.full((rows, features), np.nan), np.zeros((rows, features)))


@dataclass(slots=True)
class FeatureRows:
    """Rows of one window end, of one key group and cohort, sorted by subject; group -1: of all, in their order.

    x: (n, F).  own: name of a subject-scope detector -> its verdict on these rows.  label: as in detectors.base.Rows.
    """

    window: str
    end_us: int
    group: int
    subject: U64
    name: Names
    start_us: I64
    stop_us: I64
    x: F64
    own: dict[str, OwnVerdict] = field(default_factory=dict)
    label: F64 | None = None

    def __len__(self) -> int:
        return len(self.subject)

    def view(self, window: WindowSpec, slot: I32 | None = None, ahead: Ahead = None) -> Rows:
        """The rows as detectors see them.  slot, ahead: as in detectors.base.Rows."""
        return Rows(
            self.window, self.end_us, self.x, self.subject, self.start_us, self.stop_us, slot, self.label,
            window.replaces(self.end_us), ahead,
        )  # fmt: skip

    def take(self, at: I64) -> "FeatureRows":
        """Some of the rows.  at: their positions."""
        return replace(
            self,
            subject=self.subject[at],
            name=self.name[at],
            start_us=self.start_us[at],
            stop_us=self.stop_us[at],
            x=self.x[at],
            own={name: verdict.take(at) for name, verdict in self.own.items()},
            label=None if self.label is None else self.label[at],
        )

    def cut(self, rows: slice, end_us: int) -> "FeatureRows":
        """A stretch of the rows, of a window that ended there, without what own history says."""
        return FeatureRows(
            self.window,
            end_us,
            self.group,
            self.subject[rows],
            self.name[rows],
            self.start_us[rows],
            self.stop_us[rows],
            self.x[rows],
        )

    def without(self, subject: int) -> "FeatureRows | None":
        """The rows of others; None where there are none."""
        stay = np.flatnonzero(self.subject != np.uint64(subject))
        if len(stay) == len(self):
            return self
        return self.take(stay) if len(stay) else None

    @staticmethod
    def concat(parts: Sequence["FeatureRows"]) -> "FeatureRows":
        """One round of one window: the groups' rows in group order.  All have labels, or none has."""
        first, *others = parts
        if not others:
            return first
        return FeatureRows(
            first.window,
            first.end_us,
            -1,
            np.concatenate([p.subject for p in parts]),
            np.concatenate([p.name for p in parts]),
            np.concatenate([p.start_us for p in parts]),
            np.concatenate([p.stop_us for p in parts]),
            np.concatenate([p.x.T for p in parts], axis=1).T,
            {name: OwnVerdict.concat([p.own[name] for p in parts]) for name in first.own},
            None if first.label is None else np.concatenate([p.label for p in parts if p.label is not None]),
        )

    def fitted(self, fit: WindowFit | None, own: tuple[str, ...]) -> "FeatureRows":
        """With the features and the own-history detectors of now; new ones have said nothing of the rows."""
        rows = self
        if fit is not None:
            said = {name: OwnVerdict(v.score, fit(v.typical), fit(v.share, 0.0)) for name, v in self.own.items()}
            rows = replace(self, x=fit(self.x), own=said)
        if rows.own.keys() >= set(own):
            return rows
        silent = OwnVerdict.silent(*rows.x.shape)
        return replace(rows, own={name: rows.own.get(name, silent) for name in own})

    def pack(self) -> bytes:
        """A frame.  Labels are joined later, and not in it."""
        arrays: dict[str, Any] = {name: getattr(self, name) for name in ("subject", "name", "start_us", "stop_us", "x")}
        for name, v in self.own.items():
            arrays |= {f"score/{name}": v.score, f"typical/{name}": v.typical, f"share/{name}": v.share}
        return pack("rows", 1, {"window": self.window, "end_us": self.end_us, "group": self.group}, arrays)

    @staticmethod
    def unpack(frame: bytes) -> "FeatureRows":
        """Takes what `pack` gave."""
        _, meta, a = unpack(frame, "rows", (1,))
        names = [n.removeprefix("score/") for n in a if n.startswith("score/")]
        own = {name: OwnVerdict(a[f"score/{name}"], a[f"typical/{name}"], a[f"share/{name}"]) for name in names}
        head = meta["window"], meta["end_us"], meta["group"]
        return FeatureRows(*head, a["subject"], a["name"], a["start_us"], a["stop_us"], a["x"], own)


def rounds(parts: Sequence[FeatureRows]) -> Iterator[tuple[FeatureRows, Ahead]]:
    """The rounds of one window, each with what follows it as far as that lies side by side.

    parts: at least one, in the order of ends, and of groups for each end.
    """
    found = [list(of) for _, of in groupby(parts, lambda rows: rows.end_us)]
    plain = not parts[0].own and parts[0].label is None
    batches: list[list[list[FeatureRows]]] = []
    rows = _SIDE_BY_SIDE
    for of in found:
        if rows >= _SIDE_BY_SIDE or not plain:
            batches.append([])
            rows = 0
        batches[-1].append(of)
        rows += sum(map(len, of))
    for batch in batches:
        whole = FeatureRows.concat([rows for of in batch for rows in of])
        if len(batch) == 1:
            yield whole, None
            continue
        begin = 0
        for of in batch:
            stop = begin + sum(map(len, of))
            yield whole.cut(slice(begin, stop), of[0].end_us), (whole.x, begin)
            begin = stop
