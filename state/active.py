"""Several windows on a grid at once, each of the subjects with an event in its last slide.

One after the other, each window would be merged for all subjects that it holds, of whom few have an event in a slide.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from state.blocks import Blocks
from state.cells import (
    NO_TABLES,
    TABLE_BITS,
    VALUE_BITS,
    VALUE_MASK,
    Cells,
    Tables,
    merge_runs,
    run_starts,
)
from state.frequencies import at_most, frequencies
from state.packed import Packed
from state.slots import SLOT_BITS
from state.types import I64

_SLOTS: Final = 1 << SLOT_BITS
_TABLE: Final = np.uint64(64 - TABLE_BITS)


def active(
    numbers: Sequence[int], slides: Mapping[int, Cells | Packed], size: int, blocks: Blocks
) -> tuple[I64, I64, Cells]:
    """The windows of `size` slides that end with these, which have subjects each.

    numbers: of slides, one after the other.  slides: by number, in order, all that are in one of the windows.
    Returns of each row which window it is of, and its subject's slot, ascending in that order; and cells under slots 0
    and up, their tables being frequencies.
    """
    newest = [slides[number] for number in numbers]
    window = np.repeat(np.arange(len(newest)), [len(cells) for cells in newest])
    slot = np.concatenate([cells.slot for cells in newest])
    opened: dict[int, tuple[Packed, Cells]] = {}
    parts = [blocks.parts(number + 1 - size, number + 1, slides, opened) for number in numbers]
    cells = _columns(parts, window, slot)
    return window, slot, cells.with_only(frequencies(_tables(numbers, slides, size, window, slot)))


def _columns(parts: Sequence[Sequence[Cells]], window: I64, slot: I64) -> Cells:
    """parts: of each window, in the order in which they are added up."""
    known = {id(cells): cells for of_window in parts for cells in of_window}
    place = {name: i for i, name in enumerate(known)}
    most = max(map(len, parts))
    of_window = np.array([[place[id(c)] for c in p] + [len(known)] * (most - len(p)) for p in parts])
    whole = list(known.values())
    there = np.concatenate([(i << SLOT_BITS) + cells.slot for i, cells in enumerate(whole)])
    wanted = ((of_window[window] << SLOT_BITS) + slot[:, None]).ravel()
    at = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
    found = there[at] == wanted
    starts = np.searchsorted(found.nonzero()[0], np.arange(len(slot)) * most)
    return merge_runs(whole, at[found], starts, np.arange(len(slot)))


def _tables(numbers: Sequence[int], slides: Mapping[int, Cells | Packed], size: int, window: I64, slot: I64) -> Tables:
    """How often each value occurs in each window, under the numbers of the windows' subjects."""
    first = numbers[0]
    # By subject, then by window: those that a subject's slide is in are side by side.
    by_subject = (slot << SLOT_BITS) + window
    row = np.argsort(by_subject)
    by_subject = by_subject[row]
    held = list(slides.values())
    owner = np.concatenate([cells.slot for cells in held]) << SLOT_BITS
    at = np.repeat(np.fromiter(slides, np.int64) - first, [len(cells) for cells in held])
    begin = np.searchsorted(by_subject, owner + np.maximum(at, 0))
    often = np.searchsorted(by_subject, owner + np.clip(at + size, 0, _SLOTS)) - begin
    places = np.cumsum([0, *map(len, held)]).tolist()
    of_entry = [_columns_of(cells) + place for cells, place in zip(held, places, strict=False)]
    cell = np.concatenate(of_entry)
    key = np.concatenate([cells.tables.key for cells in held])
    count = np.concatenate([cells.tables.count for cells in held])
    entry = often[cell].nonzero()[0]
    # Counts ride along in the bits that the numbers leave: values are sorted, and not positions.
    bits = (len(slot) - 1).bit_length()
    room = SLOT_BITS - bits
    entry, count = at_most(entry, count[entry].astype(np.int64), (1 << room) - 1)
    cell = cell[entry]
    times = often[cell]
    of = np.repeat(np.arange(len(entry)), times)
    if not len(of):
        return NO_TABLES
    number = row[np.arange(len(of)) + (begin[cell] - np.cumsum(times) + times)[of]].view(np.uint64)
    table, value = key[entry] >> _TABLE, key[entry] & VALUE_MASK
    packed = ((table << _TABLE) | (value << np.uint64(room)) | count.view(np.uint64))[of]
    packed |= number << np.uint64(VALUE_BITS + room)
    packed.sort()
    head = packed >> np.uint64(room)
    starts = run_starts(head)
    found = np.add.reduceat(packed & np.uint64((1 << room) - 1), starts).view(np.int64)
    key = head[starts]
    low = (np.uint64(1) << np.uint64(VALUE_BITS + bits)) - np.uint64(1)
    return Tables(((key >> np.uint64(VALUE_BITS + bits)) << _TABLE) | (key & low), found)


def _columns_of(cells: Cells | Packed) -> I64:
    """The column of each entry's subject."""
    slot = cells.slot
    column = np.empty(int(slot[-1]) + 1, np.int64)
    column[slot] = np.arange(len(cells))
    return column[cells.tables.slot]
