"""Panes and duplicate ids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.batch import MicroBatch
from state.cells import NO_TABLES, Cells, run_starts
from state.chunks import Bundle
from state.dedup import Dedup
from state.panes import PaneLog

PANE = 10
CHUNKS = Bundle()


def restored(log: PaneLog, fresh: PaneLog) -> PaneLog:
    """The second log with the first one's state."""
    fresh.restore(log.snapshot(CHUNKS), CHUNKS)
    return fresh


def batch(rows: list[tuple[int, int, int]]) -> MicroBatch:
    """Rows of (subject, event time, event key)."""
    subject, time_us, key = (np.array(c, np.int64) for c in (zip(*rows, strict=True) if rows else ([], [], [])))
    names = np.array([str(s) for s in subject.tolist()], dtype=object)
    return MicroBatch(
        {
            "event_time_us": time_us,
            "event_key": key.astype(np.uint64),
            "subject": subject.astype(np.uint64),
            "subject_name": names,
        }
    )


def rows_of(b: MicroBatch) -> list[tuple[int, int, int]]:
    return list(zip(b.subject.tolist(), b.event_time_us.tolist(), b.event_key.tolist(), strict=True))


def tally(b: MicroBatch) -> Cells:
    """Counts the surplus rows per subject."""
    starts = run_starts(b.subject)
    counts = np.diff(starts, append=len(b)).astype(np.float64)[None]
    first = b.event_time_us[starts].astype(np.float64)[None]
    return Cells(
        b.subject[starts].view(np.int64), counts, first, first, np.zeros((0, len(starts)), np.uint32), NO_TABLES
    )


def log_of(dedup: Dedup | None, rows_max: int = 10**6) -> PaneLog:
    return PaneLog(PANE, dedup, rows_max, tally)


ROWS = st.lists(st.tuples(st.integers(1, 4), st.integers(-15, 60), st.integers(0, 12)), max_size=40)


def drain(log: PaneLog, together: int = 1) -> list[tuple[int, int, int]]:
    """The rows pane by pane.  together: so many panes are closed at once."""
    out: list[tuple[int, int, int]] = []
    while ends := [end for end, _ in log.panes()][:together]:
        closed = log.close(ends)
        assert rows_of(closed.batch) == sorted(rows_of(closed.batch))
        assert closed.rows == np.bincount(closed.pane, minlength=len(ends)).tolist()
        for i, end in enumerate(ends):
            rows = closed.batch.take(closed.pane == i)
            assert all(end - PANE <= t < end for t in rows.event_time_us.tolist())
            out += rows_of(rows)
    return out


@settings(max_examples=80, deadline=None)
@given(ROWS, st.integers(1, 40), st.booleans(), st.integers(1, 9))
def test_panes_are_sorted_and_complete(rows: list[tuple[int, int, int]], cut: int, resume: bool, together: int) -> None:
    """However rows are cut into batches, each pane comes out whole, in (subject, time, key) order, and none is lost."""
    log = log_of(None)
    for i in range(0, len(rows), cut):
        log.add(batch(rows[i : i + cut]))
        if resume:
            log = restored(log, log_of(None))
    assert log.rows == len(rows)
    assert drain(log, together) == sorted(rows, key=lambda r: (r[1] // PANE, r))
    assert log.rows == 0


@settings(max_examples=80, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 9))
def test_the_first_of_equal_keys_stays(rows: list[tuple[int, int, int]], random: object, together: int) -> None:
    """With an endless horizon each key is kept once, at its earliest pane and row, whatever the order of arrival."""
    log = log_of(Dedup(10**9))
    shuffled = rows.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    log.add(batch(shuffled))
    kept, seen = [], set()
    for row in sorted(rows, key=lambda r: (r[1] // PANE, r)):
        if row[2] not in seen:
            seen.add(row[2])
            kept.append(row)
    assert drain(log, together) == kept
    assert log.duplicates == len(rows) - len(kept)


@pytest.mark.parametrize("together", [1, 2, 3, 10])
def test_keys_are_known_for_the_horizon_and_then_forgotten(together: int) -> None:
    """Keys    a   .   .   a   .   .   .   .   .   a
    pane    0   1   2   3   4   5   6   7   8   9     horizon: 4 panes
    """
    log = log_of(Dedup(4 * PANE))
    log.add(batch([(1, t, 1 if t in (0, 30, 90) else t + 2) for t in range(0, 100, 10)]))
    times = [t for _, t, k in drain(log, together) if k == 1]
    assert times == [0, 90]
    assert log.duplicates == 1


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 9), st.integers(0, 200)), max_size=120),
    st.integers(1, 60),
    st.booleans(),
)
def test_a_flood_is_counted_exactly_and_sampled_the_same_way(
    rows: list[tuple[int, int, int]], cut: int, resume: bool
) -> None:
    """Beyond the budget the kept rows are those with the smallest keys, whatever the batches; kept + folded +
    duplicate = all.
    """
    budget, rows = 3, [(s, t, 1000 * s + k) for s, t, k in rows]
    log = log_of(Dedup(10**9), budget)
    for i in range(0, len(rows), cut):
        log.add(batch(rows[i : i + cut]))
        if resume:
            log = restored(log, log_of(Dedup(10**9), budget))
    closed = log.close([PANE]) if rows else None
    distinct = {(s, k) for s, _, k in rows}
    smallest = {s: sorted(k for t, k in distinct if t == s)[:budget] for s in (1, 2, 3)}
    kept = rows_of(closed.batch) if closed else []
    assert sorted((s, k) for s, _, k in kept) == sorted((s, k) for s, keys in smallest.items() for k in keys)
    folded = (
        dict(zip(closed.folded[0].slot.tolist(), closed.folded[0].sums[0].tolist(), strict=True))
        if closed and closed.folded[0]
        else {}
    )
    expected = {s: sum(t == s for t, _ in distinct) - len(keys) for s, keys in smallest.items()}
    assert folded == {s: n for s, n in expected.items() if n}
    assert len(kept) + sum(folded.values()) + log.duplicates == len(rows)


@settings(max_examples=80, deadline=None)
@given(ROWS, st.integers(1, 4), st.integers(2, 9))
def test_a_flood_is_cut_in_its_own_pane(rows: list[tuple[int, int, int]], budget: int, together: int) -> None:
    """Panes that are closed at once keep, fold and drop what they do one by one."""
    told = []
    for many in (1, together):
        log = log_of(Dedup(3 * PANE), budget)
        log.add(batch(rows))
        folded: dict[tuple[int, int], float] = {}
        kept: list[tuple[int, int, int]] = []
        while ends := [end for end, _ in log.panes()][:many]:
            closed = log.close(ends)
            for i, (end, cells) in enumerate(zip(ends, closed.folded, strict=True)):
                kept += rows_of(closed.batch.take(closed.pane == i))
                if cells is not None:
                    folded |= {(end, s): n for s, n in zip(cells.slot.tolist(), cells.sums[0].tolist(), strict=True)}
        told.append((kept, folded, log.duplicates, log.capped, log.rows))
    assert told[0] == told[1]
