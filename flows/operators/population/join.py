"""The label join: scored rows wait for what people find out about their subjects, days later."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from detectors.base import Rows
from flows.wire.told import Label
from state.chunks import Chunks, Saved, Sealed, table_of
from state.snapshot import pack, unpack
from state.types import F64, I64, U64, Bool

_VERSION: Final = 2


@dataclass(slots=True)
class _Block:
    """One round's rows, ascending by subject.

    score: (n, D), what the detectors that learn from labels said then.  p: (n,), what all said together.
    """

    end_us: int
    subject: U64
    start_us: I64
    stop_us: I64
    x: F64
    score: F64
    p: F64

    def __len__(self) -> int:
        return len(self.subject)


class Lesson(NamedTuple):
    """Rows whose label has come, as of the rounds in which they were scored.  score, p: as they were then."""

    rows: Rows
    score: dict[str, F64]
    p: F64


class LabelJoin:
    """The rows of one window of one cohort.  A row is labelled once; what comes later about it is not joined.

    wait_us: rows of rounds that are further back leave, and so do the oldest beyond rows_max.
    """

    def __init__(self, window: str, detectors: Sequence[str], wait_us: int, rows_max: int) -> None:
        """detectors: whose scores are kept."""
        self._window = window
        self._detectors = tuple(detectors)
        self._wait_us = wait_us
        self._rows_max = rows_max
        self._blocks: deque[_Block] = deque()
        self._open: deque[Bool] = deque()
        """Of each block, which rows have no label yet."""
        self._rows = 0
        self._sealed = Sealed(_pack)

    def __len__(self) -> int:
        return self._rows

    @property
    def oldest_us(self) -> int | None:
        """The round of the oldest rows; None where none wait.  Whichever thread asks."""
        return next((block.end_us for block in tuple(self._blocks) if len(block)), None)

    def add(self, rows: Rows, score: dict[str, F64], p: F64) -> None:
        """Takes a scored round."""
        order = np.argsort(rows.subject, kind="stable")[-self._rows_max :]
        kept = np.stack([score[name][order] for name in self._detectors], 1) if self._detectors else _none(len(order))
        block = _Block(
            rows.end_us,
            rows.subject[order],
            rows.start_us[order],
            rows.stop_us[order],
            rows.x[order],
            kept,
            p[order],
        )
        self._blocks.append(block)
        self._open.append(np.ones(len(block), np.bool_))
        self._rows += len(block)
        self._forget(rows.end_us)

    def _forget(self, now_us: int) -> None:
        while self._rows > self._rows_max or (self._blocks and self._blocks[0].end_us < now_us - self._wait_us):
            self._rows -= len(self._blocks.popleft())
            self._open.popleft()

    def match(self, end_us: int, labels: Iterable[Label]) -> Lesson | None:
        """The rows that these labels are about, oldest round first; None where there are none.

        Of several labels for one row the first in order of (subject, since, until, fraud) counts.
        """
        told = sorted(labels, key=lambda label: (label.subject, label.since_us, label.until_us, label.fraud))
        subject = np.array([label.subject for label in told], np.uint64)
        found: list[tuple[_Block, I64, F64]] = []
        for block, is_open in zip(self._blocks, self._open, strict=True):
            first = np.searchsorted(block.subject, subject, "left").tolist()
            stop = np.searchsorted(block.subject, subject, "right").tolist()
            fraud: dict[int, float] = {}
            for label, low, high in zip(told, first, stop, strict=True):
                for row in range(low, high):
                    about = block.stop_us[row] > label.since_us and block.start_us[row] < label.until_us
                    if about and is_open[row] and row not in fraud:
                        fraud[row] = label.fraud
            if fraud:
                at = np.array(sorted(fraud), np.int64)
                is_open[at] = False
                found.append((block, at, np.array([fraud[row] for row in at.tolist()])))
        return self._lesson(end_us, found) if found else None

    def _lesson(self, end_us: int, found: list[tuple[_Block, I64, F64]]) -> Lesson:
        def column(name: str) -> Any:
            return np.concatenate([getattr(block, name)[at] for block, at, _ in found])

        label = np.concatenate([fraud for _, _, fraud in found])
        times = column("start_us"), column("stop_us")
        rows = Rows(self._window, end_us, column("x"), column("subject"), *times, label=label)
        score = column("score")
        return Lesson(rows, {name: score[:, i] for i, name in enumerate(self._detectors)}, column("p"))

    def forget(self, subject: int) -> None:
        """Drops the rows of one subject."""
        for i, block in enumerate(self._blocks):
            stay = np.flatnonzero(block.subject != np.uint64(subject))
            if len(stay) < len(block):
                self._rows -= len(block) - len(stay)
                self._blocks[i] = _Block(block.end_us, *(getattr(block, name)[stay] for name in _ARRAYS))
                self._open[i] = self._open[i][stay]

    def snapshot(self, chunks: Chunks) -> tuple[dict[str, Any], dict[str, Any]]:
        """Meta and arrays for the root frame; the rows are chunks of their own, written once."""
        marks = np.packbits(np.concatenate(self._open)) if self._open else np.empty(0, np.uint8)
        arrays = {"blocks": table_of(self._sealed.put(chunks, self._blocks)), "open": marks}
        return {"detectors": self._detectors}, arrays

    def restore(
        self, saved: Saved, meta: dict[str, Any], blocks: I64, marks: Any, fit: Callable[[F64], F64] | None = None
    ) -> None:
        """Takes what `snapshot` gave.  Scores of detectors that are new are unknown.  fit: saved features -> those of
        now, where they are others.
        """
        refs = saved.chunks.refs(blocks)
        found = [_unpack(saved.chunks.get(ref)) for ref in refs]
        self._sealed.know(found, refs)
        before = {name: i for i, name in enumerate(meta["detectors"])}
        if tuple(meta["detectors"]) != self._detectors:
            for block in found:
                unknown = np.full(len(block), np.nan)
                columns = [block.score[:, before[n]] if n in before else unknown for n in self._detectors]
                block.score = np.stack(columns, 1) if columns else _none(len(block))
            self._sealed = Sealed(_pack)
        if fit is not None:
            for block in found:
                block.x = fit(block.x)
            self._sealed = Sealed(_pack)
        self._blocks = deque(found)
        self._rows = sum(map(len, found))
        ends = np.cumsum([len(block) for block in found])
        is_open = np.unpackbits(marks, count=self._rows).astype(np.bool_)
        self._open = deque(part.copy() for part in np.split(is_open, ends[:-1])) if found else deque()


def _none(rows: int) -> F64:
    return np.empty((rows, 0))


_ARRAYS: Final = ("subject", "start_us", "stop_us", "x", "score", "p")


def _pack(block: _Block) -> bytes:
    return pack("labelled", _VERSION, {"end_us": block.end_us}, {name: getattr(block, name) for name in _ARRAYS})


def _unpack(blob: bytes) -> _Block:
    version, meta, arrays = unpack(blob, "labelled", (1, _VERSION))
    if version == 1:  # what p was called
        arrays["p"] = arrays["per_day"]
    return _Block(meta["end_us"], *(arrays[name] for name in _ARRAYS))
