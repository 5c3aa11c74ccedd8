"""What is far ahead of its partition waits for others, and moves nothing before they bear it out."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.ahead import HELD_BYTES_MAX, HELD_MAX, LATELY, AheadBound, Verdicts
from state.types import SECOND_US

NIGHT = 8 * 3600
DAY = 24 * 3600


class Partition:
    """One partition, row by row: (second, subject) in, the rows that count and those that do not."""

    def __init__(self, ahead_s: int = 120) -> None:
        self.bound = AheadBound(ahead_s * SECOND_US, 30 * SECOND_US)
        self.waiting: list[tuple[int, int]] = []
        self.accepted: list[tuple[int, int]] = []
        self.refused: list[tuple[int, int]] = []

    def read(self, rows: Iterable[tuple[int, int]], now: int | None = None, size: int = 1) -> None:
        """size: bytes of each line."""
        given_ = list(rows)
        time_us = np.array([at * SECOND_US for at, _ in given_], np.int64)
        subject = np.array([who for _, who in given_], np.uint64)
        verdicts = self.bound.judge(time_us, subject, lambda _: size, None if now is None else now * SECOND_US)
        if verdicts is None:
            assert not self.waiting
            self.accepted += given_
        else:
            self.settle(verdicts, given_)

    def settle(self, verdicts: Verdicts, more: list[tuple[int, int]] | None = None) -> None:
        rows = self.waiting + (more or [])
        self.accepted += [rows[i] for i in verdicts.accepted]
        self.refused += [rows[i] for i, _ in verdicts.refused]
        self.waiting = [rows[i] for i in verdicts.held]
        assert self.bound.waiting == len(self.waiting)

    @property
    def reached(self) -> int:
        return self.bound.reached_us // SECOND_US


def people(start: int, seconds: int, subjects: int = 20) -> list[tuple[int, int]]:
    """One event a second, of one subject after the other."""
    return [(start + i, i % subjects + 1) for i in range(seconds)]


def test_one_clock_ahead_costs_itself_only() -> None:
    """The row is refused, all others count, and time goes on as if it had not been there."""
    partition = Partition()
    partition.read([*people(0, 100), (DAY, 7), *people(100, 100)])
    assert partition.refused == [(DAY, 7)]
    assert partition.accepted == people(0, 200)
    assert partition.reached == 199


@pytest.mark.parametrize("first", [DAY, 70 * 365 * DAY])
def test_the_first_row_of_all_is_not_believed_either(first: int) -> None:
    """Time begins where two subjects are; the first row alone says nothing."""
    partition = Partition()
    partition.read([(first, 7)])
    assert partition.waiting == [(first, 7)]
    partition.read(people(0, 100))
    assert (partition.accepted, partition.refused) == (people(0, 100), [(first, 7)])


def test_a_night_without_events_goes_on_and_nothing_is_lost() -> None:
    """When a majority of those that were there lately is there again, time is there, and those that waited count."""
    partition = Partition()
    before, after = people(0, 100), people(NIGHT, 100)
    partition.read(before + after[:10])
    assert (len(partition.waiting), partition.reached) == (10, 99)
    partition.read(after[10:])
    assert partition.accepted == before + after
    assert not partition.refused


def test_one_account_does_not_move_time_however_much_it_sends() -> None:
    """Thousands of rows of one subject, all ahead, are refused; the others go on counting."""
    partition = Partition()
    partition.read([*people(0, 100), *((DAY + i, 7) for i in range(5 * HELD_MAX)), *people(100, 100)])
    assert partition.accepted == people(0, 200)
    assert len(partition.refused) == 5 * HELD_MAX


def test_a_minority_of_accounts_does_not_either() -> None:
    """Ten of twenty accounts in one burst are no majority; eleven are."""
    for liars in (10, 11):
        partition = Partition()
        partition.read([*people(0, 100), *((DAY, who) for who in range(100, 100 + liars))])
        assert partition.reached == (99 if liars == 10 else DAY)


def test_rows_that_wait_are_bounded() -> None:
    """In rows and in bytes: the oldest leave."""
    for size, most in ((1, HELD_MAX), (HELD_BYTES_MAX // 10, 11)):
        partition = Partition()
        partition.read(people(0, 100))
        partition.read([(DAY, 7)] * 2 * HELD_MAX, size=size)
        assert len(partition.waiting) <= most
        assert len(partition.waiting) + len(partition.refused) == 2 * HELD_MAX


def test_few_that_are_left_after_a_gap_are_believed_in_the_end() -> None:
    """Where fewer are there than before, so many rows without one that contradicts them bear it out."""
    partition = Partition()
    partition.read(people(0, 100) + people(NIGHT, HELD_MAX, subjects=3))
    assert not partition.refused
    assert partition.reached >= NIGHT


def test_stragglers_do_not_speak_against_a_gap() -> None:
    """Rows from long before say nothing about where time is now."""
    partition = Partition()
    stragglers = [(-7200, who) for who in range(1, 21)]
    partition.read(people(0, 100) + people(NIGHT, 5) + stragglers + people(NIGHT + 5, 95))
    assert not partition.refused
    assert partition.reached == NIGHT + 99


def test_the_end_of_the_input_decides() -> None:
    """What nobody spoke against counts; what as many spoke against as for it does not."""
    last, alone = Partition(), Partition()
    last.read([*people(0, 100), (NIGHT, 3)])
    last.settle(last.bound.finish())
    assert last.accepted[-1] == (NIGHT, 3)
    alone.read([*people(0, 100), (NIGHT, 3), (100, 4)])
    alone.settle(alone.bound.finish())
    assert alone.refused == [(NIGHT, 3)]


def test_silence_bears_out_what_is_not_ahead_of_the_clock() -> None:
    """In a live run nobody waits for a second subject that never comes, and the future is not borne out by silence."""
    partition = Partition()
    partition.read([(500, 1)], now=1000)
    partition.read([(DAY, 2)], now=1000)
    partition.settle(partition.bound.silence(1000 * SECOND_US))
    assert (partition.accepted, partition.waiting) == ([(500, 1)], [(DAY, 2)])


def test_time_that_passes_reaches_what_waits() -> None:
    """A partition that is moved by the clock comes to where the row is."""
    partition = Partition()
    partition.read([*people(0, 100), (600, 3)])
    partition.settle(partition.bound.advance(300 * SECOND_US))
    assert partition.waiting
    partition.settle(partition.bound.advance(480 * SECOND_US))
    assert partition.accepted[-1] == (600, 3)


def test_small_steps_end_at_the_wall_clock() -> None:
    """An account that is always just within the bound gets no further than the bound from the wall clock."""
    partition = Partition()
    partition.read(people(0, 100), now=100)
    for step in range(1, 50):
        partition.read([(99 + step * 60, 7)], now=100)
    assert partition.reached <= 100 + 120
    partition.read(people(100, 20), now=120)
    assert partition.accepted[-20:] == people(100, 20)


def test_a_wall_clock_that_is_wrong_loses_nothing() -> None:
    """Where all events are ahead of the machine's clock, they bear each other out."""
    partition = Partition()
    partition.read(people(DAY, 200), now=0)
    partition.settle(partition.bound.finish())
    assert partition.accepted == people(DAY, 200)


def test_without_a_bound_every_row_counts() -> None:
    """0: event time goes wherever a row says."""
    partition = Partition(ahead_s=0)
    partition.read([(0, 1), (70 * 365 * DAY, 2), (1, 3)])
    assert len(partition.accepted) == 3


ROWS = st.lists(
    st.tuples(st.sampled_from([0, 10, 100, 500, 1000, 5000, 10**6]), st.integers(0, 60), st.integers(1, 6)), max_size=80
).map(lambda rows: [(base + more, who) for base, more, who in rows])


@settings(deadline=None, max_examples=300)
@given(rows=ROWS, cuts=st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=40))
def test_verdicts_do_not_depend_on_cuts_and_restarts(rows: list[tuple[int, int]], cuts: list[tuple[int, bool]]) -> None:
    """Row by row, all at once, saved and restored anywhere: the same rows count, in the same order."""
    whole, pieces = Partition(), Partition()
    whole.read(rows)
    at = 0
    for size, restart in [*cuts, (len(rows), False)]:
        pieces.read(rows[at : at + size])
        at += size
        if restart:
            saved = pieces.bound
            pieces.bound = AheadBound(120 * SECOND_US, 30 * SECOND_US)
            pieces.bound.reached_us = saved.reached_us
            time_us = np.array([t * SECOND_US for t, _ in pieces.waiting], np.int64)
            subject = np.array([who for _, who in pieces.waiting], np.uint64)
            pieces.bound.restore(saved.state(), time_us, subject, [1] * len(subject))
    for partition in (whole, pieces):
        partition.settle(partition.bound.finish())
        assert sorted(partition.accepted + partition.refused) == sorted(rows)
    assert (whole.accepted, whole.refused) == (pieces.accepted, pieces.refused)


@settings(deadline=None, max_examples=200)
@given(
    steps=st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 9)), max_size=200),
)
def test_nothing_that_comes_in_its_order_is_lost(steps: list[tuple[int, int]]) -> None:
    """However long the gaps, and whoever is there: rows in the order of their times count, and stay in that order."""
    rows, at = [], 0
    for gap, who in steps:
        at += gap
        rows.append((at, who))
    partition = Partition()
    partition.read(rows)
    partition.settle(partition.bound.finish())
    assert partition.accepted == rows
    assert len({who for _, who in rows}) < LATELY
