"""Windows from panes, drawn.  Pane = 10 us; a cell holds one count per subject."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from state.cells import Cells, Tables, merge, table_keys, tables_of
from state.chunks import Bundle, Chunks
from state.snapshot import unpack
from state.spans import Spans
from state.window_builders import Kept, Shelf, WindowBuilder
from state.windows import WindowKind, WindowSpec

PANE = 10


def pane(*rows: tuple[int, int]) -> Cells:
    """Cells of rows (slot, event time)."""
    slots = sorted({s for s, _ in rows})
    times = [[t for s, t in rows if s == slot] for slot in slots]
    none = np.zeros((0, len(slots)), np.uint32)
    tables = tables_of([table_keys(0, np.array([s for s, _ in rows]), np.array([t << 40 for _, t in rows], np.uint64))])
    return Cells(
        np.array(slots),
        np.array([[float(len(t)) for t in times]]),
        np.array([[float(min(t)) for t in times]]),
        np.array([[float(max(t)) for t in times]]),
        none,
        tables,
    )


def step(a: WindowBuilder, boundary_us: int, cells: Cells | None) -> list[tuple[int, int, float]]:
    """(end, slot, count) of the windows that close there."""
    closed = a.steps([(boundary_us, cells)], boundary_us - PANE)
    return [
        row for s in closed for row in zip(s.end_us.tolist(), s.slot.tolist(), s.cells.sums[0].tolist(), strict=True)
    ]


def run(spec: WindowSpec, rows: list[tuple[int, int]], resume: bool = False) -> list[tuple[int, int, float]]:
    """(end, slot, count) of every window, stepping only where something happens."""
    a, out, now = spec.build(PANE), [], -(10**6)
    waiting = sorted(rows, key=lambda r: r[1])
    while True:
        due = [d for d in (a.due_us(now), (waiting[0][1] // PANE + 1) * PANE if waiting else None) if d is not None]
        if not due:
            return out
        now = min(due)
        mine = [r for r in waiting if r[1] < now]
        waiting = waiting[len(mine) :]
        if resume:
            fresh, chunks = spec.build(PANE), Bundle()
            fresh.restore(a.snapshot(chunks), chunks)
            a = fresh
        out += step(a, now, pane(*mine) if mine else None)


@pytest.mark.parametrize("resume", [False, True])
def test_tumbling(resume: bool) -> None:
    """Slot 1   x  x |      |x
    slot 2        |   x  |
             0     20     40    60
    """
    spec = WindowSpec("w", WindowKind.TUMBLING, 20)
    assert run(spec, [(1, 3), (1, 12), (2, 31), (1, 40)], resume) == [(20, 1, 2.0), (40, 2, 1.0), (60, 1, 1.0)]


@pytest.mark.parametrize("resume", [False, True])
def test_sliding(resume: bool) -> None:
    """Size 40, slide 20      x at 5, xx at 25
    ends     20: x    40: xxx    60: xx    then nothing is left
    """
    spec = WindowSpec("w", WindowKind.SLIDING, 40, 20)
    assert run(spec, [(1, 5), (1, 25), (1, 26)], resume) == [(20, 1, 1.0), (40, 1, 3.0), (60, 1, 2.0)]


@pytest.mark.parametrize("resume", [False, True])
def test_sessions(resume: bool) -> None:
    """Gap 15        x  x     x              x
                  3  9     24 (15 later)  40 (16 later)
    closes        ---------------- 40     60: the first boundary after 40 + 15
    """
    spec = WindowSpec("w", WindowKind.SESSION, gap_us=15, max_us=1000)
    assert run(spec, [(1, 3), (1, 9), (1, 24), (1, 40)], resume) == [(40, 1, 3.0), (60, 1, 1.0)]


def test_an_endless_session_is_cut() -> None:
    """A row every 10 us for ever closes a session whenever 50 us have passed since its first row."""
    spec = WindowSpec("w", WindowKind.SESSION, gap_us=15, max_us=50)
    assert run(spec, [(1, t) for t in range(0, 120, 10)])[:2] == [(50, 1, 5.0), (100, 1, 5.0)]


def test_dropped_subjects_leave_no_trace() -> None:
    """A subject whose slot is given to another is in no later window."""
    for spec in (
        WindowSpec("w", WindowKind.SLIDING, 40, 20),
        WindowSpec("w", WindowKind.SESSION, gap_us=15, max_us=1000),
    ):
        a = spec.build(PANE)
        a.steps([(10, pane((1, 2), (2, 3)))], 0)
        a.drop(np.array([1]))
        (closed,) = a.steps([(20, None)], 10) or a.steps([(40, None)], 20)
        assert closed.slot.tolist() == [2]
        assert closed.cells.tables.slot.tolist() == closed.cells.slot.tolist()


def test_merging_is_associative() -> None:
    """Merging in two steps gives what merging at once gives, tables included."""
    parts = [pane((1, 2), (3, 3), (1, 4)), pane((2, 11), (1, 12)), pane((3, 21), (3, 22))]
    left, once = merge([merge(parts[:2]), parts[2]]), merge(parts)
    assert left.slot.tolist() == once.slot.tolist() == [1, 2, 3]
    assert left.sums.tolist() == once.sums.tolist() == [[3.0, 1.0, 3.0]]
    assert (once.first_us.tolist(), once.last_us.tolist()) == ([2.0, 11.0, 3.0], [12.0, 11.0, 22.0])
    assert isinstance(once.tables, Tables)
    assert left.tables.key.tolist() == once.tables.key.tolist()
    assert left.tables.count.tolist() == once.tables.count.tolist()
    assert once.tables.count.sum() == 7


@pytest.mark.parametrize("kind", [WindowKind.TUMBLING, WindowKind.SESSION])
def test_what_is_condensed_is_not_in_the_files(kind: WindowKind) -> None:
    """Sessions are saved as steps from how they once were: one that is dropped would be in there."""
    spec = WindowSpec("w", kind, 40) if kind is WindowKind.TUMBLING else WindowSpec("w", kind, gap_us=20, max_us=1000)
    a = spec.build(PANE)
    step(a, 10, pane(*((slot, 4) for slot in range(1, 30))))
    a.snapshot(Bundle())
    step(a, 20, pane((1, 13), (30, 15)))
    a.drop(np.array([2]))
    a.condense()

    class Kept(Bundle):
        def cells(self) -> list[int]:
            found = (unpack(frame, "cells", (2,))[2] for frame in self._frames)
            return sorted({slot for arrays in found for slot in arrays["cells.slot"].tolist()})

    chunks = Kept()
    root = a.snapshot(chunks)
    assert set(chunks.cells()) == {1, *range(3, 31)}
    again = spec.build(PANE)
    again.restore(root, chunks)
    assert sorted(int(s) for c in again.cells() for s in c.slot) == sorted(int(s) for c in a.cells() for s in c.slot)


def test_a_pane_is_written_once_for_all_windows() -> None:
    """With the tables of all of them, of which each has its own again afterwards; and not again while it is there."""
    rows = [(1, 2), (3, 3), (1, 4)]
    whole = pane(*rows)
    keys = [table_keys(t, np.array([s for s, _ in rows]), np.array([9 << 40] * 3, np.uint64)) for t in (0, 1, 2)]
    whole = whole.with_only(tables_of(keys))
    specs = (WindowSpec("a", WindowKind.SLIDING, 40, 10), WindowSpec("b", WindowKind.SLIDING, 80, 20))
    looks_at = [np.isin(np.arange(32), numbers) for numbers in ([0, 1], [1])]

    def builders(shelf: Shelf) -> list[WindowBuilder]:
        pairs = zip(specs, looks_at, strict=True)
        return [spec.build(PANE, Kept(shelf, partial(Cells.with_tables, wanted=mine))) for spec, mine in pairs]

    def saved(shelf: Shelf, windows: list[WindowBuilder], chunks: Chunks) -> list[bytes]:
        for window in windows:
            shelf.lay(window.to_save())
        roots = [window.snapshot(chunks) for window in windows]
        shelf.settle()
        return roots

    def tables(window: WindowBuilder) -> list[int]:
        return sorted({int(key) >> 59 for cells in window.cells() for key in cells.tables.key})

    shelf, bundle = Shelf(), Bundle()
    windows = builders(shelf)
    for window, mine in zip(windows, looks_at, strict=True):
        window.steps([(10, whole.with_tables(mine))], 0)
    roots = saved(shelf, windows, bundle)
    assert len(bundle._frames) == 1
    assert saved(shelf, windows, bundle) == roots
    assert len(bundle._frames) == 1
    other = Shelf()
    again = builders(other)
    for window, root in zip(again, roots, strict=True):
        window.restore(root, bundle)
    assert [tables(window) for window in again] == [tables(window) for window in windows] == [[0, 1], [1]]
    other.have_read()
    assert saved(other, again, bundle) == roots
    assert len(bundle._frames) == 1
    fresh = Bundle()
    saved(other, again, fresh)
    assert fresh._frames == bundle._frames


@pytest.mark.parametrize("last", [True, False])
def test_windows_that_are_panes(last: bool) -> None:
    """They are told as when panes go in one by one, and so is what is due: after rows, the next boundary."""
    spec = WindowSpec("w", WindowKind.TUMBLING, PANE)
    panes = [(10, pane((1, 2), (2, 3))), (20, pane((2, 14), (5, 15), (2, 16))), (30, pane((4, 21)) if last else None)]
    one_by_one, alone = spec.build(PANE), spec.build(PANE)
    expected = [row for end_us, cells in panes for row in step(one_by_one, end_us, cells)]
    several = [cells for _, cells in panes if cells is not None]
    spans = Spans.of([10, 20, 30][: len(several)], several)
    (closed,) = alone.alone(replace(spans, ends_us=np.array([10, 20, 30]))) or []
    assert [*zip(closed.end_us.tolist(), closed.slot.tolist(), closed.cells.sums[0].tolist(), strict=True)] == expected
    assert alone.due_us(30) == one_by_one.due_us(30) == (40 if last else None)
    assert [s for b in (alone, one_by_one) for s in b.steps([(40, None)], 30)] == []
    assert alone.due_us(40) is one_by_one.due_us(40) is None
    assert spec.build(PANE // 2).alone(Spans.of([5], [pane((1, 2))])) is None
