"""Cells that lie packed, and counts that ride along: the same as without."""

import tracemalloc

import numpy as np
import pytest

from state.cells import Cells, Tables, merge_tables, table_keys
from state.counted import Counted
from state.frequencies import _whole
from state.packed import Packed
from state.slots import SLOT_BITS


def _tables(rng: np.random.Generator, slots: int, n: int, count: int) -> Tables:
    keys = table_keys(0, rng.integers(0, slots, n), rng.integers(0, 40, n).astype(np.uint64) << np.uint64(59))
    key = np.unique(keys + (rng.integers(0, 32, n).astype(np.uint64) << np.uint64(59)))
    return Tables(key, rng.integers(1, count, len(key)).astype(np.uint16))


def _cells(rng: np.random.Generator, n: int) -> Cells:
    slot = np.sort(rng.choice(10 * n, n, replace=False))
    rows = [rng.integers(0, 9, (4, n)).astype(float), rng.normal(size=(2, n)), rng.normal(size=(2, n))]
    rows[0][3], rows[1][1, 0], rows[2][0, -1] = -0.0, np.nan, np.inf
    bits = rng.integers(0, 1 << 32, (2, n), dtype=np.uint32)
    bits[1] = 1 << 31
    return Cells(slot, rows[0], rows[1], rows[2], bits, _tables(rng, n, 20, 300))


@pytest.mark.parametrize("n", [1, 7, 300])
def test_packed_cells_are_the_same_to_the_bit(n: int) -> None:
    """Opened, and saved."""
    cells = _cells(np.random.default_rng(n), n)
    packed = Packed.of(cells)
    back = packed.cells()
    for name in ("slot", "sums", "mins", "maxs", "bits"):
        mine, its = getattr(cells, name), getattr(back, name)
        assert (mine.dtype, mine.shape, mine.tobytes()) == (its.dtype, its.shape, its.tobytes()), name
    assert back.tables is cells.tables
    assert len(packed) == n
    saved, as_cells = packed.arrays("c"), cells.arrays("c")
    assert {k: (v.dtype, v.tobytes()) for k, v in saved.items()} == {
        k: (v.dtype, v.tobytes()) for k, v in as_cells.items()
    }


def test_who_leaves_is_gone_from_packed_cells() -> None:
    """And nothing is made anew where nobody does."""
    packed = Packed.of(_cells(np.random.default_rng(1), 20))
    assert packed.without(np.array([-1])) is packed
    left = packed.without(packed.slot[:5])
    assert left is not None
    assert left.slot.tolist() == packed.slot[5:].tolist()
    assert packed.without(packed.slot) is None


@pytest.mark.parametrize("last", [0, 3, 900, (1 << 17) - 1, (1 << 17), (1 << SLOT_BITS) - 1])
def test_counts_ride_along(last: int) -> None:
    """However little room the largest slot leaves them."""
    rng = np.random.default_rng(last)
    parts = [_tables(rng, last + 1, 200, most) for most in (2, 5, 60_000)]
    found, expected = _whole(parts, last), merge_tables(parts)
    assert found.key.tolist() == expected.key.tolist()
    assert found.count.tolist() == expected.count.tolist()


def test_a_flood_is_not_cut_up() -> None:
    """A value that comes two billion times, where counts have three bits, would be three hundred million entries."""
    last, most = (1 << 17) - 1, 2**31 - 5
    parts = [Tables(table_keys(0, np.array([last]), np.zeros(1, np.uint64)), np.array([most])) for _ in range(2)]
    tracemalloc.start()
    found, (_, peak) = _whole(parts, last), tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.key.tolist() == parts[0].key.tolist()
    assert found.count.tolist() == [2 * most]
    assert peak < 1 << 20


def test_a_count_that_does_not_fit_is_widened() -> None:
    """One byte, then two, then four; what was handed out stays."""
    key = np.array([1, 2, 3], np.uint64)
    counted = Counted(Tables(key, np.array([255, 1, 1], np.uint8)))
    first = counted.whole()
    for step in (1, 65_280, 1):
        counted.change(Tables(key[:1], np.array([step])))
    counted.change(Tables(np.array([9], np.uint64), np.array([70_000])))
    assert first.count.tolist() == [255, 1, 1]
    assert counted.whole().count.tolist() == [65_537, 1, 1, 70_000]
