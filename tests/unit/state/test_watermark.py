"""Watermarks of partitions and of receivers, and the routing to key groups."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.keygroup import key_group
from state.types import END_OF_TIME_US, START_OF_TIME_US
from state.watermark import PartitionClock, WatermarkMerger


def times(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_a_receiver_is_as_far_as_its_slowest_sender() -> None:
    """Nothing is known before the last sender was heard; a sender that falls back is ignored."""
    merger = WatermarkMerger(["a", "b"])
    assert merger.update("a", 10) == START_OF_TIME_US
    assert merger.update("b", 5) == 5
    assert merger.update("b", 20) == 10
    assert merger.update("a", 3) == 10
    assert merger.update("a", END_OF_TIME_US) == 20


def test_nobody_waits_for_a_sender_at_rest() -> None:
    """The others go on without it; where all rest, the furthest counts, whichever was first to say so; a restart waits
    for everybody again, and takes nothing back.
    """
    for order in ("ab", "ba"):
        merger = WatermarkMerger("ab")
        merger.update("a", 10), merger.update("b", 20)
        for sender in order:
            merger.update(sender, {"a": 10, "b": 20}[sender], at_rest=True)
        assert merger.watermark_us == 20
        after = WatermarkMerger("abc")
        after.restore(merger.state())
        after.update("b", 50), after.update("c", 50)
        assert after.watermark_us == 20
        assert after.update("a", 10, at_rest=True) == 50


def test_a_sender_that_was_not_announced_is_an_error() -> None:
    """Its rows may be older than a minimum that was already given out."""
    with pytest.raises(KeyError):
        WatermarkMerger(["a"]).update("b", 1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-100, 100)), max_size=30), st.integers(0, 30))
def test_the_minimum_agrees_with_the_definition_across_a_restart(updates: list[tuple[str, int]], stop: int) -> None:
    """After each update: the least of the largest watermark of each sender."""
    merger = WatermarkMerger("abc")
    heard = dict.fromkeys("abc", START_OF_TIME_US)
    for turn, (sender, watermark_us) in enumerate(updates):
        if turn == stop:
            saved, merger = merger.state(), WatermarkMerger("abc")
            merger.restore(saved)
        heard[sender] = max(heard[sender], watermark_us)
        assert merger.update(sender, watermark_us) == merger.watermark_us == min(heard.values())


def test_a_restart_with_other_senders_keeps_the_minimum_that_was_given_out() -> None:
    """A sender that is gone holds nothing back; a new one cannot make the watermark fall."""
    merger = WatermarkMerger(["a", "b"])
    merger.update("a", 10), merger.update("b", 20)
    after = WatermarkMerger(["b", "c"])
    after.restore(merger.state())
    assert after.watermark_us == 10
    assert after.update("c", 5) == 10
    assert after.update("c", 15) == 15


def test_a_row_is_late_when_its_pane_had_closed_before_it_came() -> None:
    """Panes of 10, rows may be 5 out of order:

    event time   12   26   19   9    30   24   ...
    watermark    -    7    21   21   21   25      (before the row)
    late                   19 in [10, 20): yes    24 in [20, 30): no
    """
    clock = PartitionClock(5, 10, 0)
    assert clock.before(times(12, 26, 19, 9, 30, 24)).tolist() == [START_OF_TIME_US, 7, 21, 21, 21, 25]
    assert clock.observe(times(12, 26, 19, 9, 30, 24)).tolist() == [False, False, True, True, False, False]
    assert clock.watermark_us == 25
    assert clock.closed_us == 20


def test_allowed_lateness_keeps_panes_open_longer() -> None:
    """The same rows; a pane waits until the watermark is 2, then 1, past its end."""
    assert PartitionClock(5, 10, 2).observe(times(26, 19)).tolist() == [False, False]
    assert PartitionClock(5, 10, 1).observe(times(26, 19)).tolist() == [False, True]


def test_late_rows_and_wall_clock_time_move_the_watermark_forward_only() -> None:
    """advance() counts like a row; neither it nor an old row sets the watermark back."""
    clock = PartitionClock(0, 10, 0)
    clock.advance(100)
    clock.advance(50)
    assert clock.observe(times(99, 100)).tolist() == [True, False]
    assert clock.watermark_us == 100
    assert clock.observe(times()).tolist() == []
    assert clock.watermark_us == 100


@given(
    st.lists(st.integers(-50, 200), max_size=40),
    st.lists(st.integers(0, 40), max_size=5),
    st.integers(0, 30),
    st.integers(1, 20),
    st.integers(0, 20),
)
@settings(deadline=None)
def test_lateness_does_not_depend_on_batches(
    events: list[int], cuts: list[int], bound: int, pane: int, allowed: int
) -> None:
    """Row by row, in one piece or cut anywhere: the same verdicts, those of the definition."""
    expected, largest = [], START_OF_TIME_US
    for t in events:
        expected.append((t // pane + 1) * pane + allowed <= largest - bound)
        largest = max(largest, t)
    clock = PartitionClock(bound, pane, allowed)
    edges = [0, *sorted(min(c, len(events)) for c in cuts), len(events)]
    late = [clock.observe(times(*events[a:b])) for a, b in pairwise(edges)]
    assert np.concatenate(late).tolist() == expected
    assert clock.watermark_us == (largest - bound if events else START_OF_TIME_US)


def test_key_groups_are_even_and_fixed() -> None:
    """The upper bits choose, evenly for any number of groups, and the extremes stay inside."""
    hashes = np.random.default_rng(1).integers(0, 2**64, 64_000, np.uint64)
    for groups in (1, 7, 16, 128):
        counts = np.bincount(key_group(hashes, groups), minlength=groups)
        assert len(counts) == groups
        assert abs(counts / counts.mean() - 1).max() < 0.2
    assert key_group(np.array([0, 2**32 - 1, 2**63, 2**64 - 1], np.uint64), 16).tolist() == [0, 0, 8, 15]
