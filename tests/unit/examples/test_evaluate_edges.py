"""examples/evaluate_edges.py on a stream that somebody made up: a scan among quiet hosts."""

import random
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from examples import evaluate_edges as edges


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of six hosts that talk to two others each; then one of them reaches all in every minute of an hour."""
    rng = random.Random(3)
    lines = []
    for minute in range(0, 2880, 5):
        moment = f"06/{30 + minute // 1440:02d}/1998-{minute % 1440 // 60:02d}:{minute % 60:02d}"
        lines += [f"h{h},h{rng.choice([(h + 1) % 6, (h + 2) % 6])},{moment},-" for h in range(6)]
    for minute in range(60):
        lines += [f"h0,v{v},07/02/1998-05:{minute:02d},scan" for v in range(25)]
        lines.append(f"h1,v1,07/02/1998-05:{minute:02d},-")
    file = tmp_path_factory.mktemp("edges") / "edges.csv.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("edges.csv", "\n".join(lines) + "\n")
    return file


def test_days_run_on_past_the_end_of_the_month() -> None:
    """The 31st of June is the first of July."""
    assert edges.minute_of("06/31/1998-00:10") == edges.minute_of("07/01/1998-00:10")
    assert edges.minute_of("07/01/1998-00:10") - edges.minute_of("06/30/1998-23:50") == 20


def test_rows_are_destinations_in_minutes(archive: Path) -> None:
    """Positive where any edge is."""
    found = edges.read(archive)
    rows = edges.rows_of(found)
    assert len(found) == 6 * 576 + 60 * 26
    assert int(rows.attack.sum()) == 60 * 25
    assert len(rows.minute) == len(
        {(d, m) for d, m in zip(found.destination.tolist(), found.minute.tolist(), strict=True)}
    )


def test_midas_is_what_the_paper_says() -> None:
    """Of one pair: a = 1 in each minute of ten, then three edges in one."""
    minute = np.array([*range(1, 11), 11, 11, 11])
    nothing = np.zeros(13, np.int64)
    one = edges.Edges(minute, nothing, nothing + 1, nothing > 0, ["a", "b"])
    score = edges.midas(one)
    a, s, t = sum(0.5**k for k in range(11)) + 2.0, 13.0, 11
    mean = s / t
    assert score[-1] == pytest.approx((a - mean) ** 2 / mean + (a - mean) ** 2 / (mean * (t - 1)))
    assert score[0] == 0.0


def test_the_scan_is_seen(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From its second minute on, also where its first is no more than a busy one."""
    found = edges.read(archive)
    rows = edges.rows_of(found)
    score, value = edges.scored(found, rows)
    assert (score == np.where(np.isnan(value), np.nan, np.log1p(value)))[~np.isnan(value)].all()
    area, precision = edges.measures(score, rows)["all"]
    assert "accepted + 0 late" in capsys.readouterr().out
    assert area > 0.94
    assert precision > 0.9
    assert edges.measures(np.bincount(rows.of).astype(float), rows)["all"][0] < 0.6


def test_below_the_aims_it_fails(
    archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says by how much."""
    monkeypatch.setattr(sys, "argv", ["evaluate_edges.py", str(archive)])
    monkeypatch.setattr(edges, "AIMS", {"all": (0.9, 1.1)})
    assert edges.main() == 1
    assert "aim 1.10" in capsys.readouterr().out
    monkeypatch.setattr(edges, "AIMS", {"all": (0.9, 0.5)})
    assert edges.main() == 0
