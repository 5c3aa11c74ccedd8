"""The row budget: a subject that floods a pane is counted exactly, but only a sample of its rows is kept."""

from dataclasses import dataclass

import numpy as np

from state.batch import MicroBatch
from state.cells import run_lengths, run_starts
from state.types import U64


@dataclass(slots=True)
class Cut:
    """kept: the batch within budget.  folded: the surplus rows, by subject.  duplicates: (k,) the subjects of the rows
    that were left out of both.
    """

    kept: MicroBatch
    folded: MicroBatch
    duplicates: U64


def over_budget(batch: MicroBatch, rows_max: int) -> U64:
    """The subjects with more rows than rows_max."""
    if len(batch) <= rows_max:
        return np.zeros(0, np.uint64)
    ordered = np.sort(batch.subject)
    starts = run_starts(ordered)
    return ordered[starts[run_lengths(starts, len(ordered)) > rows_max]]


def cut(batch: MicroBatch, flooding: U64, rows_max: int, folded_keys: U64 | None) -> Cut:
    """Keeps of each flooding subject the rows_max rows with the smallest event keys.

    Event keys are hashes, so this is a uniform sample, and the same one however the rows arrive: the smallest keys of
    all rows are the smallest of those that were the smallest before and those that came since.
    folded_keys: keys folded before in this pane; a row that repeats one is a duplicate. None: keys do not identify
    events, nothing is a duplicate.
    """
    at = np.minimum(np.searchsorted(flooding, batch.subject), len(flooding) - 1)
    hot = np.flatnonzero(flooding[at] == batch.subject)
    kept = np.ones(len(batch), np.bool_)
    kept[hot] = False
    hot = hot[np.lexsort((batch.event_time_us[hot], batch.event_key[hot], batch.subject[hot]))]
    duplicates = np.zeros(0, np.uint64)
    if folded_keys is not None:
        key, subject = batch.event_key[hot], batch.subject[hot]
        again = np.isin(key, folded_keys)
        again[1:] |= (key[1:] == key[:-1]) & (subject[1:] == subject[:-1])
        duplicates = subject[again]
        hot = hot[~again]
    starts = run_starts(batch.subject[hot])
    rank = np.arange(len(hot)) - np.repeat(starts, run_lengths(starts, len(hot)))
    kept[hot[rank < rows_max]] = True
    return Cut(batch.take(np.flatnonzero(kept)), batch.take(hot[rank >= rows_max]), duplicates)
