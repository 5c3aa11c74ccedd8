"""driftnet score and evaluate: what is left out, what cannot be said, and which row is which."""

import csv
from pathlib import Path

import numpy as np
import orjson
import pytest

from tests.unit.cli.conftest import Cli

N = 900


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Row 700 is far out; the first column is a running number."""
    rng = np.random.default_rng(1)
    x, truth = rng.normal(size=(N, 2)), np.zeros(N)
    x[700], truth[700] = 25.0, 1.0
    path = tmp_path / "t.csv"
    with path.open("w") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "a", "b", "truth"])
        rows.writerows([i, *row, t] for i, (row, t) in enumerate(zip(x.tolist(), truth.tolist(), strict=True)))
    return path


def test_identifiers_are_left_out_and_said(cli: Cli, file: Path) -> None:
    """In one line; --features keeps them."""
    told = cli("score", str(file), "--label", "truth").out
    assert told.startswith("left out: id (a running number); --features chooses otherwise")
    assert "left out" not in cli("score", str(file), "-f", "id,a,b").out
    assert cli("evaluate", str(file), "--label", "truth").out.startswith("left out: id")


def test_rows_keep_their_number(cli: Cli, file: Path, tmp_path: Path) -> None:
    """That in the file, from 0, however they were shuffled; in the written scores as well."""
    out = tmp_path / "scores.csv"
    args = ("score", str(file), "--label", "truth", "--shuffle", "5", "--json", "-o", str(out))
    found = orjson.loads(cli(*args).out)
    assert found["oddest"][0]["row"] == 700
    assert found["left_out"] == {"id": "a running number"}
    assert 0 < found["judged"] < N
    with out.open() as lines:
        scores = {int(row["row"]): row["tail_probability"] for row in csv.DictReader(lines)}
    assert sorted(scores) == list(range(N))
    assert float(scores[700]) == min(float(p) for p in scores.values() if p)


def test_too_few_rows_are_told(cli: Cli, file: Path, tmp_path: Path) -> None:
    """None judged, or fewer than half."""
    lines = file.read_text().splitlines(keepends=True)
    few = tmp_path / "few.csv"
    few.write_text("".join(lines[:101]))
    assert "100 rows are too few: none was judged" in cli("score", str(few), "--label", "truth").out.replace("\n", " ")
    few.write_text("".join(lines[:801]))
    told = cli("score", str(few), "--label", "truth").out
    assert "of 800 rows were judged" in told
