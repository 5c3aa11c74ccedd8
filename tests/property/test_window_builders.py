"""Windows by difference are what a plain sum over their rows is, whatever was dropped and restored on the way."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from state.cells import NO_TABLES, VALUE_BITS, VALUE_MASK, Cells, Tables, table_keys, tables_of
from state.chunks import Bundle
from state.counted import Counted
from state.frequencies import frequencies
from state.slots import SLOT_BITS
from state.spans import Spans
from state.windows import Fire, WindowKind, WindowSpec

PANE = 10

Row = tuple[int, int, float, int]
"""slot, event time, an amount, a value."""


@dataclass(frozen=True)
class Turn:
    """What happens at a boundary, after its pane."""

    rows: tuple[tuple[int, int, float, int], ...] = ()
    """slot, microseconds after the pane's start, amount, value."""
    skip: int = 0
    """Panes without rows before this one."""
    waits: bool = False
    """Whether the pane goes in together with the next."""
    dropped: tuple[int, ...] = ()
    restore: bool = False


@dataclass
class Found:
    """Window end and slot -> what is told of it."""

    rows: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)

    def add(self, spans: Spans) -> None:
        cells = spans.cells
        assert (np.diff((spans.part << SLOT_BITS) + spans.slot) > 0).all()
        assert (np.diff(cells.slot) > 0).all()
        assert (np.diff(cells.tables.key.view(np.int64)) > 0).all()
        assert set(cells.tables.slot.tolist()) == set(cells.slot.tolist())
        for i, (end_us, slot) in enumerate(zip(spans.end_us.tolist(), spans.slot.tolist(), strict=True)):
            mine = cells.tables.of(cells.slot[i : i + 1])
            assert (end_us, slot) not in self.rows
            self.rows[end_us, slot] = {
                "count": cells.sums[0, i],
                "amount": cells.sums[1, i],
                "first": cells.mins[0, i],
                "least": cells.mins[1, i],
                "last": cells.maxs[0, i],
                "most": cells.maxs[1, i],
                "bits": int(cells.bits[0, i]),
                "often": {
                    (int(key) >> 59, int(key & VALUE_MASK)): int(count)
                    for key, count in zip(mine.key, mine.count, strict=True)
                },
            }


amounts = st.floats(-1e6, 1e6, allow_nan=False) | st.sampled_from([0.1, 0.2, 0.3, 1e16, -0.0])
turns = st.lists(
    st.builds(
        Turn,
        rows=st.lists(
            st.tuples(st.integers(0, 4), st.integers(0, PANE - 1), amounts, st.integers(0, 3)), max_size=8
        ).map(tuple),
        skip=st.just(0) | st.integers(0, 2) | st.integers(0, 40),
        waits=st.booleans(),
        dropped=st.just(()) | st.lists(st.integers(0, 4), min_size=1, max_size=2, unique=True).map(tuple),
        restore=st.booleans(),
    ),
    min_size=1,
    max_size=40,
)
grids = st.builds(
    lambda slide, slides, fire: WindowSpec("w", WindowKind.SLIDING, slide * slides, slide, fire=fire),
    st.sampled_from([PANE, 2 * PANE]),
    st.integers(1, 40),
    st.sampled_from(Fire),
)
sessions = st.builds(
    lambda gap, more: WindowSpec("w", WindowKind.SESSION, gap_us=gap, max_us=gap + more),
    st.integers(PANE, 4 * PANE),
    st.integers(1, 20 * PANE),
)


@contextmanager
def by_difference(yes: bool) -> Iterator[None]:
    """Tables this small are made anew; here they are changed, and cut in two."""
    if not yes:
        yield
        return
    with (
        patch.multiple("state.frequencies", _LITTLE=0, _FACTOR=0, _FEW=0),
        patch("state.counted._MANY", 0),
        patch.multiple("state.grid_windows", _MANY=0, _OFTEN=0),
    ):
        yield


def cells_of(rows: list[Row]) -> Cells:
    slots = sorted({row[0] for row in rows})
    of = [[row for row in sorted(rows, key=lambda r: r[1]) if row[0] == slot] for slot in slots]
    slot_of_row = np.array([row[0] for row in rows])
    keys = [
        table_keys(table, slot_of_row, np.array([(row[3] % modulus) << 40 for row in rows], np.uint64))
        for table, modulus in ((0, 4), (7, 2))
    ]
    amount = [[row[2] for row in mine] for mine in of]
    time_us = [[float(row[1]) for row in mine] for mine in of]
    return Cells(
        np.array(slots),
        np.array([[float(len(mine)) for mine in of], [float(np.add.reduce(a)) for a in amount]]),
        np.array([[min(t) for t in time_us], [min(a) for a in amount]]),
        np.array([[max(t) for t in time_us], [max(a) for a in amount]]),
        np.array([[np.bitwise_or.reduce([1 << row[3] for row in mine]) for mine in of]], np.uint32),
        tables_of(keys),
    )


def run(spec: WindowSpec, story: list[Turn], keep: int | None = None, *, otherwise: bool | None = None) -> Found:
    """keep: the only slot there is, for one alone.  otherwise: panes go in one by one, and state is restored at each;
    or they go in together and it never is; for what the story says.
    """
    builder, found, boundary_us, after_us = spec.build(PANE), Found(), 1_000 * PANE, 1_000 * PANE
    fed: list[tuple[int, Cells | None]] = []

    def feed() -> None:
        nonlocal after_us
        several = [cells for _, cells in fed if cells is not None]
        alone = builder.alone(Spans.of([end_us for end_us, _ in fed], several)) if len(several) == len(fed) else None
        for spans in builder.steps(fed, after_us) if alone is None else alone:
            found.add(spans)
        after_us = fed[-1][0]
        fed.clear()

    for turn in [*story, Turn(skip=100)]:
        end_us = boundary_us + turn.skip * PANE
        while not fed and (due_us := builder.due_us(boundary_us)) is not None and due_us <= end_us:
            boundary_us = due_us
            fed.append((due_us, None))
            feed()
        boundary_us = end_us + PANE
        rows = [(s, end_us + t, amount, v) for s, t, amount, v in turn.rows if keep is None or s == keep]
        fed.append((boundary_us, cells_of(rows) if rows else None))
        restore = turn.restore if otherwise is None else otherwise
        waits = turn.waits if otherwise is None else not otherwise
        if turn.dropped or restore or not waits:
            feed()
        if turn.dropped:
            builder.drop(np.array(turn.dropped))
        if restore:
            chunks, again = Bundle(), spec.build(PANE)
            again.restore(builder.snapshot(chunks), chunks)
            builder = again
    if fed:
        feed()
    return found


def rows_of(story: list[Turn]) -> list[tuple[Row, int]]:
    """Each row, and the boundary after which it is known no more."""
    rows: list[tuple[Row, int]] = []
    boundary_us = 1_000 * PANE
    for turn in story:
        start_us = boundary_us + turn.skip * PANE
        boundary_us = start_us + PANE
        rows += [((s, start_us + t, amount, v), 10**9) for s, t, amount, v in turn.rows]
        rows = [(row, min(until, boundary_us) if row[0] in turn.dropped else until) for row, until in rows]
    return rows


def told(rows: list[Row]) -> dict[str, Any]:
    """What is to be told of one subject's rows in a window; `amount` as near as can be."""
    often = Counter((table, row[3] % modulus) for row in rows for table, modulus in ((0, 4), (7, 2)))
    return {
        "count": float(len(rows)),
        "amount": math.fsum(row[2] for row in rows),
        "first": float(min(row[1] for row in rows)),
        "least": min(row[2] for row in rows),
        "last": float(max(row[1] for row in rows)),
        "most": max(row[2] for row in rows),
        "bits": int(np.bitwise_or.reduce([1 << row[3] for row in rows])),
        "often": dict(Counter((table, times) for (table, _), times in often.items())),
    }


def same(found: dict[str, Any], expected: dict[str, Any], size: float) -> None:
    """size: of the largest amount that was added."""
    assert math.isclose(found["amount"], expected["amount"], rel_tol=1e-12, abs_tol=1e-12 * size)
    assert found | {"amount": 0} == expected | {"amount": 0}


_BY_ITSELF = [Turn(), Turn(), Turn(rows=((0, 0, 0.0, 0),) * 4), Turn(), Turn(rows=((0, 0, 0.0, 0),) * 8, skip=2)]
"""A window of one slide that is put together of panes, and one that is a pane of its own."""


@settings(deadline=None, max_examples=150)
@example(spec=WindowSpec("w", WindowKind.SLIDING, 2 * PANE, 2 * PANE), story=_BY_ITSELF, changed=True)
@given(spec=grids, story=turns, changed=st.booleans())
def test_windows_on_the_grid(spec: WindowSpec, story: list[Turn], changed: bool) -> None:
    """Each window holds its rows: whole numbers to the bit, sums as exactly as floats are."""
    with by_difference(changed):
        found = run(spec, story)
    expected: dict[tuple[int, int], list[Row]] = {}
    for row, until_us in rows_of(story):
        first_end_us = (row[1] // spec.slide_us + 1) * spec.slide_us
        for end_us in range(first_end_us, first_end_us + spec.size_us, spec.slide_us):
            if end_us <= until_us:
                expected.setdefault((end_us, row[0]), []).append(row)
    told_of = {
        at: rows
        for at, rows in expected.items()
        if spec.tells_all(at[0]) or max(row[1] for row in rows) >= at[0] - spec.slide_us
    }
    assert found.rows.keys() == told_of.keys()
    for at, rows in told_of.items():
        same(found.rows[at], told(rows), max(abs(row[2]) for row in rows))


@settings(deadline=None, max_examples=150)
@given(spec=sessions, story=turns, changed=st.booleans())
def test_sessions(spec: WindowSpec, story: list[Turn], changed: bool) -> None:
    """Whatever a session's panes have become on the way, it closes with what is in them."""
    with by_difference(changed):
        found = run(spec, story)
    left = [row for row, until_us in rows_of(story) if until_us == 10**9]
    if not any(turn.dropped for turn in story):
        assert sum(row["count"] for row in found.rows.values()) == len(left)
    known = rows_of(story)
    for (end_us, slot), row in found.rows.items():
        rows = [
            r
            for r, until_us in known
            if r[0] == slot and row["first"] <= r[1] <= row["last"] and r[1] < end_us <= until_us
        ]
        same(row, told(rows), max(abs(r[2]) for r in rows))


@settings(deadline=None, max_examples=100)
@given(spec=grids | sessions, story=turns, slot=st.integers(0, 4))
def test_nothing_but_a_subjects_rows_decides(spec: WindowSpec, story: list[Turn], slot: int) -> None:
    """Equal to the bit: with others and alone, by difference and made anew, one by one and together, restored always
    and never.
    """
    with by_difference(True):
        among_others = run(spec, story)
    mine = {at: row for at, row in among_others.rows.items() if at[1] == slot}
    for otherwise in (True, False):
        alone = run(spec, story, keep=slot, otherwise=otherwise)
        assert repr(sorted(alone.rows.items())) == repr(sorted(mine.items()))


def test_panes_of_a_session_are_added_up_one_after_the_other() -> None:
    """0.1 + 0.2 + 0.3 is not 0.1 + (0.2 + 0.3)."""
    spec = WindowSpec("w", WindowKind.SESSION, gap_us=15, max_us=1000)
    story = [Turn(rows=((1, 5, amount, 0),)) for amount in (0.1, 0.2, 0.3)]
    for otherwise in (True, False):
        (row,) = run(spec, story, otherwise=otherwise).rows.values()
        assert row["amount"] == 0.1 + 0.2 + 0.3


entries = st.dictionaries(st.tuples(st.integers(0, 31), st.integers(0, 3), st.integers(0, 9)), st.integers(1, 3))


def tables(counts: dict[tuple[int, int, int], int]) -> Tables:
    """(table, slot, value) -> count."""
    key = [(table << 59) | (slot << VALUE_BITS) | value for table, slot, value in sorted(counts)]
    return Tables(np.array(key, np.uint64), np.array([float(counts[k]) for k in sorted(counts)]))


@settings(deadline=None)
@given(st.lists(st.tuples(entries, st.sets(st.integers(0, 3)), st.booleans()), max_size=20), st.integers(0, 20))
def test_a_counted_table(steps: list[tuple[dict[tuple[int, int, int], int], set[int], bool]], many: int) -> None:
    """Entries added, taken away and taken out are those of a dictionary; what was handed out stays as it was."""
    counted, model, seen = Counted(), Counter[tuple[int, int, int]](), []
    with patch("state.counted._MANY", many):
        for change, slots, away in steps:
            by = {k: (-min(n, model[k]) if away else n) for k, n in change.items()}
            by = {k: n for k, n in by.items() if n}
            before = counted.change(tables(by))
            assert before.tolist() == [model[k] for k in sorted(by)]
            model.update(by)
            taken = counted.take(np.array(sorted(slots), np.int64))
            gone = {k: n for k, n in model.items() if k[1] in slots and n}
            _equal(taken, gone)
            model = Counter({k: n for k, n in model.items() if k[1] not in slots and n})
            whole = counted.whole()
            seen.append((whole, dict(model)))
    for whole, expected in seen:
        _equal(whole, expected)


def _equal(found: Tables, expected: dict[tuple[int, int, int], int]) -> None:
    wanted = tables(expected) if expected else NO_TABLES
    assert found.key.tolist() == wanted.key.tolist()
    assert found.count.tolist() == wanted.count.tolist()


def test_frequencies() -> None:
    """Three values once and one twice are: once, three times; twice, one time."""
    found = frequencies(tables({(1, 5, 0): 1, (1, 5, 4): 2, (1, 5, 6): 1, (1, 5, 9): 1, (2, 0, 0): 7}))
    _equal(found, {(1, 5, 1): 3, (1, 5, 2): 1, (2, 0, 7): 1})
