"""Columns that say who a row is are left out."""

import numpy as np
import pytest

from flows.scoring.identifiers import left_out
from flows.scoring.table import Table
from state.types import F64

N = 400
RNG = np.random.default_rng(1)


def table(**columns: F64) -> Table:
    return Table(np.stack(list(columns.values()), axis=1), tuple(columns))


FEATURES = {
    "normal": RNG.normal(size=N),
    "amount_in_cents": np.floor(np.exp(RNG.normal(9.0, 1.5, N))),
    "huge_amount": np.floor(np.exp(RNG.normal(25.0, 2.0, N))),
    "flag": (RNG.random(N) < 0.1).astype(np.float64),
    "few_large_codes": RNG.choice(RNG.integers(0, 2**40, 20), N).astype(np.float64),
    "hardly_known": np.where(np.arange(N) % 100 == 0, np.arange(N) * 1.0, np.nan),
    "nearly_rising": np.arange(N) + RNG.normal(0, 2.0, N),
}


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (np.arange(N) * 1.0, "a running number"),
        (1.7e9 - np.cumsum(RNG.exponential(size=N)), "a running number"),
        (np.where(np.arange(N) % 7 == 0, np.nan, np.arange(N)), "a running number"),
        (RNG.integers(0, 2**50, N).astype(np.float64), "a hash"),
        (RNG.integers(-(2**31), 2**31, N).astype(np.float64), "a hash"),
        (np.full(N, 3.0), "constant"),
        (np.full(N, np.nan), "constant"),
    ],
)
def test_identifiers(column: F64, what: str) -> None:
    """Each is told by what it is, beside features that stay; also when rows were shuffled since they were read."""
    mixed = table(**FEATURES, id=column)
    assert left_out(mixed) == {"id": what}
    assert left_out(mixed.shuffled(3)) == {"id": what}
    assert mixed.without(left_out(mixed)).features == tuple(FEATURES)


def test_a_table_of_few_rows_or_of_nothing_else_keeps_everything() -> None:
    """Thirty rows may be rising by chance; somebody wants to know about these columns."""
    assert left_out(table(**FEATURES, id=np.arange(N) * 1.0).first(30)) == {}
    assert left_out(table(a=np.arange(N) * 1.0, b=np.ones(N))) == {}
