"""How well do scores without labels find card fraud?  Day by day, beside two baselines that look at volume alone.

    python examples/evaluate_card_scores.py cards.jsonl.gz card_scores.jsonl card_alerts.jsonl

A score belongs to a window of a customer, a fraud is one transaction: a transaction gets the score of the smallest
window that closes after it for its customer; "all windows" takes the strongest of the first row of each window kind.
Scores are prequential (each row was scored before anything was learned from it), so every day is a test day.

AUC-ROC is over transactions. Card precision is the share of fraudulent cards among the k cards with the highest
scores of a day; cards found on an earlier day are not taken out, so it is below the handbook's figure, which does.
"""
# ruff: noqa: T201

import argparse
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from detectors.quality import rank_quality

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Transactions:
    """Columns of n transactions.  customer: as text.  scenario: 0 is genuine."""

    time_ms: I64
    customer: list[str]
    amount: F64
    scenario: I64

    @property
    def fraud(self) -> Bool:
        """(n,) the label."""
        return self.scenario > 0

    @property
    def day(self) -> I64:
        """(n,) days since the first transaction's."""
        day: I64 = self.time_ms // DAY_MS
        first: int = day.min()
        return day - first


@dataclass(frozen=True)
class WindowScores:
    """Rows of one kind of window.  evidence: -log10 of the tail probability, 0 for "not yet"."""

    subject: list[str]
    start_ms: I64
    end_ms: I64
    evidence: F64


def auc(score: F64, positive: Bool) -> float:
    """Area under the ROC curve; nan without transactions of both kinds."""
    area = rank_quality(score, positive.astype(np.float64)).roc_auc
    return float("nan") if area is None else area


def card_precision(score: F64, positive: Bool, card: NDArray[Any], k: int) -> float:
    """Share of cards with a positive among the k cards whose highest score is highest.  One day's transactions."""
    cards, at = np.unique(card, return_inverse=True)
    best = np.full(len(cards), -np.inf)
    np.maximum.at(best, at, score)
    bad = np.zeros(len(cards), np.bool_)
    bad[at[positive]] = True
    return float(bad[np.argsort(-best, kind="stable")[:k]].sum() / k)


def evidence(tx: Transactions, scores: WindowScores) -> F64:
    """(n,) evidence of the first row of each transaction's customer that closes after it; nan where there is none."""
    codes = {name: code for code, name in enumerate(dict.fromkeys((*scores.subject, *tx.customer)))}
    base_ms = int(min(tx.time_ms.min(), scores.start_ms.min()))

    def key(subject: list[str], time_ms: I64) -> I64:
        return (np.array([codes[s] for s in subject], np.int64) << 42) + (time_ms - base_ms)

    ends = key(scores.subject, scores.end_ms)
    order = np.argsort(ends, kind="stable")
    at = np.minimum(np.searchsorted(ends[order], key(tx.customer, tx.time_ms), side="right"), len(order) - 1)
    row = order[at]
    same = np.array([scores.subject[r] for r in row.tolist()], object) == np.array(tx.customer, object)
    inside = same & (scores.start_ms[row] <= tx.time_ms) & (tx.time_ms < scores.end_ms[row])
    return np.where(inside, scores.evidence[row], np.nan)


def of_smallest(tx: Transactions, windows: dict[str, WindowScores]) -> F64:
    """(n,) evidence of the smallest window that holds the transaction; 0 where no window does."""
    found = np.full(len(tx.customer), np.nan)
    for scores in sorted(windows.values(), key=lambda w: float(np.median(w.end_ms - w.start_ms))):
        found = np.where(np.isnan(found), evidence(tx, scores), found)
    known: F64 = np.nan_to_num(found)
    return known


def of_all(tx: Transactions, windows: dict[str, WindowScores]) -> F64:
    """(n,) the strongest evidence of the first row of each kind of window."""
    strongest: F64 = np.fmax.reduce([evidence(tx, scores) for scores in windows.values()])
    return np.nan_to_num(strongest)


def daily_count(tx: Transactions) -> F64:
    """(n,) how many transactions the customer makes on that day."""
    _, at, count = np.unique(
        np.array([f"{c}/{d}" for c, d in zip(tx.customer, tx.day.tolist(), strict=True)]),
        return_inverse=True,
        return_counts=True,
    )
    return count[at].astype(np.float64)


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file, .gz or not."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        yield from map(orjson.loads, lines)


def read_transactions(path: Path) -> Transactions:
    """The lines of `driftnet convert cards`, labels included."""
    rows = [(r["TX_DATETIME"], str(r["CUSTOMER_ID"]), r["TX_AMOUNT"], r["TX_FRAUD_SCENARIO"]) for r in records(path)]
    times, customers, amounts, scenarios = zip(*rows, strict=True)
    return Transactions(_ms(list(times)), list(customers), np.array(amounts, np.float64), np.array(scenarios, np.int64))


def read_scores(path: Path, detector: str | None = None) -> dict[str, WindowScores]:
    """Window -> its rows of the stream `scores`.  detector: its verdict alone, instead of all together."""
    columns: dict[str, tuple[list[str], list[str], list[str], list[float]]] = {}
    for r in records(path):
        tail = r["tails"].get(detector) if detector else r["tail_probability"]
        subject, start, end, tails = columns.setdefault(r["window"], ([], [], [], []))
        subject.append(r["subject"])
        start.append(r["start"])
        end.append(r["end"])
        tails.append(1.0 if tail is None else tail)
    return {
        window: WindowScores(subject, _ms(start), _ms(end), -np.log10(np.maximum(tails, 1e-300)))
        for window, (subject, start, end, tails) in columns.items()
    }


def _ms(texts: list[str]) -> I64:
    return np.array([t.rstrip("Z") for t in texts], "datetime64[ms]").astype(np.int64)


def alert_precision(tx: Transactions, path: Path) -> tuple[int, int, int]:
    """Alerts, those with a fraud of the customer between the window's start and stop, and distinct customers caught."""
    frauds: dict[str, list[int]] = {}
    for time_ms, customer, bad in zip(tx.time_ms.tolist(), tx.customer, tx.fraud.tolist(), strict=True):
        if bad:
            frauds.setdefault(customer, []).append(time_ms)
    alerts = list(records(path))
    bounds = _ms([a["start"] for a in alerts]), _ms([a["stop"] for a in alerts])
    hits = [
        a["subject"]
        for a, start_ms, stop_ms in zip(alerts, *map(I64.tolist, bounds), strict=True)
        if any(start_ms <= t <= stop_ms for t in frauds.get(a["subject"], ()))
    ]
    return len(alerts), len(hits), len(set(hits))


def report(tx: Transactions, scores: dict[str, F64], budget: int, skip_days: int, every: int) -> None:
    """Prints one line per `every` days, then everything after the first `skip_days`."""
    card = np.array(tx.customer)
    width = max(map(len, (*scores, "best possible"))) + 2
    print(f"\n{'':12}{'trans-':>9}{'':>8}{'cards':>8}   {'AUC-ROC':<{width * len(scores)}}card precision at {budget}")
    heads = "".join(f"{name:>{width}}" for name in scores)
    print(f"{'days':12}{'actions':>9}{'frauds':>8}{'a day':>8}{heads}{heads}{'best possible':>{width}}")
    days = np.arange(int(tx.day.max()) + 1)
    spans = [(f"{a}-{min(a + every, len(days)) - 1}", days[a : a + every]) for a in range(0, len(days), every)]
    for name, span in [*spans, (f"from {skip_days}", days[skip_days:])]:
        inside = (tx.day >= span[0]) & (tx.day <= span[-1])
        daily = [tx.day == d for d in span]
        bad = float(np.mean([len(set(card[today & tx.fraud])) for today in daily]))
        aucs = [auc(s[inside], tx.fraud[inside]) for s in scores.values()]
        tops = [np.mean([card_precision(s[d], tx.fraud[d], card[d], budget) for d in daily]) for s in scores.values()]
        best = np.mean([min(len(set(card[d & tx.fraud])) / budget, 1.0) for d in daily])
        cells = "".join(f"{v:>{width}.3f}" for v in (*aucs, *tops, best))
        print(f"{name:12}{inside.sum():>9,}{(tx.fraud & inside).sum():>8,}{bad:>8.1f}{cells}")


def report_scenarios(tx: Transactions, scores: dict[str, F64], skip_days: int) -> None:
    """Prints the AUC-ROC of each scenario's frauds against all genuine transactions."""
    print(f"\nAUC-ROC by scenario, from day {skip_days}")
    for scenario in sorted(set(tx.scenario.tolist()) - {0}):
        some = (tx.day >= skip_days) & ((tx.scenario == 0) | (tx.scenario == scenario))
        cells = "".join(f"  {name} {auc(s[some], tx.fraud[some]):.3f}" for name, s in scores.items())
        print(f"  {scenario}: {(tx.scenario[some] == scenario).sum():>6,} frauds {cells}")


def main() -> None:
    """Reads the files that the command line names and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", type=Path, help="lines of `driftnet convert cards`, with labels")
    parser.add_argument("scores", type=Path, help="the stream `scores` of the replay")
    parser.add_argument("alerts", type=Path, nargs="?", help="the stream `alerts` of the replay")
    parser.add_argument("--budget", type=int, default=100, help="cards that can be looked at on a day")
    parser.add_argument("--skip-days", type=int, default=7, help="days that the totals leave out: the models' first")
    parser.add_argument("--every", type=int, default=7, help="days per line")
    parser.add_argument("--detector", help="the score of one detector instead of all together")
    given = parser.parse_args()
    tx = read_transactions(given.events)
    windows = read_scores(given.scores, given.detector)
    scores = {
        "amount": tx.amount,
        "count": daily_count(tx),
        "smallest": of_smallest(tx, windows),
        "all windows": of_all(tx, windows),
    }
    report(tx, scores, given.budget, given.skip_days, given.every)
    report_scenarios(tx, scores, given.skip_days)
    if given.alerts:
        alerts, hits, cards = alert_precision(tx, given.alerts)
        caught = len({c for c, bad in zip(tx.customer, tx.fraud.tolist(), strict=True) if bad})
        print(f"\n{alerts:,} alerts: {hits:,} on windows with a fraud, {cards:,} of {caught:,} defrauded cards")


if __name__ == "__main__":
    main()
