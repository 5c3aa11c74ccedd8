"""Loans that wait for their panes."""

import numpy as np

from flows.loans import Borrows
from flows.operators.messages import Loan, LoanInput
from flows.operators.subject.borrowing import Borrowing
from state.batch import MicroBatch
from state.schema import EVENT_TIME, Column, Kind, Schema

SCHEMA = Schema((Column("ip", Kind.ID),))
NET = Borrows("net", "ip", ("users",))


def waiting() -> Borrowing:
    found = Borrowing([NET], SCHEMA)
    for group, key in enumerate((7, 9)):
        loans = [Loan(60, np.array([key], np.uint64), np.array([[key / 2]]))]
        found.add(LoanInput("net", group, 60, "subject", loans))
    return found


def rows(*ips: int) -> MicroBatch:
    return MicroBatch({"ip": np.array(ips, np.uint64), EVENT_TIME: np.zeros(len(ips), np.int64)})


def lent(borrowing: Borrowing, end_us: int) -> list[float]:
    return [float(v) for v in borrowing.close(end_us, rows(9, 8, 7, 9))["net_users"]]


def test_each_row_has_what_its_lender_knew() -> None:
    """Of all groups of lenders; nan for those who lent nothing."""
    assert np.array_equal(lent(waiting(), 60), [4.5, np.nan, 3.5, 4.5], equal_nan=True)
    assert np.isnan(lent(waiting(), 120)).all()


def test_what_waits_is_saved() -> None:
    """It goes on as if nothing had happened."""
    again = Borrowing([NET], SCHEMA)
    again.restore(waiting().snapshot())
    assert np.array_equal(lent(again, 60), lent(waiting(), 60), equal_nan=True)


def test_what_was_lent_otherwise_is_not_known() -> None:
    """Other features are not these."""
    again = Borrowing([Borrows("net", "ip", ("devices",))], SCHEMA)
    again.restore(waiting().snapshot())
    assert np.isnan(again.close(60, rows(7))["net_devices"]).all()


def test_panes_that_closed_are_forgotten() -> None:
    """Their rows, if there were any, were duplicates."""
    found = waiting()
    found.forget_until(60)
    assert np.isnan(lent(found, 60)).all()
