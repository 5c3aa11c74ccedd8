"""Rows in few bytes, and back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from state.narrow import narrowed, widened
from state.types import F64

numbers = (
    st.integers(0, 300).map(float)
    | st.integers(1_700_000_000_000_000, 1_700_000_300_000_000).map(float)
    | st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, 0.1, 2.0**53, 2.0**53 + 2, -3.0, 1e308])
    | st.floats()
)


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=6), elements=numbers))
def test_rows_come_back_to_the_bit(rows: F64) -> None:
    """Whatever they hold: signs of zero, nan and infinities included."""
    back = widened(**narrowed(rows), count=rows.shape[1])
    assert back.tobytes() == rows.tobytes()


def test_counts_and_times_take_few_bytes() -> None:
    """A count a byte, a time in a pane four, what is no whole number eight."""
    rows = np.array([[0.0, 255.0], [7.0, 263.0], [1.7e15, 1.7e15 + 3e8], [0.5, 1.0]])
    saved = narrowed(rows)
    assert saved["width"].tolist() == [1, 2, 4, 8]
    assert len(saved["body"]) == 2 * (1 + 2 + 4 + 8)
