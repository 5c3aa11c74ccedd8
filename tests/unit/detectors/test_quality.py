"""Rankings against the slow obvious way; delays of drift by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.quality import drift_quality, rank_quality

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0, float("nan")]), st.sampled_from([0.0, 1.0, float("nan")])),
    max_size=30,
)


@given(ROWS)
def test_ranking_is_what_counting_pairs_gives(rows: list[tuple[float, float]]) -> None:
    """The area is the share of pairs in the right order; average precision is added up level by level."""
    known = [(s, y) for s, y in rows if s == s and y == y]
    odd, even = [s for s, y in known if y], [s for s, y in known if not y]
    found = rank_quality(np.array([s for s, _ in rows]), np.array([y for _, y in rows]))
    assert (found.rows, found.positives) == (len(known), len(odd))
    if not odd or not even:
        assert found.roc_auc is None
        assert found.average_precision is None
        return
    wins = sum((a > b) + 0.5 * (a == b) for a in odd for b in even)
    assert found.roc_auc == pytest.approx(wins / (len(odd) * len(even)))
    average = before = 0.0
    for level in sorted({s for s, _ in known}, reverse=True):
        chosen = [y for s, y in known if s >= level]
        recall = sum(chosen) / len(odd)
        average += (recall - before) * sum(chosen) / len(chosen)
        before = recall
    assert found.average_precision == pytest.approx(average)


def test_delays_and_false_alarms() -> None:
    """Events within 100 rows of a change belong to it; the first one is its delay; all others are false."""
    found = drift_quality("error", [40, 130, 150, 320, 505], [100, 300, 400], 100)
    assert found.delays == (30, 20, None)
    assert found.false_alarms == 2
    assert drift_quality("error", [5], [], 100).false_alarms == 1
