"""How well are card frauds found whose predecessors become known a week later?  Beside the Handbook's own recipe.

    python examples/evaluate_cards.py handbook_card_tx_2018-04_06.parquet [--beside handbook_scores.npz]

Transactions and, seven days after each to the second, its label go through the flow that cards_labelled.toml declares;
nothing else is known of labels.  Each score is what was said when the transaction's pane closed, before anything was
learned from it.  With LightGBM installed there is a second judge, the trees of lightgbm_refit/, refitted every week.

What is told is of the last three weeks of June.  Values, settings and models were chosen on scores of the five weeks
from 1 May on, which are told before.
Measures: AUC-ROC and average precision of transactions; card precision, the mean over days of the share of
defrauded cards among the 100 with the highest scores of the day, where cards that were found are left out afterwards.
Scenario 2 is told apart once more: frauds at terminals where one of the four weeks before is known, and where none is.
With the Handbook's filter, cards whose fraud is known are left out beforehand: from each week those that had a fraud in
the week that its recipe is trained on, and from each day those whose fraud of a day by then became known since.

--beside: what handbook_batch/handbook.py wrote.  --lines FOLDER writes the lines, for `driftnet replay`, and no more.
Exits with 1 where a judge is below the aims.

Source: Le Borgne, Siblini, Lebichot & Bontempi 2022, Reproducible Machine Learning for Credit Card Fraud Detection.
"""
# ruff: noqa: T201

import argparse
import gzip
import importlib.util
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

import driftnet
from detectors.quality import rank_quality

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

HERE: Final = Path(__file__).parent
CONFIG: Final = HERE / "cards_labelled.toml"
TREES: Final = HERE / "lightgbm_refit" / "driftnet_lightgbm_refit" / "detector.py"
DAY_S: Final = 86_400
LATE_S: Final = 7 * DAY_S
WEEK: Final = 7
CHOSEN_ON: Final = tuple(int(datetime(2018, 5, day, tzinfo=UTC).timestamp()) // DAY_S for day in (1, 8, 15, 22, 29))
JUDGED: Final = tuple(int(datetime(2018, 6, day, tzinfo=UTC).timestamp()) // DAY_S for day in (10, 17, 24))
"""First days of the weeks, since 1970."""
CARDS: Final = 100
FILTER, ALL = "with the filter", "all rows"
AIMS: Final = {
    FILTER: {"AUC-ROC": 0.887, "AP": 0.696, "card precision": 0.295, "scenario 2": 0.85},
    ALL: {"scenario 2": 0.87},
}
"""The Handbook's random forest in batch, and what terminals should tell."""


@dataclass(frozen=True)
class Transactions:
    """Columns of n transactions in the order of time.  at_s: since 1970.  scenario: 0 is genuine."""

    number: I64
    at_s: I64
    customer: I64
    terminal: I64
    amount: F64
    scenario: I64

    def __len__(self) -> int:
        return len(self.number)

    @property
    def day(self) -> I64:
        """(n,) since 1970."""
        return self.at_s // DAY_S

    @property
    def fraud(self) -> Bool:
        """(n,) the label."""
        return self.scenario > 0

    def take(self, rows: Any) -> "Transactions":
        return Transactions(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def read(path: Path) -> Transactions:
    """The transactions of a parquet file, with short column names."""
    table = pq.read_table(path).sort_by([("ts", "ascending"), ("tx_id", "ascending")])
    names = ("tx_id", "ts", "customer", "terminal")
    columns = [table[name].to_numpy().astype(np.int64) for name in names]
    amount = np.round(table["amount"].to_numpy().astype(np.float64), 2)
    return Transactions(*columns, amount, table["scenario"].to_numpy().astype(np.int64))


def events(tx: Transactions) -> Iterator[bytes]:
    """As lines; without labels."""
    times = np.datetime_as_string(tx.at_s.astype("datetime64[s]")).tolist()
    rows = zip(tx.number.tolist(), times, tx.customer.tolist(), tx.terminal.tolist(), tx.amount.tolist(), strict=True)
    for number, at, customer, terminal, amount in rows:
        yield (
            f'{{"TRANSACTION_ID":{number},"TX_DATETIME":"{at}Z","CUSTOMER_ID":{customer},"TERMINAL_ID":{terminal},'
            f'"TX_AMOUNT":{amount}}}'
        ).encode()


def labels(tx: Transactions) -> Iterator[bytes]:
    """What becomes of each, seven days later, as far as there are transactions then."""
    known = tx.take(tx.at_s + LATE_S <= tx.at_s[-1])
    rows = zip(
        known.number.tolist(), known.fraud.tolist(), known.at_s.tolist(), known.customer.tolist(),
        known.terminal.tolist(), known.amount.tolist(), strict=True,
    )  # fmt: skip
    for number, fraud, at_s, customer, terminal, amount in rows:
        told_ms = (at_s + LATE_S) * 1000
        yield (
            f'{{"subject":{number},"label":{int(fraud)},"at":{told_ms},"CUSTOMER_ID":{customer},'
            f'"TERMINAL_ID":{terminal},"TX_AMOUNT":{amount}}}'
        ).encode()


def write_lines(tx: Transactions, place: Path) -> None:
    """Both files that the configuration names."""
    for name, lines in (("cards.jsonl.gz", events(tx)), ("card_labels.jsonl.gz", labels(tx))):
        with gzip.open(place / name, "wb", compresslevel=1) as out:
            out.writelines(line + b"\n" for line in lines)


class Scores:
    """Takes what each detector says of each transaction."""

    def __init__(self) -> None:
        self.found: dict[str, dict[int, float]] = {}

    def write(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            for detector, score in record["scores"].items():
                if score is not None:
                    self.found.setdefault(detector, {})[int(record["subject"])] = score

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""

    def of(self, detector: str, number: I64) -> F64:
        """(n,) of these transactions; below all others where there is none."""
        found = self.found.get(detector, {})
        return np.array([found.get(n, -np.inf) for n in number.tolist()])


def config(*, trees: bool) -> Any:
    """The configuration, with or without the refitted trees."""
    text = CONFIG.read_text()
    if trees:
        features = text[text.index("features = [", text.index("[detectors.judge]")) : text.index("[alerts]")]
        text += (
            f'\n[detectors.refitted]\ntype = {str(TREES)!r}\nbudget = "20m"\n{features}'
            "[detectors.refitted.params]\nremember = 250_000\nevery_hours = 168.0\nseconds = 900.0\n"
            "leaf_rows = 100\nridge = 20.0\n"
        )
    return driftnet.loads(text, CONFIG.name)


def scored(tx: Transactions, *, trees: bool) -> Scores:
    """The flow over all of it.  Prints what the run was."""
    sink, began = Scores(), time.process_time()
    done = driftnet.replay(events(tx), config(trees=trees), labels=labels(tx), streams=[], sinks={"scores": [sink]})
    told = done.summary.to_json()
    print(
        f"{told['read']:,} transactions = {told['accepted']:,} accepted, {told['labels'].get('read', 0):,} labels;"
        f" {time.process_time() - began:.0f} CPU s"
    )
    return sink


def unknown_cards(tx: Transactions, weeks: tuple[int, ...]) -> Bool:
    """(n,) transactions of these weeks that the Handbook's filter leaves in.

    Its `get_train_test_set`: known are cards with a fraud in the training week, which ends a week before, and on the
    k-th day of a week those with a fraud on the day that lies a week and a day before.
    """
    left = np.zeros(len(tx), np.bool_)
    day, fraud = tx.day, tx.fraud
    for week in weeks:
        known = set(tx.customer[fraud & (day >= week - 2 * WEEK) & (day < week - WEEK)].tolist())
        for today in range(week, week + WEEK):
            known |= set(tx.customer[fraud & (day == today - WEEK - 1)].tolist())
            mine = np.flatnonzero(day == today)
            left[mine] = ~np.isin(tx.customer[mine], list(known))
    return left


def known_there(tx: Transactions) -> Bool:
    """(n,) frauds of scenario 2 at whose terminal another one of the last four weeks is known by then."""
    two = np.flatnonzero(tx.scenario == 2)
    place = (tx.terminal[two] << 40) + tx.at_s[two]
    ordered = np.sort(place)
    found = np.zeros(len(tx), np.bool_)
    found[two] = ordered[np.searchsorted(ordered, place - 4 * LATE_S)] <= place - LATE_S
    return found


def card_precision(tx: Transactions, score: F64) -> float:
    """Mean over days; cards that were found are left out afterwards."""
    found: set[int] = set()
    shares = []
    for today in np.unique(tx.day).tolist():
        mine = np.flatnonzero(tx.day == today)
        mine = mine[~np.isin(tx.customer[mine], list(found))]
        cards, of = np.unique(tx.customer[mine], return_inverse=True)
        best, bad = np.full(len(cards), -np.inf), np.zeros(len(cards), np.bool_)
        np.maximum.at(best, of, score[mine])
        bad[of[tx.fraud[mine]]] = True
        top = np.argsort(-best, kind="stable")[:CARDS]
        found |= set(cards[top[bad[top]]].tolist())
        shares.append(bad[top].sum() / CARDS)
    return float(np.mean(shares))


def measures(tx: Transactions, score: F64) -> dict[str, float]:
    """Name -> what these transactions' scores are worth."""
    finite = np.where(np.isfinite(score), score, np.min(score[np.isfinite(score)], initial=0.0) - 1.0)
    whole = rank_quality(finite, tx.fraud.astype(np.float64))
    told = {"AUC-ROC": whole.roc_auc, "AP": whole.average_precision, "card precision": card_precision(tx, finite)}
    for scenario in (1, 2, 3):
        some = (tx.scenario == 0) | (tx.scenario == scenario)
        told[f"scenario {scenario}"] = rank_quality(finite[some], tx.fraud[some].astype(np.float64)).roc_auc
    return {name: float("nan") if value is None else value for name, value in told.items()}


def beside(path: Path, number: I64) -> dict[str, F64]:
    """Model -> (n,) scores that another script wrote."""
    with np.load(path) as saved:
        at = {n: i for i, n in enumerate(saved["tx_id"].tolist())}
        rows = np.array([at[n] for n in number.tolist()], np.int64)
        return {f"batch, {name}": saved[name][rows] for name in saved.files if name != "tx_id"}


def report(
    tx: Transactions, unknown: Bool, known: Bool, scores: Mapping[str, F64], judges: tuple[str, ...]
) -> list[str]:
    """Prints a table per set of rows; what is below the aims, a line each.  tx, unknown, known: of some weeks, these
    are of `unknown_cards` and of `known_there`.
    """
    short = []
    for what, rows in ((FILTER, unknown), (ALL, np.ones(len(tx), np.bool_))):
        mine = tx.take(rows)
        print(f"\n{what}: {len(mine):,} transactions, {int(mine.fraud.sum()):,} frauds")
        perfect = card_precision(mine, mine.fraud.astype(np.float64))
        print(f"(of card precision {perfect:.3f} is possible)")
        for name, score in scores.items():
            found = measures(mine, score[rows])
            print(f"  {name:28}" + "".join(f"  {measure} {value:.3f}" for measure, value in found.items()))
            parts = []
            for some in (known[rows], ~known[rows] & (mine.scenario == 2)):
                those = some | ~mine.fraud
                auc = rank_quality(score[rows][those], some[those].astype(np.float64)).roc_auc
                parts.append(f"{some.sum():,} {float('nan') if auc is None else auc:.4f}")
            print(f"  {'':28}  scenario 2: one is known there {parts[0]}, none is {parts[1]}")
            short += [
                f"{name}, {what}: {measure} {found[measure]:.4f}, aim {aim}"
                for measure, aim in AIMS[what].items()
                if name in judges and found[measure] < aim
            ]
    return short


def main() -> int:
    """Prints the measures; 1 below the aims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("transactions", type=Path)
    parser.add_argument("--beside", type=Path, help="scores of the recipe in batch")
    parser.add_argument("--lines", type=Path, help="write what cards_labelled.toml reads into this folder, and end")
    given = parser.parse_args()
    if given.lines is not None:
        write_lines(read(given.transactions), given.lines)
        return 0
    trees = importlib.util.find_spec("lightgbm") is not None
    if not trees:
        print("LightGBM is not installed: the refitted trees are left out")
    tx = read(given.transactions)
    sink = scored(tx, trees=trees)
    judges = {"judge": "binned logistic, online"} | ({"refitted": "trees, refitted weekly"} if trees else {})
    short: list[str] = []
    for title, weeks in (("May, on which everything was chosen", CHOSEN_ON), ("the last three weeks of June", JUDGED)):
        there = np.isin(tx.day, [week + i for week in weeks for i in range(WEEK)])
        mine = tx.take(there)
        scores = {name: sink.of(detector, mine.number) for detector, name in judges.items()}
        if weeks is JUDGED and given.beside is not None:
            scores |= beside(given.beside, mine.number)
        print(f"\n{title}")
        unknown, known = unknown_cards(tx, weeks)[there], known_there(tx)[there]
        short = report(mine, unknown, known, scores, tuple(judges.values()))
    for line in short:
        print(line)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
