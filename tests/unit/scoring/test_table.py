"""Tables from files, and their rounds."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.scoring.table import Columns, Table, read_table, rounds_of
from state.errors import SourceError

CSV = "when,who,amount,ok,kind\n3,b,1.5,true,x\n1,a,,false,y\n2,a,7,,x\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(CSV)
    return path


def test_csv(file: Path, tmp_path: Path) -> None:
    """Numbers and yes-or-no are features unless they are something else; rows are put in the order of time."""
    table = read_table(file, Columns(label="kind", positive="x", subject="who", time="when"))
    assert table.features == ("amount", "ok")
    assert np.array_equal(table.x, [[np.nan, 0], [7, np.nan], [1.5, 1]], equal_nan=True)
    assert table.label is not None
    assert table.label.tolist() == [0, 1, 1]
    assert table.subject is not None
    assert table.subject.tolist() == ["a", "a", "b"]
    assert table.time_us is not None
    assert table.time_us.tolist() == [1_000_000, 2_000_000, 3_000_000]
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(CSV.encode()))
    assert np.array_equal(read_table(packed, Columns(("amount",))).x[:, 0], [1.5, np.nan, 7], equal_nan=True)


def test_parquet_and_numpy(tmp_path: Path) -> None:
    """Both give the same kind of table; columns of a matrix are numbered so that names sort."""
    pq.write_table(pa.table({"a": [1.0, None], "y": [0, 1]}), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", Columns(label="y"))
    assert np.array_equal(table.x, [[1.0], [np.nan]], equal_nan=True)
    np.savez(tmp_path / "t.npz", X=np.arange(22).reshape(2, 11), y=np.array([[0], [1]]))
    table = read_table(tmp_path / "t.npz", Columns(label="y"))
    assert table.features[:2] == ("x00", "x01")
    assert table.features[-1] == "x10"
    assert table.label is not None
    assert table.label.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(("amount", "price")), "no column 'price'; there are when, who, amount, ok, kind"),
        (Columns(("who",)), "column 'who' holds no numbers; numbers are in when, amount"),
        (Columns(label="kind"), r"the label 'kind' holds words \(x, y\); say with --positive"),
        (Columns(time="who"), "expected times, ISO 8601 texts or seconds since 1970"),
    ],
)
def test_errors_say_what_is_there(file: Path, columns: Columns, message: str) -> None:
    """Which column, and what there is instead."""
    with pytest.raises(SourceError, match=message):
        read_table(file, columns)


def test_files_that_are_none(tmp_path: Path) -> None:
    """Absent files, and arrays of another kind, are told as such."""
    with pytest.raises(SourceError, match="cannot be read"):
        read_table(tmp_path / "absent.npz", Columns())
    with pytest.raises(SourceError, match="cannot be read"):
        read_table(tmp_path / "absent.csv", Columns())
    np.savez(tmp_path / "t.npz", Z=np.zeros(3))
    with pytest.raises(SourceError, match=r"expected an array X of shape \(rows, features\), found Z"):
        read_table(tmp_path / "t.npz", Columns())


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.integers(1, 9))
def test_rounds_are_the_rows_in_order_and_have_nobody_twice(who: list[str], size: int) -> None:
    """A round ends when it is full, or before a subject's second row, and never otherwise."""
    table = Table(np.zeros((len(who), 1)), ("f",), subject=np.array(who, object))
    rounds = rounds_of(table, size)
    assert [i for low, high in rounds for i in range(low, high)] == list(range(len(who)))
    for low, high in rounds:
        assert 0 < high - low <= size
        assert len(set(who[low:high])) == high - low
        following = who[high : high + 1]
        assert high - low == size or not following or following[0] in who[low:high]
