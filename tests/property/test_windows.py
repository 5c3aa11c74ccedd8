"""Windows, lateness, duplicates and the row budget agree with the oracle on input that nobody thought of."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.windows import WindowKind, WindowSpec, pane_us
from tests.oracle.stream import Declared, Event, run
from tests.oracle.windows import pane_width
from tests.property.adapter import differences, run_implementation
from tests.property.strategies import Turn, declarations, partitions, turns, window, windows

COUNTS = ("events", "ms", "capped", "tracks", "again")
"""Enough to see which rows a window holds."""


def check(declared: Declared, given_: list[list[Event]], cut: list[Turn]) -> None:
    """The operators and the oracle find the same, and no event is lost."""
    expected = run(declared, given_)
    assert expected.accepted + expected.late + expected.duplicate == sum(map(len, given_))
    assert list(differences(run_implementation(declared, given_, cut), expected)) == []


@given(windows())
def test_panes(specs: tuple[WindowSpec, ...]) -> None:
    """The base pane is the widest equal part of every window that is no wider than any session gap."""
    assert pane_us(specs) == pane_width(specs)


@pytest.mark.parametrize("kind", list(WindowKind))
@settings(deadline=None, max_examples=40)
@given(data=st.data(), declared=declarations(), given_=partitions(), cut=turns)
def test_one_kind_of_window(
    kind: WindowKind, data: st.DataObject, declared: Declared, given_: list[list[Event]], cut: list[Turn]
) -> None:
    """Windows of each kind hold the rows they should, at any batch size, across restarts."""
    check(replace(declared, windows=((data.draw(window("w", kind)), COUNTS),)), given_, cut)


@settings(deadline=None, max_examples=60)
@given(declared=declarations(), given_=partitions(), cut=turns)
def test_several_windows(declared: Declared, given_: list[list[Event]], cut: list[Turn]) -> None:
    """Windows that share panes do not disturb each other."""
    check(replace(declared, windows=tuple((spec, COUNTS) for spec, _ in declared.windows)), given_, cut)


@settings(deadline=None, max_examples=50)
@given(declared=declarations(), given_=partitions(), cuts=st.tuples(turns, turns))
def test_cuts_change_nothing(
    declared: Declared, given_: list[list[Event]], cuts: tuple[list[Turn], list[Turn]]
) -> None:
    """However batches are cut, partitions interleaved and operators restarted, the rows are equal to the bit."""
    first, second = (run_implementation(declared, given_, cut) for cut in cuts)
    assert repr(sorted(first.rows.items())) == repr(sorted(second.rows.items()))
    assert (first.accepted, first.late, first.duplicate) == (second.accepted, second.late, second.duplicate)


@settings(deadline=None, max_examples=60)
@given(declared=declarations(rows_per_pane_max=2), given_=partitions(restamped=False), cut=turns)
def test_row_budget(declared: Declared, given_: list[list[Event]], cut: list[Turn]) -> None:
    """Beyond the row budget counts and sums go on exactly; distinct values and sequences come from the sample."""
    check(declared, given_, cut)
