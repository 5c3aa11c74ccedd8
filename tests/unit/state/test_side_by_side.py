"""Several cells in one, and apart again."""

import numpy as np

from state.cells import Cells, table_keys, tables_of
from state.side_by_side import apart, side_by_side
from state.slots import SLOT_BITS
from state.types import I64


def cells(slot: list[int], seed: int) -> Cells:
    """Cells with sums that tell the slot, and a few values in two tables."""
    rng = np.random.default_rng(seed)
    slots: I64 = np.array(slot, np.int64)
    numbers = slots.astype(np.float64)[None]
    keys = [table_keys(t, rng.choice(slots, 6), rng.integers(0, 2**64 - 1, 6, np.uint64)) for t in (0, 3)]
    bits = slots.astype(np.uint32)[None]
    return Cells(slots, numbers, numbers - 1, numbers + 1, bits, tables_of(keys))


def test_apart_undoes_side_by_side() -> None:
    """Subjects, aggregates and tables find back to their parts, also to one without values."""
    parts = [cells([0, 7, 9], 1), cells([7, 2**SLOT_BITS - 1], 2), cells([3], 3)]
    parts[2].tables = parts[2].tables.where(np.zeros(len(parts[2].tables.key), np.bool_))
    together = side_by_side(parts)
    assert together.slot.tolist() == list(range(6))
    assert (np.diff(together.tables.key.astype(np.float64)) > 0).all()
    owner = np.concatenate([(i << SLOT_BITS) | part.slot for i, part in enumerate(parts)])
    for part, again in zip(parts, apart(together, owner, len(parts)), strict=True):
        for name, array in part.arrays("c").items():
            assert np.array_equal(array, again.arrays("c")[name]), name
