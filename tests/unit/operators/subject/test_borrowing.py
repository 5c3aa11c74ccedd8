"""Loans that wait for their panes."""

from typing import Final

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.features.declare import Condition
from flows.loans import Borrows
from flows.operators.messages import LoanInput, Loans
from flows.operators.subject.borrowing import Borrowing
from state.batch import MicroBatch
from state.closed import Closed
from state.schema import EVENT_KEY, EVENT_TIME, SUBJECT, SUBJECT_NAME, Column, Kind, Schema
from state.snapshot import pack

SCHEMA: Final = Schema((Column("ip", Kind.ID), Column("amount", Kind.NUMBER)))
NET: Final = Borrows("net", "ip", ("users",))
PANE_US: Final = 60


def loans(*rows: tuple[int, int, float]) -> Loans:
    """Of (end of the pane, lender, value)."""
    end_us, key, value = zip(*sorted(rows), strict=True)
    return Loans(np.array(end_us), np.array(key, np.uint64), np.array(value)[:, None])


def waiting() -> Borrowing:
    found = Borrowing([NET], SCHEMA)
    for group, key in enumerate((7, 9)):
        found.add(LoanInput("net", group, 120, "subject", loans((60, key, key / 2), (120, key, key / 4))))
    return found


def rows(*panes: tuple[int, ...], amount: float = 1.0) -> Closed:
    """Panes that closed one after the other: the lenders that the rows of each name."""
    parts = [
        MicroBatch(
            {
                EVENT_TIME: np.full(len(ips), number * PANE_US),
                EVENT_KEY: np.arange(len(ips), dtype=np.uint64),
                SUBJECT: np.ones(len(ips), np.uint64),
                SUBJECT_NAME: np.full(len(ips), "u", object),
                "ip": np.array(ips, np.uint64),
                "amount": np.full(len(ips), amount),
            }
        )
        for number, ips in enumerate(panes)
    ]
    return Closed.of([(number + 1) * PANE_US for number in range(len(panes))], [[part] for part in parts])


def lent(borrowing: Borrowing, *panes: tuple[int, ...]) -> list[float]:
    return [float(v) for v in borrowing.close(rows(*panes))["net_users"]]


def test_each_row_has_what_its_lender_knew() -> None:
    """Of all groups of lenders, when the row's pane ended; nan for those who lent nothing."""
    assert np.array_equal(lent(waiting(), (9, 8, 7, 9), (7, 9)), [4.5, np.nan, 3.5, 4.5, 1.75, 2.25], equal_nan=True)


def test_later_panes_wait() -> None:
    """What was lent in panes that close later is still there."""
    found = waiting()
    assert lent(found, (7,)) == [3.5]
    assert lent(found, (), (7, 9)) == [1.75, 2.25]


@given(
    st.dictionaries(st.tuples(st.sampled_from([60, 120, 180]), st.integers(1, 5)), st.integers(0, 99), min_size=1),
    st.lists(st.lists(st.integers(0, 6), max_size=5), min_size=1, max_size=3).filter(any),
    st.integers(1, 3),
)
def test_by_look_ups(told: dict[tuple[int, int], int], panes: list[list[int]], groups: int) -> None:
    """Whatever was lent when, by how many groups of lenders."""
    found = Borrowing([NET], SCHEMA)
    for group in range(groups):
        mine = [(end, key, float(value)) for (end, key), value in told.items() if key % groups == group]
        found.add(LoanInput("net", group, 180, "subject", loans(*mine) if mine else None))
    expected = [told.get(((number + 1) * PANE_US, ip), np.nan) for number, ips in enumerate(panes) for ip in ips]
    assert np.array_equal(lent(found, *map(tuple, panes)), expected, equal_nan=True)


def test_events_that_are_not_the_lenders_borrow_nothing() -> None:
    """Those that its `where` leaves out."""
    found = Borrowing([Borrows("net", "ip", ("users",), (Condition("amount", low=0.0),))], SCHEMA)
    found.add(LoanInput("net", 0, 60, "subject", loans((60, 7, 3.0))))
    assert np.isnan(found.close(rows((7,), amount=-1.0))["net_users"]).all()


def test_what_waits_is_saved() -> None:
    """It goes on as if nothing had happened."""
    again = Borrowing([NET], SCHEMA)
    again.restore(waiting().snapshot())
    assert np.array_equal(lent(again, (9, 8), (7,)), lent(waiting(), (9, 8), (7,)), equal_nan=True)


def test_loans_by_pane_are_read() -> None:
    """As they were saved first: a table for each group of lenders and pane."""
    meta = {"loans": [["net", 60, 2], ["net", 120, 1]], "features": {"net": ["users"]}}
    arrays = {"key0": np.array([9, 7], np.uint64), "values0": np.array([[4.5], [3.5]])}
    arrays |= {"key1": np.array([9], np.uint64), "values1": np.array([[2.25]])}
    again = Borrowing([NET], SCHEMA)
    again.restore(pack("loans", 1, meta, arrays))
    assert np.array_equal(lent(again, (7, 9), (7, 9)), [3.5, 4.5, np.nan, 2.25], equal_nan=True)


def test_what_was_lent_otherwise_is_not_known() -> None:
    """Other features are not these."""
    again = Borrowing([Borrows("net", "ip", ("devices",))], SCHEMA)
    again.restore(waiting().snapshot())
    assert np.isnan(again.close(rows((7,)))["net_devices"]).all()


def test_panes_that_closed_are_forgotten() -> None:
    """Their rows, if there were any, were duplicates."""
    found = waiting()
    found.forget_until(60)
    assert np.array_equal(lent(found, (7,), (7,)), [np.nan, 1.75], equal_nan=True)
