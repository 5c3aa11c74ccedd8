"""The evaluation scripts of examples/ compute what they say."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples import evaluate_anomalies, evaluate_card_scores, evaluate_listening, random_cards
from examples.evaluate_card_scores import Transactions, WindowScores, auc, card_precision, of_all, of_smallest
from examples.evaluate_nab import Series, alarms, benchmark, halves, scored
from flows.cli.main import main as driftnet

ROOT = Path(__file__).parents[3]

HOUR = 3_600_000


def transactions(*rows: tuple[float, str, float, int]) -> Transactions:
    """Transactions of (hour, customer, amount, scenario)."""
    hours, customers, amounts, scenarios = zip(*rows, strict=True)
    times = (np.array(hours) * HOUR).astype(np.int64)
    return Transactions(times, list(customers), np.array(amounts), np.array(scenarios))


def window(*rows: tuple[str, int, int, float]) -> WindowScores:
    """Window rows of (customer, first hour, end hour, evidence)."""
    subjects, starts, ends, evidence = zip(*rows, strict=True)
    return WindowScores(list(subjects), np.array(starts) * HOUR, np.array(ends) * HOUR, np.array(evidence))


def test_auc() -> None:
    """AUC is the share of (fraud, genuine) pairs in the right order, ties counting half."""
    assert auc(np.array([1.0, 2.0, 3.0]), np.array([False, False, True])) == 1.0
    assert auc(np.array([2.0, 1.0, 3.0, 2.0]), np.array([True, False, False, False])) == pytest.approx(1.5 / 3)
    assert np.isnan(auc(np.array([1.0]), np.array([True])))


def test_card_precision() -> None:
    """A card counts once a day, with its highest score, and is bad if any of its transactions is."""
    score, bad = np.array([9.0, 1.0, 8.0, 7.0, 7.5]), np.array([False, True, False, True, False])
    assert card_precision(score, bad, np.array(["a", "a", "b", "c", "b"]), 2) == 0.5
    assert card_precision(score, bad, np.array(["a", "a", "b", "c", "b"]), 4) == 0.5


def test_score_of_a_transaction() -> None:
    """A transaction takes the smallest window that closes after it; what no small window holds takes the next larger.

    hour      0    1    2    3    4
    hourly         [--- 5 --)              a
    daily     [-------------- 2 ... )      a
    a's         x    x    x
    """
    tx = transactions((0.5, "a", 1, 0), (1.5, "a", 1, 0), (2.5, "a", 1, 0), (1.5, "b", 1, 0))
    windows = {"day": window(("a", 0, 24, 2.0)), "hour": window(("a", 1, 2, 5.0))}
    assert of_smallest(tx, windows).tolist() == [2.0, 5.0, 2.0, 0.0]
    assert of_all(tx, windows).tolist() == [2.0, 5.0, 2.0, 0.0]
    windows["week"] = window(("a", 0, 168, 7.0), ("b", 0, 168, 1.0))
    assert of_smallest(tx, windows).tolist() == [2.0, 5.0, 2.0, 1.0]
    assert of_all(tx, windows).tolist() == [7.0, 7.0, 7.0, 1.0]


def test_cards_script(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The script reads events, scores and alerts and reports both baselines, both scores and the alerts."""
    events: list[dict[str, Any]] = [
        {"TX_DATETIME": f"2018-04-0{d}T0{h}:00:00Z", "CUSTOMER_ID": c, "TX_AMOUNT": a, "TX_FRAUD_SCENARIO": s}
        for d, h, c, a, s in [(1, 1, 1, 5.0, 0), (1, 2, 2, 9.0, 0), (2, 1, 1, 400.0, 1), (2, 5, 2, 7.0, 0)]
    ]
    scores: list[dict[str, Any]] = [
        {
            "subject": str(e["CUSTOMER_ID"]),
            "window": "w1d",
            "start": e["TX_DATETIME"][:10] + "T00:00:00.000000Z",
            "end": f"2018-04-0{int(e['TX_DATETIME'][9]) + 1}T00:00:00.000000Z",
            "tail_probability": None if e["TX_AMOUNT"] == 5.0 else 1 / e["TX_AMOUNT"],
            "tails": {},
        }
        for e in events
    ]
    alert = {"subject": "1", "start": "2018-04-02T00:00:00.000000Z", "stop": "2018-04-03T00:00:00.000000Z"}
    files: dict[str, list[dict[str, Any]]] = {
        "events": events,
        "scores": scores,
        "alerts": [alert, alert | {"subject": "2"}],
    }
    for name, records in files.items():
        (tmp_path / name).write_text("".join(json.dumps(r) + "\n" for r in records))
    argv = ["evaluate", *(str(tmp_path / n) for n in files), "--skip-days", "0", "--every", "1", "--budget", "1"]
    monkeypatch.setattr(sys, "argv", argv)
    evaluate_card_scores.main()
    out = capsys.readouterr().out
    total = next(line for line in out.splitlines() if line.startswith("from 0"))
    assert total.split()[2:] == [
        "4",
        "1",
        "0.5",
        "1.000",
        "0.500",
        "1.000",
        "1.000",
        "0.500",
        "0.500",
        "0.500",
        "0.500",
        "0.500",
    ]
    assert "1:      1 frauds   amount 1.000  count 0.500  smallest 1.000  all windows 1.000" in out
    assert "2 alerts: 1 on windows with a fraud, 1 of 1 defrauded cards" in out


def test_listening_script(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The script counts days with a play and the alerts that a person would be called for."""
    events = [{"user": "a", "ts": 0}, {"user": "a", "ts": 5}, {"user": "a", "ts": 24 * HOUR}, {"user": "b", "ts": 0}]
    alerts = [
        {"subject": "a", "severity": "high", "window": "w1h", "reasons": [{"feature": "plays"}]},
        {"subject": "a", "severity": "low", "window": "w1h", "reasons": []},
    ]
    (tmp_path / "events").write_text("".join(json.dumps(r) + "\n" for r in events))
    (tmp_path / "alerts").write_text("".join(json.dumps(r) + "\n" for r in alerts))
    monkeypatch.setattr(sys, "argv", ["evaluate", str(tmp_path / "events"), str(tmp_path / "alerts")])
    evaluate_listening.main()
    out = capsys.readouterr().out
    assert "2 users, 3 user-days, 2 alerts" in out
    assert "high or critical: 1, 1 in 3 user-days" in out
    assert "1  plays (w1h)" in out


def nab_series(n: int, *windows: tuple[int, int]) -> Series:
    return Series("s", np.arange(n, dtype=np.int64), np.zeros(n), windows)


def test_nab_rules() -> None:
    """Nothing said is 0; each window's first row, and nothing else, is 100; a late detection is worth less; a false
    alarm far from any window costs its whole weight.
    """
    series = [nab_series(1000, (500, 599), (800, 849))]
    silent, perfect = np.zeros(1000), np.zeros(1000)
    perfect[[500, 800]] = 1.0
    assert benchmark(series, [silent])["standard"] == pytest.approx(0.0)
    assert list(benchmark(series, [perfect]).values()) == pytest.approx([100.0, 100.0, 100.0])
    late = np.zeros(1000)
    late[[580, 800]] = 1.0
    assert 75 < benchmark(series, [late])["standard"] < 95
    false = perfect.copy()
    false[300] = 1.0
    assert benchmark(series, [false])["standard"] == pytest.approx(100 - 100 * 0.11 / 4)
    assert benchmark(series, [false])["reward low FP"] == pytest.approx(100 - 100 * 0.22 / 4)
    probation = perfect.copy()
    probation[:150] = 1.0
    assert benchmark(series, [probation])["standard"] == pytest.approx(100.0)


def test_alarms_hold_their_peace_for_a_while() -> None:
    """A row alarms when none of the rows before it, within the hold, did."""
    tail = np.array([0.5, 0.01, 0.001, 0.5, 0.01, np.nan])
    found = alarms(tail, line=0.05, hold=2)
    assert found[[1, 4]] == pytest.approx(-np.log([0.01, 0.01]))
    assert max(found[[0, 2, 3, 5]]) <= 0.1 * -np.log(0.05)


def test_a_series_is_scored_row_by_row() -> None:
    """A step in a noisy series alarms near where it is."""
    rng = np.random.default_rng(3)
    value = rng.normal(size=900) + 6.0 * (np.arange(900) >= 700)
    series = Series("s", np.arange(900, dtype=np.int64) * 300_000_000, value, ((690, 710),))
    found = np.flatnonzero(scored(series, 0.0105, 225) > 5.0)
    assert any(700 <= row <= 712 for row in found)


def test_tables_beside_river(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line per file, with all detectors' figures, and a verdict."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(1500, 4)), np.zeros(1500)
    x[::50] += 5.0
    y[::50] = 1.0
    np.savez(tmp_path / "1_made.npz", X=x, y=y)
    monkeypatch.setattr(sys, "argv", ["evaluate_anomalies", str(tmp_path)])
    evaluate_anomalies.main()
    out = capsys.readouterr().out
    assert "1_made" in out
    assert out.count(" / ") >= 4
    assert "Together better than River on" in out


def test_nab_halves_are_fixed_by_names_and_balanced_by_folders() -> None:
    """Each series is in one of them, whatever order they come in; folders are split evenly."""
    series = [Series(f"{folder}/{i}.csv", np.arange(3), np.zeros(3), ()) for folder in "ab" for i in range(5)]
    first, second = halves(series)
    assert sorted(first + second) == list(range(10))
    for folder in "ab":
        assert sum(series[i].name.startswith(folder) for i in first) == 3
    turned = series[::-1]
    assert {turned[i].name for i in halves(turned)[0]} == {series[i].name for i in first}


def test_random_cards_are_not_accused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without fraud hardly any card is alerted: 6.7 % of the card-days were, before calibration counted everybody."""
    monkeypatch.chdir(tmp_path)
    draw = ["random_cards", "draw", "cards.jsonl", "--customers", "500", "--days", "8", "--seed", "3"]
    monkeypatch.setattr(sys, "argv", draw)
    random_cards.main()
    with pytest.raises(SystemExit) as ended:
        driftnet(["replay", "cards.jsonl", "-c", str(ROOT / "examples" / "card_transactions.toml"), "--no-print"])
    assert not ended.value.code
    capsys.readouterr()
    judge = ["random_cards", "judge", "card_scores.jsonl", "card_alerts.jsonl"]
    monkeypatch.setattr(sys, "argv", judge)
    random_cards.main()
    alerts, shares = capsys.readouterr().out.splitlines()
    accused, days = int(alerts.split()[0]), int(alerts.split()[3].replace(",", ""))
    assert days > 2_500
    assert accused <= 5
    assert 0.002 < float(shares.split(", ")[1].split("%")[0]) / 100 < 0.03
