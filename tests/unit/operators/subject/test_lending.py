"""What lenders tell: of each the latest row by the end of the pane."""

from typing import Final

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.features.verdicts import VERDICT
from flows.loans import Borrower, Lends
from flows.operators.subject.lending import Lending
from flows.wire.hashing import of_kind
from state.batch import MicroBatch
from state.closed import Closed
from state.keygroup import key_group
from state.schema import EVENT_KEY, EVENT_TIME, SUBJECT, SUBJECT_NAME
from state.types import NO_CODE, U64

GROUPS: Final = 4
PANE_US: Final = 60
FEATURES: Final = ("events", "users")
LENDERS: Final = of_kind(np.arange(1, 5, dtype=np.uint64), "net")
USERS: Final = np.arange(1, 13, dtype=np.uint64) * np.uint64(0x0FF7_F7F7_7F7F_7F7F)
"""Spread over the groups."""

steps = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 3), st.integers(0, 99)),  # rows of the window that closed: lender -> value
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, len(USERS)))),  # rows of the pane: lender, user
    ),
    min_size=1,
    max_size=8,
)


def lending() -> Lending:
    return Lending(Lends("minute", ("users",), (Borrower("", "user"),)), "net", 0, GROUPS, FEATURES)


def closed(panes: list[tuple[int, list[tuple[int, int]]]]) -> tuple[Closed, U64]:
    """Of (pane, rows), ascending; with each row's lender."""
    parts = []
    for number, met in panes:
        who = np.array([lender for lender, _ in met], np.int64)
        users = np.concatenate([np.zeros(1, np.uint64), USERS])[[user for _, user in met]]
        parts.append(
            MicroBatch(
                {
                    EVENT_TIME: np.full(len(met), number * PANE_US),
                    EVENT_KEY: np.arange(len(met), dtype=np.uint64),
                    SUBJECT: LENDERS[who],
                    SUBJECT_NAME: np.full(len(met), "n", object),
                    "user": users,
                }
            )
        )
    found = Closed.of([(number + 1) * PANE_US for number, _ in panes], [[part] for part in parts])
    return found, found.batch.subject


Sent = set[tuple[int, int, int, float]]
"""(group, end of the pane, lender, value)."""


def sent(found: Lending) -> Sent:
    told: Sent = set()
    for group, message in found.take(10_000, 0):
        if message.loans is not None:
            end_us, key, values = message.loans
            assert (np.diff(end_us) >= 0).all()
            rows = list(zip(end_us.tolist(), key.tolist(), np.nan_to_num(values[:, 0], nan=-1).tolist(), strict=True))
            assert len(rows) == len({row[:2] for row in rows})
            told |= {(group, *row) for row in rows}
    return told


def by_loops(told: list[tuple[dict[int, int], list[tuple[int, int]]]]) -> Sent:
    known: dict[int, float] = {}
    expected: Sent = set()
    groups = key_group(USERS, GROUPS).tolist()
    for number, (rows, met) in enumerate(told):
        known |= {lender: float(value) for lender, value in rows.items()}
        for lender, user in met:
            if user:
                key = int(of_kind(LENDERS, "net")[lender])
                expected.add((groups[user - 1], (number + 1) * PANE_US, key, known.get(lender, -1.0)))
    return expected


@given(steps, st.integers(1, 4))
def test_the_latest_row_by_the_end_of_the_pane(
    told: list[tuple[dict[int, int], list[tuple[int, int]]]], together: int
) -> None:
    """However many panes are worked out at once."""
    found = lending()
    for first in range(0, len(told), together):
        some = list(enumerate(told))[first : first + together]
        panes, subject = closed([(number, met) for number, (_, met) in some if met])
        slot = np.searchsorted(np.sort(LENDERS), subject)
        for number, (rows, _) in some:
            who = np.array(sorted(rows), np.int64)
            x = np.array([[0.0, rows[lender]] for lender in who.tolist()]).reshape(-1, len(FEATURES))
            end_us = np.full(len(who), (number + 1) * PANE_US)
            found.know(end_us, np.searchsorted(np.sort(LENDERS), LENDERS[who]), x)
        found.lend([found.met(panes, slot)] if len(subject) else [])
    assert sent(found) == by_loops(told)


def test_verdicts_meet_nobody() -> None:
    """A verdict names whose event it is about; that was another time."""
    panes, subject = closed([(0, [(0, 1), (1, 2)])])
    panes = panes.with_batch(MicroBatch(panes.batch.columns | {VERDICT.name: np.array([NO_CODE, 0], np.int16)}))
    found = lending()
    (met,) = found.met(panes, np.arange(2))
    assert met.key.tolist() == of_kind(subject[:1], "net").tolist()


def test_who_left_lends_nothing() -> None:
    """Its slot is somebody else's."""
    panes, _ = closed([(0, [(0, 1)])])
    found = lending()
    found.know(np.array([PANE_US]), np.array([3]), np.array([[0.0, 5.0]]))
    found.lend([])
    found.forget(np.array([3]))
    found.lend([found.met(panes, np.array([3]))])
    assert {value for *_, value in sent(found)} == {-1.0}
