"""driftnet score and evaluate: what is left out, what cannot be said, and which row is which."""

import csv
import json
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


def test_scores_of_a_run_beside_the_truth(cli: Cli, tmp_path: Path) -> None:
    """The simulator's truth as it is written, other JSON Lines and CSV by their names; what is neither is refused."""
    score = {"window": "w1h", "scores": {"ecod": 1.0}, "tail_probability": 0.5}
    records = [score | {"subject": f"u{i}", "tail_probability": 0.01 if i == 3 else 0.5} for i in range(6)]
    (tmp_path / "scores.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    who = [{"user_id": f"u{i}", "role": "person", "is_attacker": i == 3, "start_us": 0} for i in range(6)]
    (tmp_path / "truth.jsonl").write_text("".join(json.dumps(w) + "\n" for w in who))
    words = [{"who": w["user_id"], "is": "bot" if w["is_attacker"] else "human"} for w in who]
    (tmp_path / "words.jsonl").write_text("".join(json.dumps(w) + "\n" for w in words))
    (tmp_path / "truth.csv").write_text("user,bad\n" + "".join(f"u{i},{int(i == 3)}\n" for i in range(6)))
    for truth, *names in (
        ("truth.jsonl",),
        ("words.jsonl", "--subject", "who", "--label", "is", "--positive", "bot"),
        ("truth.csv", "--subject", "user", "--label", "bad"),
    ):
        found = json.loads(cli("evaluate", "scores.jsonl", "--truth", truth, *names, "--json").out)
        together = found["detectors"]["all together"]
        assert (together["roc_auc"], together["positives"], together["rows"]) == (1.0, 1, 6)
    wrong = cli("evaluate", "scores.jsonl", "--truth", "truth.csv")
    assert wrong.code == 2
    assert "truth.csv: row 1: KeyError('is_attacker'); expected user_id and is_attacker (--subject" in wrong.err
