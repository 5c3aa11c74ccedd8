"""Several spans in one Cells: a step over many small ones costs as much as a step over one."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from state.cells import SLOT_MASK, SLOT_SHIFT, Cells, Tables
from state.slots import SLOT_BITS
from state.types import I64, U64


def side_by_side(parts: Sequence[Cells]) -> Cells:
    """The cells of all parts under new slots, 0 and up in the order of the parts: a subject of two parts becomes two.

    parts: at least one; together fewer than 2**20 subjects.
    """
    subjects = np.arange(len(parts)) << SLOT_BITS
    slot = np.concatenate([p.slot for p in parts]) + np.repeat(subjects, [len(p) for p in parts])
    key = np.concatenate([p.tables.key for p in parts])
    owner = (key >> SLOT_SHIFT) & SLOT_MASK
    owner += np.repeat(subjects, [len(p.tables.key) for p in parts]).view(np.uint64)
    key = _with_slots(key, np.searchsorted(slot, owner.view(np.int64)))
    order = np.argsort(key, kind="stable")
    return Cells(
        np.arange(len(slot)),
        np.concatenate([p.sums for p in parts], axis=1),
        np.concatenate([p.mins for p in parts], axis=1),
        np.concatenate([p.maxs for p in parts], axis=1),
        np.concatenate([p.bits for p in parts], axis=1),
        Tables(key[order], np.concatenate([p.tables.count for p in parts])[order]),
    )


def apart(together: Cells, owner: I64, parts: int) -> list[Cells]:
    """The inverse: cells with slots 0 and up to the cells of the parts.

    owner: (n,) ascending, part << 20 | slot in it.
    """
    part, slot = owner >> SLOT_BITS, owner & ((1 << SLOT_BITS) - 1)
    entry = together.tables.slot
    order = np.argsort(part[entry], kind="stable")
    key, count = _with_slots(together.tables.key, slot[entry])[order], together.tables.count[order]
    bounds = np.arange(parts + 1)
    cuts, entry_cuts = np.searchsorted(part, bounds).tolist(), np.searchsorted(part[entry[order]], bounds).tolist()
    return [
        Cells(
            slot[a:b],
            together.sums[:, a:b],
            together.mins[:, a:b],
            together.maxs[:, a:b],
            together.bits[:, a:b],
            Tables(key[c:d], count[c:d]),
        )
        for (a, b), (c, d) in zip(pairwise(cuts), pairwise(entry_cuts), strict=True)
    ]


def _with_slots(key: U64, slot: I64) -> U64:
    return (key & ~(SLOT_MASK << SLOT_SHIFT)) | (slot.view(np.uint64) << SLOT_SHIFT)
