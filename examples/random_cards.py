"""Card transactions without any fraud, drawn at random: how often is a genuine card accused?

    python examples/random_cards.py draw cards.jsonl --customers 3000 --days 30 --seed 51
    driftnet replay cards.jsonl --config examples/card_transactions.toml --no-print
    python examples/random_cards.py judge card_scores.jsonl card_alerts.jsonl

Transactions of a card are a Poisson process, amounts are log-normal; all are independent. Cards differ in how often and
how much they pay; with --alike they do not, and all that is odd is chance.

The share of card-days at or below a probability is of the smallest of the day in each kind of window, the kinds
combined by their harmonic mean, as alerts go by.
"""
# ruff: noqa: T201

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson

DAY_S = 86_400
START = datetime(2026, 3, 2, tzinfo=UTC)
LINES = (0.1, 0.01, 0.001)


def draw(customers: int, days: int, seed: int, *, alike: bool) -> Iterator[dict[str, Any]]:
    """The transactions in the order of time, with the handbook's names; amounts in euros."""
    rng = np.random.default_rng(seed)
    per_day = np.full(customers, 2.0) if alike else rng.uniform(0.0, 4.0, customers)
    log_amount = np.full(customers, 3.5) if alike else rng.normal(3.5, 0.8, customers)
    number = 0
    for day in range(days):
        customer = np.repeat(np.arange(customers), rng.poisson(per_day))
        second = np.sort(rng.uniform(0, DAY_S, len(customer)))
        customer = rng.permutation(customer)
        amount = np.exp(rng.normal(log_amount[customer], 0.6))
        for at, who, much in zip(second.tolist(), customer.tolist(), amount.tolist(), strict=True):
            time = START + timedelta(days=day, seconds=at)
            yield {
                "TRANSACTION_ID": number,
                "TX_DATETIME": time.isoformat(timespec="seconds").replace("+00:00", "Z"),
                "CUSTOMER_ID": who,
                "TERMINAL_ID": number % 1_000,
                "TX_AMOUNT": round(much, 2),
            }
            number += 1


def smallest(scores: Iterable[Mapping[str, Any]]) -> list[float]:
    """The smallest probability of each card-day, all kinds of windows together.  scores: of the stream `scores`."""
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    kinds = set()
    for score in scores:
        p, kind = score["tail_probability"], score["window"]
        if p is not None:
            kinds.add(kind)
            of_day = found[score["subject"], score["end"][:10]]
            of_day[kind] = min(of_day.get(kind, 1.0), p)
    return [len(kinds) / sum(1 / of_day.get(kind, 1.0) for kind in kinds) for of_day in found.values()]


def report(probabilities: Sequence[float], alerts: int) -> list[str]:
    """What there is to say, line by line."""
    days = len(probabilities)
    shares = (f"{sum(p <= line for p in probabilities) / days:.2%} at p <= {line:g}" for line in LINES)
    return [f"{alerts} alerts on {days:,} card-days: {1_000 * alerts / days:.2f} per 1,000", ", ".join(shares)]


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        yield from map(orjson.loads, lines)


def main() -> None:
    """Draws transactions, or judges what was said of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw")
    drawing.add_argument("events", type=Path)
    drawing.add_argument("--customers", type=int, default=3_000)
    drawing.add_argument("--days", type=int, default=30)
    drawing.add_argument("--seed", type=int, default=1)
    drawing.add_argument("--alike", action="store_true")
    judging = commands.add_parser("judge")
    judging.add_argument("scores", type=Path)
    judging.add_argument("alerts", type=Path)
    given = parser.parse_args()
    if given.command == "draw":
        with given.events.open("wb") as out:
            for line in draw(given.customers, given.days, given.seed, alike=given.alike):
                out.write(orjson.dumps(line) + b"\n")
    else:
        print(*report(smallest(_records(given.scores)), sum(1 for _ in _records(given.alerts))), sep="\n")


if __name__ == "__main__":
    main()
