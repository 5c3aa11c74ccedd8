"""Orders of rows against numpy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state import order
from state.order import chronological, numbered, stable_argsort


@pytest.fixture(autouse=True)
def _packed_from_two_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small inputs take the way of large ones."""
    monkeypatch.setattr(order, "_FEW", 2)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 400), st.integers(1, 64), st.integers(0, 63))
def test_the_order_is_numpys(seed: int, n: int, bits: int, low: int) -> None:
    """Whatever the range of the values, also where they differ only in bits that give way to positions."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2**bits - 1, n, np.uint64, endpoint=True)
    values ^= rng.integers(0, 2, n, np.uint64) << np.uint64(low)
    assert np.array_equal(stable_argsort(values), np.argsort(values, kind="stable"))
    keys, at = np.unique(values, return_inverse=True)
    assert all(map(np.array_equal, numbered(values), (keys, at)))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 300), st.sampled_from([1, 10, 10**9, 2**62]), st.booleans())
def test_rows_come_out_by_subject_time_and_key(seed: int, n: int, span_us: int, arrived_in_order: bool) -> None:
    """As np.lexsort gives them, with ties, disorder and times of any range."""
    rng = np.random.default_rng(seed)
    subject = rng.choice(rng.integers(0, 2**64 - 1, 9, np.uint64, endpoint=True), n)
    time_us = rng.integers(-span_us, span_us, n)
    if arrived_in_order:
        time_us = np.sort(time_us)
    key = rng.integers(0, 50, n, np.uint64)
    found = chronological(subject, time_us, key)
    expected = np.lexsort((key, time_us, subject))
    for column in (subject, time_us, key):
        assert np.array_equal(column[found], column[expected])
