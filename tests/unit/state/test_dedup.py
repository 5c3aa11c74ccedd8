"""Duplicate ids over a long horizon."""

import numpy as np

from state.chunks import Bundle
from state.dedup import Dedup


def test_long_horizons_are_remembered_in_few_runs() -> None:
    """After hundreds of panes every key is known, in a handful of sorted runs; a restored memory knows as much."""
    rng = np.random.default_rng(1)
    dedup = Dedup(10**9)
    seen: set[int] = set()
    for pane in range(400):
        keys = np.unique(rng.integers(0, 2**64 - 1, int(rng.integers(1, 60)), np.uint64))
        if pane % 50 == 49:
            keys[: len(keys) // 2] = rng.choice(np.array(sorted(seen), np.uint64), len(keys) // 2, replace=False)
        fresh = dedup.fresh(pane, keys)
        mask = np.ones(len(keys), np.bool_) if fresh is None else fresh
        assert mask.tolist() == [k not in seen for k in keys.tolist()]
        seen.update(keys.tolist())
        assert len(dedup._young.runs) <= 4
    again, chunks = Dedup(10**9), Bundle()
    again.restore(dedup.snapshot(chunks), chunks)
    assert sorted(np.concatenate(again._young.runs).tolist()) == sorted(seen)
    fresh = again.fresh(400, np.array(sorted(seen), np.uint64))
    assert fresh is not None
    assert not fresh.any()
