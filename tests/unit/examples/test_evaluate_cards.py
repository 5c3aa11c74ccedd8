"""examples/evaluate_cards.py on transactions that somebody made up."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from examples import evaluate_cards as cards
from examples.evaluate_cards import DAY_S, JUDGED, Transactions

FIRST = JUDGED[0]


def transactions(*rows: tuple[float, int, int]) -> Transactions:
    """Of (day after the first judged one, customer, scenario), at terminal 5."""
    days, customers, scenarios = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    at_s = ((FIRST + days) * DAY_S).astype(np.int64)
    return Transactions(np.arange(n), at_s, customers, np.full(n, 5), np.full(n, 9.5), scenarios)


def test_lines_of_transactions_and_of_labels() -> None:
    """A label says what it is about, to the second seven days later, if there are transactions then."""
    tx = transactions((0.0, 1, 0), (0.5, 2, 3), (7.1, 3, 1))
    assert [orjson.loads(line)["TX_DATETIME"] for line in cards.events(tx)][:2] == [
        "2018-06-10T00:00:00Z",
        "2018-06-10T12:00:00Z",
    ]
    (label,) = map(orjson.loads, cards.labels(tx))
    assert label == {
        "subject": 0, "label": 0, "at": (FIRST + 7) * DAY_S * 1000, "CUSTOMER_ID": 1, "TERMINAL_ID": 5,
        "TX_AMOUNT": 9.5,
    }  # fmt: skip
    assert not any("FRAUD" in line.decode() or "label" in line.decode() for line in cards.events(tx))


def test_the_lines_are_what_the_configuration_reads(tmp_path: Path) -> None:
    """Under the names that it gives its sources; its sources are found there."""
    tx = transactions((0.0, 1, 0), (0.5, 2, 3), (7.1, 3, 1))
    cards.write_lines(tx, tmp_path)
    sources = cards.config(trees=False).sources.values()
    names = {name for source in sources for name in source.paths}
    assert {path.name: len(gzip.decompress(path.read_bytes()).splitlines()) for path in tmp_path.iterdir()} == dict(
        zip(sorted(names, reverse=True), (3, 1), strict=True)
    )


def test_the_filter() -> None:
    """Out are cards with a fraud in the training week, and those whose fraud became known a week and a day later."""
    tx = transactions(
        (-10, 1, 1), (-7.5, 2, 1), (-6.9, 3, 1), (-15, 4, 1), (0, 1, 0), (0, 2, 0), (0, 3, 0), (0, 4, 0), (1, 3, 0),
        (2, 3, 0), (3, 9, 0),
    )  # fmt: skip
    left = cards.unknown_cards(tx, JUDGED)
    assert left.tolist() == [False] * 4 + [False, False, True, True, False, False, True]


def test_card_precision_leaves_out_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cards a day: the one that was found on the first day gives its place to the next."""
    monkeypatch.setattr(cards, "CARDS", 2)
    tx = transactions((0, 1, 2), (0, 2, 0), (0, 3, 0), (1, 1, 2), (1, 2, 0), (1, 3, 2))
    score = np.array([3.0, 2.0, 1.0, 3.0, 2.0, 1.0])
    assert cards.card_precision(tx, score) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert cards.card_precision(tx, -score) == pytest.approx((0 / 2 + 1 / 2) / 2)


def test_measures_and_aims(capsys: pytest.CaptureFixture[str]) -> None:
    """By scenario against the genuine; what is below an aim is named."""
    tx = transactions(*((d, 10 * d + c, 2 if c == 0 else 1 if c == 1 else 0) for d in range(8) for c in range(5)))
    score = (tx.scenario == 2) * 1.0
    found = cards.measures(tx, score)
    assert (found["scenario 2"], found["scenario 1"]) == (1.0, 0.5)
    assert np.isnan(found["scenario 3"])
    whole, known = np.ones(len(tx), np.bool_), cards.known_there(tx)
    short = cards.report(tx, whole, known, {"good": tx.fraud * 1.0, "bad": -score}, ("good", "bad"))
    assert [line for line in short if line.startswith("good") and "card precision" not in line] == []
    assert any(line.startswith("bad, with the filter: AUC-ROC") for line in short)
    assert "one is known there 1 1.0000, none is 7 1.0000" in capsys.readouterr().out


def test_frauds_that_are_known_at_a_terminal() -> None:
    """Of scenario 2 alone, a week old and no older than four."""
    tx = transactions((-30, 1, 2), (-8, 1, 0), (-1.5, 1, 2), (0, 1, 2), (5.5, 1, 2), (6, 1, 1), (7, 1, 2), (35, 1, 2))
    assert cards.known_there(tx).tolist() == [False, False, False, False, True, False, True, True]


def test_the_flow_judges_each_transaction() -> None:
    """Two weeks in which everything at one terminal is fraud: once that is known, the next ones there stand out."""
    rng = np.random.default_rng(3)
    n = 3000
    at_s = np.sort(rng.integers(FIRST * DAY_S, (FIRST + 30) * DAY_S, n))
    terminal = rng.integers(0, 30, n)
    tx = Transactions(
        np.arange(n), at_s, rng.integers(0, 100, n), terminal, np.round(rng.lognormal(3, 1, n), 2),
        np.where(terminal == 7, 2, 0),
    )  # fmt: skip
    found = cards.scored(tx, trees=False).of("judge", tx.number)
    late = tx.day >= FIRST + 12
    assert np.isfinite(found[late]).all()
    assert cards.measures(tx.take(late), found[late])["scenario 2"] > 0.98
    other = cards.scored(replace(tx, scenario=np.where(tx.day >= FIRST + 20, 0, tx.scenario)), trees=False)
    until = tx.day < FIRST + 27  # what becomes known on day 27 and later changes nothing of before
    assert other.of("judge", tx.number)[until].tolist() == found[until].tolist()


def test_what_was_written_beside(tmp_path: Path) -> None:
    """Scores in the order of these transactions."""
    np.savez(tmp_path / "s.npz", tx_id=np.array([4, 2, 9]), **{"random forest": np.array([0.4, 0.2, 0.9])})
    assert cards.beside(tmp_path / "s.npz", np.array([2, 9]))["batch, random forest"].tolist() == [0.2, 0.9]
