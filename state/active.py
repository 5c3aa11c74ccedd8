"""Several windows on a grid at once, each of the subjects with an event in its last slide.

One after the other, each window would be merged for all subjects that it holds, of whom few have an event in a slide.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from state.blocks import Blocks
from state.cells import NO_TABLES, SLOT_MASK, SLOT_SHIFT, Cells, Tables, merge_runs, run_starts
from state.frequencies import frequencies
from state.slots import SLOT_BITS
from state.types import I64

_SLOTS: Final = 1 << SLOT_BITS


def active(numbers: Sequence[int], slides: Mapping[int, Cells], size: int, blocks: Blocks) -> tuple[I64, I64, Cells]:
    """The windows of `size` slides that end with these, which have subjects each.

    numbers: of slides, one after the other.  slides: by number, in order, all that are in one of the windows.
    Returns of each row which window it is of, and its subject's slot, ascending in that order; and cells under slots 0
    and up, their tables being frequencies.
    """
    newest = [slides[number] for number in numbers]
    window = np.repeat(np.arange(len(newest)), [len(cells) for cells in newest])
    slot = np.concatenate([cells.slot for cells in newest])
    parts = [blocks.parts(number + 1 - size, number + 1, slides) for number in numbers]
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


def _tables(numbers: Sequence[int], slides: Mapping[int, Cells], size: int, window: I64, slot: I64) -> Tables:
    """How often each value occurs in each window, under the numbers of the windows' subjects."""
    first = numbers[0]
    # By subject, then by window: those that a subject's slide is in are side by side.
    row = np.argsort((slot << SLOT_BITS) + window)
    ordered = ((slot << SLOT_BITS) + window)[row]
    keys, counts = [], []
    for number, cells in slides.items():
        owner = cells.slot << SLOT_BITS
        begin = np.searchsorted(ordered, owner + max(number - first, 0))
        often = np.searchsorted(ordered, owner + min(max(number - first + size, 0), _SLOTS)) - begin
        of_entry = np.searchsorted(cells.slot, cells.tables.slot)
        times = often[of_entry]
        ends = np.cumsum(times)
        entry = np.repeat(np.arange(len(times)), times)
        at = row[np.arange(len(entry)) + (begin[of_entry] - ends + times)[entry]]
        keys.append((cells.tables.key[entry] & ~(SLOT_MASK << SLOT_SHIFT)) | (at.view(np.uint64) << SLOT_SHIFT))
        counts.append(cells.tables.count[entry])
    key = np.concatenate(keys)
    if not len(key):
        return NO_TABLES
    order = np.argsort(key)  # which of the equal ones comes first does not matter
    key = key[order]
    starts = run_starts(key)
    return Tables(key[starts], np.add.reduceat(np.concatenate(counts)[order], starts, dtype=np.int64))
