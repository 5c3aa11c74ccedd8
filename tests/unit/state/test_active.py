"""Several windows of those who are in their last slide, against one merge for each."""

import numpy as np
import pytest

from state.active import active
from state.blocks import Blocks
from state.cells import Cells, merge, table_keys, tables_of
from state.frequencies import frequencies


def slide(subjects: int, often: int, seed: int) -> Cells:
    """Every other of so many subjects with a few values in two tables; the last one has one value so often."""
    rng = np.random.default_rng(seed)
    slot = np.unique(np.append(rng.integers(0, subjects, subjects // 2), subjects - 1))
    of_row = np.concatenate([rng.choice(slot, 3 * subjects), np.full(often, slot[-1])])
    value = np.concatenate([rng.integers(0, 3, 3 * subjects), np.full(often, 7)]).astype(np.uint64) << np.uint64(40)
    sums = rng.random((2, len(slot)))
    times = np.full((1, len(slot)), float(seed))
    tables = tables_of([table_keys(table, of_row, value) for table in (1, 6)])
    return Cells(slot, sums, times, times, np.full((1, len(slot)), 1 << seed, np.uint32), tables)


@pytest.mark.parametrize(("subjects", "often"), [(1, 5), (40, 300), (6_000, 300)])
def test_they_are_what_one_merge_gives(subjects: int, often: int) -> None:
    """Also where a count is larger than the bits beside the numbers of many subjects hold."""
    slides = {number: slide(subjects, often, number) for number in range(7)}
    numbers, size = [3, 4, 5, 6], 4
    window, slot, cells = active(numbers, slides, size, Blocks(size))
    assert cells.slot.tolist() == list(range(len(slot)))
    for i, number in enumerate(numbers):
        rows = np.flatnonzero(window == i)
        assert slot[rows].tolist() == slides[number].slot.tolist()
        whole = merge([slides[n] for n in range(number + 1 - size, number + 1)])
        only = whole.of(slides[number].slot)
        for name in ("mins", "maxs", "bits"):
            assert np.array_equal(getattr(cells, name)[:, rows], getattr(only, name))
        np.testing.assert_allclose(cells.sums[:, rows], only.sums, rtol=1e-14)
        mine = cells.tables.of(rows)
        expected = frequencies(whole.tables.of(only.slot))
        assert slot[mine.slot].tolist() == expected.slot.tolist()
        assert mine.count.tolist() == expected.count.tolist()
        assert (mine.key.view(np.int64) & ((1 << 39) - 1)).tolist() == (
            expected.key.view(np.int64) & ((1 << 39) - 1)
        ).tolist()
