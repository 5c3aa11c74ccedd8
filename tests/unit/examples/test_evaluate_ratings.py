"""examples/evaluate_ratings.py on a market that somebody made up."""

import gzip
import random
import sys
from pathlib import Path

import pytest

from examples import evaluate_ratings as ratings
from examples.evaluate_ratings import Rating

DAY_S = 86_400.0
BEGAN_S = 1_300_000_000.0


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twenty honest accounts and five frauds, whom everybody comes to distrust, and who speak ill of the honest."""
    rng = random.Random(5)
    lines = []
    for day in range(60):
        for _ in range(8):
            source, target = rng.sample(range(1, 26), 2)
            against = (source > 20) != (target > 20)
            lines.append(
                f"{source},{target},{rng.randint(-10, -5) if against else rng.randint(1, 5)},{BEGAN_S + day * DAY_S}"
            )
    place = tmp_path_factory.mktemp("market")
    rng.shuffle(lines)
    (place / "ratings.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (place / "truth.csv").write_text("".join(f"{a},{-1 if a > 20 else 1}\n" for a in range(10, 26)))
    return [place / "ratings.csv.gz", place / "truth.csv"]


def said(*pairs: tuple[str, str]) -> list[Rating]:
    return [Rating(source, target, 1, float(i)) for i, (source, target) in enumerate(pairs)]


def test_which_ratings_are_kept() -> None:
    """Of each line, by its definition."""
    some = said(("a", "x"), ("t", "y"), ("b", "x"), ("t", "x"), ("c", "x"), ("c", "y"))
    trusted = frozenset({"t"})
    assert ratings.everything(some, trusted) == some
    assert [r.source for r in ratings.by_others(some, trusted)] == ["a", "b", "c", "c"]
    assert [r.source for r in ratings.first(1)(some, trusted)] == ["a", "t"]
    assert [r.source for r in ratings.first(3)(some, trusted)] == ["a", "t", "b", "t", "c"]
    assert [(r.source, r.target) for r in ratings.before_trusted(some, trusted)] == [("a", "x"), ("b", "x")]


def test_scores_are_what_the_counters_say() -> None:
    """Means of what was received; how often a rater agrees with what others say."""
    some = [Rating("a", "x", 10, 1.0), Rating("b", "x", -4, DAY_S), Rating("c", "x", 6, 2 * DAY_S)]
    some = [r._replace(time=r.time + BEGAN_S) for r in some]
    assert ratings.scored(some, ratings.MEAN) == {"x": pytest.approx(-4.0)}
    assert ratings.scored(some, ratings.MEMBER) == {"x": pytest.approx(-12 / 6)}
    assert ratings.scored(some, ratings.RATER) == pytest.approx({"a": -1 / 4, "b": 0.0, "c": -1 / 4})


def test_the_script(market: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It tells all lines, and fails where one is below its aim."""
    monkeypatch.setattr(sys, "argv", ["evaluate_ratings.py", *map(str, market)])
    monkeypatch.setattr(ratings, "LINES", [line._replace(aim=None) for line in ratings.LINES])
    assert ratings.main() == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "480 ratings, 16 accounts with a label, 5 of them frauds"
    assert [line.split("AUC-ROC")[0].strip() for line in out[1:]] == [line.name for line in ratings.LINES]
    assert float(out[1].split("AUC-ROC")[1].split()[0]) > 0.95
    monkeypatch.setattr(ratings, "LINES", [ratings.LINES[0]._replace(aim=1.1)])
    assert ratings.main() == 1
    assert "aim 1.100" in capsys.readouterr().out
