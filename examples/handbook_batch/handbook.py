"""The recipe of the Fraud Detection Handbook, in batch: what examples/evaluate_cards.py is held against.

    python -m venv batch && batch/bin/pip install -r examples/handbook_batch/requirements.txt
    batch/bin/python examples/handbook_batch/handbook.py handbook_card_tx_2018-04_06.parquet handbook_scores.npz

Fifteen features (chapter 3: weekend, night, amount; a customer's number and mean of transactions in 1, 7 and 30 days; a
terminal's number and share of frauds in 1, 7 and 30 days that end seven days before) and two models (chapter 5:
logistic regression on standardised features, a random forest of 100 trees), each fitted to a week of transactions,
followed by a week in which their labels come, and asked about the week after that: those of 10, 17 and 24 June 2018.

Source: Le Borgne, Siblini, Lebichot & Bontempi 2022, Reproducible Machine Learning for Credit Card Fraud Detection.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SPANS = (1, 7, 30)
DELAY_DAYS = TRAINED_DAYS = JUDGED_DAYS = 7
WEEKS = ("2018-06-10", "2018-06-17", "2018-06-24")
NAMES = {"TRANSACTION_ID": "tx_id", "CUSTOMER_ID": "customer", "TERMINAL_ID": "terminal", "TX_AMOUNT": "amount"}


def read(path: Path) -> pd.DataFrame:
    """Transactions in the order of their times.  path: with the Handbook's names or the short ones."""
    table = pd.read_parquet(path).rename(columns=NAMES | {"TX_FRAUD": "fraud", "TX_DATETIME": "at"})
    if "at" not in table:
        table["at"] = pd.to_datetime(table["ts"], unit="s")
    return table.sort_values(["at", "tx_id"], kind="stable").reset_index(drop=True)


def of_customer(group: pd.DataFrame) -> pd.DataFrame:
    """How often and how much, this transaction among them."""
    amounts = group.set_index("at")["amount"]
    found = {}
    for days in SPANS:
        window = amounts.rolling(f"{days}D")
        found[f"customer_count_{days}"] = window.count().to_numpy()
        found[f"customer_mean_{days}"] = (window.sum() / window.count()).to_numpy()
    return pd.DataFrame(found, index=group.index)


def of_terminal(group: pd.DataFrame) -> pd.DataFrame:
    """How often, and how often a fraud, in a span that ends where labels are known."""
    fraud = group.set_index("at")["fraud"]
    late = fraud.rolling(f"{DELAY_DAYS}D")
    found = {}
    for days in SPANS:
        window = fraud.rolling(f"{DELAY_DAYS + days}D")
        count = (window.count() - late.count()).to_numpy()
        frauds = (window.sum() - late.sum()).to_numpy()
        found[f"terminal_count_{days}"] = count
        found[f"terminal_risk_{days}"] = np.divide(frauds, count, out=np.zeros(len(count)), where=count > 0)
    return pd.DataFrame(found, index=group.index)


def features(table: pd.DataFrame) -> pd.DataFrame:
    """Fifteen columns."""
    plain = pd.DataFrame(
        {"amount": table["amount"], "weekend": table["at"].dt.dayofweek >= 5, "night": table["at"].dt.hour <= 6},
        index=table.index,
    )
    customers = pd.concat([of_customer(group) for _, group in table.groupby("customer")])
    terminals = pd.concat([of_terminal(group) for _, group in table.groupby("terminal")])
    return plain.join(customers).join(terminals).astype(float)


def main() -> None:
    """Writes the scores of the transactions of the three weeks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("transactions", type=Path)
    parser.add_argument("out", type=Path, help="a NumPy archive: tx_id, and a score by model")
    given = parser.parse_args()
    table = read(given.transactions)
    x, day = features(table), table["at"].dt.floor("D")
    models = {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "random forest": RandomForestClassifier(n_estimators=100, random_state=0, n_jobs=-1),
    }
    scores: dict[str, list[np.ndarray]] = {name: [] for name in ("tx_id", *models)}
    for week in map(pd.Timestamp, WEEKS):
        ends = week - pd.Timedelta(days=DELAY_DAYS)
        trained = (day >= ends - pd.Timedelta(days=TRAINED_DAYS)) & (day < ends)
        judged = (day >= week) & (day < week + pd.Timedelta(days=JUDGED_DAYS))
        scores["tx_id"].append(table["tx_id"][judged].to_numpy())
        for name, model in models.items():
            model.fit(x[trained], table["fraud"][trained])
            scores[name].append(model.predict_proba(x[judged])[:, 1])
    np.savez(given.out, **{name: np.concatenate(parts) for name, parts in scores.items()})


if __name__ == "__main__":
    main()
