"""Labels of some accounts, told late: what is said of the others, through the example's configuration.  Made data."""

import csv
import gzip
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from detectors.quality import rank_quality
from examples import evaluate_posts
from examples.evaluate_posts import (
    BATCH,
    BEGAN_S,
    HOUR_S,
    JUDGED_S,
    LENGTH_S,
    Posts,
    Said,
    across,
    linear,
    read_posts,
    run,
    told,
    within,
)

ACCOUNTS = 120


def write(stem: Path, seed: int) -> None:
    """Two days of posts: every fourth account is a bot, whose texts are of much the same length; some posts are far
    outside the days.
    """
    rng = random.Random(seed)
    bots = {f"{stem.name}{i}": i % 4 == 0 for i in range(ACCOUNTS)}
    with gzip.open(f"{stem}_posts.csv.gz", "wt", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(["user", "ts", "text_len", "n_urls", "n_mentions", "n_hashtags", "text_hash", "is_bot"])
        for user, bot in bots.items():
            for _ in range(rng.randrange(12, 30)):
                length = rng.gauss(110, 15) if bot else rng.uniform(20, 200)
                at = BEGAN_S + rng.randrange(LENGTH_S)
                counts = [rng.randrange(2) for _ in range(3)]
                lines.writerow([user, at, int(length), *counts, rng.getrandbits(48), str(bot).lower()])
        lines.writerow(["elsewhen", BEGAN_S + 9 * LENGTH_S, 5, 0, 0, 0, 7, "true"])
    with Path(f"{stem}_users.csv").open("w", newline="") as out:
        csv.writer(out).writerows([["user", "is_bot"], *([u, str(b).lower()] for u, b in bots.items())])


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Posts:
    stem = tmp_path_factory.mktemp("posts") / "one"
    write(stem, 1)
    return read_posts(str(stem))


def test_read(posts: Posts) -> None:
    """Only the two days, only accounts that post in them, and no label in any line."""
    assert len(posts.bot) == ACCOUNTS
    assert sum(posts.bot.values()) == ACCOUNTS // 4
    times = [line["ts"] for line in posts.lines]
    assert times == sorted(times)
    assert BEGAN_S <= times[0] < times[-1] < BEGAN_S + LENGTH_S
    assert not any("is_bot" in line for line in posts.lines)


def test_told(posts: Posts) -> None:
    """A line for each account that was asked for, within its time, in order."""
    lines = told(posts.bot, ["one4", "one5"], 100, 200, np.random.default_rng(1))
    assert {line["subject"]: line["label"] for line in lines} == {"one4": 1, "one5": 0}
    assert 100_000 <= lines[0]["at"] <= lines[1]["at"] < 200_000


def split(posts: Posts, seed: int = 3) -> tuple[list[str], list[str]]:
    """Accounts whose label is told, and the others."""
    accounts = np.random.default_rng(seed).permutation(sorted(posts.bot)).tolist()
    return accounts[:40], accounts[40:]


def judged(posts: Posts, bot: dict[str, bool]) -> tuple[Said, list[dict[str, object]]]:
    """What is said when labels of some accounts come by this truth, and those labels."""
    known, _ = split(posts)
    labels = told(bot, known, BEGAN_S + 30 * HOUR_S, BEGAN_S + 36 * HOUR_S, np.random.default_rng(4))
    return run(posts.lines, labels), labels


def test_late_labels_tell_the_others_apart(posts: Posts) -> None:
    """Nothing is said before labels come; after that accounts that were never labelled are told apart, which
    detectors that use no labels cannot do.
    """
    said, _ = judged(posts, posts.bot)
    _, others = split(posts)
    before = [score["judge"] for _, end_s, _, score in said.rows if end_s <= BEGAN_S + 30 * HOUR_S]
    assert len(before) > 500
    assert np.isnan(before).all()
    mean, truth = said.mean(others, BEGAN_S + LENGTH_S - JUDGED_S), np.array([float(posts.bot[u]) for u in others])
    area = {name: rank_quality(score, truth).roc_auc or 0.0 for name, score in mean.items()}
    assert area["judge"] > 0.9
    assert max(area["extremes"], area["population"]) < 0.8


def test_withheld_labels_are_never_looked_at(posts: Posts) -> None:
    """With another truth of the accounts that are judged everything that is said is the same, to the bit; with another
    truth of a labelled one it is not.
    """
    said, labels = judged(posts, posts.bot)
    known, others = split(posts)
    assert {line["subject"] for line in labels} == set(known)
    shuffled = np.random.default_rng(5).permutation([posts.bot[u] for u in others]).tolist()
    other_truth = posts.bot | dict(zip(others, shuffled, strict=True))
    assert other_truth != posts.bot
    again, _ = judged(posts, other_truth)
    assert repr(again.rows) == repr(said.rows)
    turned, _ = judged(posts, posts.bot | {known[0]: not posts.bot[known[0]]})
    assert repr(turned.rows) != repr(said.rows)


def test_another_language(posts: Posts, tmp_path: Path) -> None:
    """Labels of one stream's accounts judge those of a later one, of which none was labelled."""
    write(tmp_path / "two", 2)
    then = read_posts(str(tmp_path / "two"))
    found = across(posts, then, 60, seed=1)
    assert found["judge"].rows == ACCOUNTS
    assert (found["judge"].roc_auc or 0) > 0.9


def test_mean() -> None:
    """Over the windows that end late enough, of these accounts alone."""
    x = np.zeros(1)
    rows = [("a", 5, x, {"d": 9.0}), ("a", 7, x, {"d": 1.0}), ("b", 7, x, {"d": 5.0}), ("a", 8, x, {"d": 2.0})]
    assert Said(rows).mean(["a"], 5)["d"].tolist() == [1.5]
    assert np.isnan(Said([*rows, ("b", 9, x, {"d": np.nan})]).mean(["a", "b"], 5)["d"]).tolist() == [False, True]


def test_linear() -> None:
    """The baseline finds the direction that labels lie in, through missing values."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(300, 4)) * [1, 10, 100, 0]
    y = (x[:, 1] > 0).astype(np.float64)
    x[::5, 2] = np.nan
    assert (rank_quality(linear(x[:200], y[:200], x[200:]), y[200:]).roc_auc or 0) > 0.95


def test_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A table for each language on its own, and from each to the other with some and with all labels; who has nothing
    to say is said.
    """
    for name, seed in (("one", 1), ("two", 2)):
        write(tmp_path / name, seed)
    argv = ["evaluate_posts", str(tmp_path / "one"), str(tmp_path / "two"), "--labels", "5", "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", argv)
    evaluate_posts.main()
    out = capsys.readouterr().out
    assert out.count(BATCH) == 6
    assert "two, 120 of the 120 accounts of one labelled; 120 accounts judged, 30 of them bots" in out
    assert "judge                ROC-AUC -   nothing yet in 1 of 1" in out
    assert within(read_posts(str(tmp_path / "one")), 5, 0)["judge"].roc_auc is None
