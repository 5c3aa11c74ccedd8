"""Columns without values: told once, whichever way the rows were cut, and over restarts."""

from typing import Any

import numpy as np
import pytest

from flows.operators.ingest.filled import FilledWatch
from state.batch import MicroBatch
from state.schema import EVENT_TIME, Column, Kind, Schema

SCHEMA = Schema((Column("amount", Kind.NUMBER), Column("shop", Kind.ID), Column("kind", Kind.ENUM, values=("a",))))
MISSING = {"amount": np.nan, "shop": 0, "kind": -1}
THERE = {"amount": -7.5, "shop": 2**63, "kind": 0}
DTYPE: dict[str, Any] = {"amount": np.float64, "shop": np.uint64, "kind": np.int16}


def rows(count: int, every: int, until: int, column: str) -> MicroBatch:
    """All columns have values; this one in every so-manieth row, and from a row on in none."""
    columns: dict[str, Any] = {EVENT_TIME: np.arange(count)}
    columns |= {name: np.full(count, THERE[name], DTYPE[name]) for name in DTYPE}
    at = np.arange(count)
    columns[column][(at % every != 0) | (at >= until)] = MISSING[column]
    return MicroBatch(columns)


def watch(batch: MicroBatch, size: int) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Read in pieces, with a restart after each."""
    told: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    before: dict[str, Any] | None = None
    for start in range(0, len(batch), size):
        watching = FilledWatch("p", SCHEMA, sorted(DTYPE), before)
        events, known = watching.add(batch.take(slice(start, start + size)))
        told += events
        counts = {name: counts.get(name, 0) + known.get(name, 0) for name in counts | known}
        before = watching.state()
    return told, counts


@pytest.mark.parametrize("column", DTYPE)
def test_a_column_that_vanishes_is_a_data_fault(column: str) -> None:
    """In the first thousand rows without a value, however they were read; again only when it had come back."""
    batch = rows(9_000, 2, 3_500, column)
    (event,), counts = watch(batch, 700)
    assert (event["what"], event["name"], event["cause"]) == ("lines", f"empty {column} in p", "data_fault")
    assert event["at"].endswith(f"{4_999:06d}Z")
    assert (event["before"], event["after"]) == pytest.approx((1 - 1_750 / 4_000, 1.0))
    assert watch(batch, 9_000)[0] == watch(batch, 999)[0] == [event]
    assert counts == dict.fromkeys(DTYPE, 1)
    assert len(watch(MicroBatch.concat([batch, batch]), 4_000)[0]) == 2


def test_a_column_that_is_rare_may_be_empty_for_a_while() -> None:
    """A thousand rows without a value that one in two hundred has are no news."""
    assert watch(rows(5_000, 200, 3_500, "amount"), 1_000)[0] == []


def test_a_column_that_never_had_a_value() -> None:
    """It is known from the first row on for the summary, and a data fault after ten thousand."""
    batch = rows(12_000, 1, 0, "shop")
    assert watch(batch.take(slice(9_999)), 500) == ([], {"amount": 1, "kind": 1, "shop": 0})
    ((event,), _) = watch(batch, 500)
    assert event["evidence"] == "none of 1,000 events of p had a value of shop, nor had any before"
