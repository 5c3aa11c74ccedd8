"""A kind that is left out of a table is named at once."""

from enum import StrEnum

import pytest

from state.kinds import Keys, each


class Fruit(StrEnum):
    APPLE = "apple"
    PEAR = "pear"


def test_table_has_the_order_of_the_enum() -> None:
    """Whatever order its entries were written in."""
    assert list(each(Fruit, {Fruit.PEAR: 2, Fruit.APPLE: 1}, "fruits").items()) == [("apple", 1), ("pear", 2)]


def test_kind_without_entry_is_named() -> None:
    """With the table and the enum, so that one knows where to go."""
    with pytest.raises(LookupError, match=r"kitchen\.FRUITS: no entry for Fruit 'pear'"):
        each(Fruit, {Fruit.APPLE: 1}, "kitchen.FRUITS")


def test_keys_that_are_needed_come_first() -> None:
    """As they are told to people."""
    assert Keys(needs=("a",), may=("d",), one=("b", "c")).all == ("a", "b", "c", "d")
