"""How often would real people be accused?  Alerts per user-day on histories that are taken to be genuine.

    python examples/evaluate_listening.py listening.jsonl.gz listening_alerts.jsonl

A user-day is a UTC day on which the user played something.
"""
# ruff: noqa: T201

import argparse
import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

DAY_MS = 86_400_000
URGENT = ("high", "critical")


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file, .gz or not."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        yield from map(orjson.loads, lines)


def user_days(path: Path) -> Counter[str]:
    """User -> days with a play."""
    return Counter(user for user, _ in {(str(r["user"]), int(r["ts"]) // DAY_MS) for r in records(path)})


def read_alerts(path: Path) -> list[tuple[str, str, str, str]]:
    """(user, severity, window, first reason) of each record of the stream `alerts`."""
    return [
        (r["subject"], r["severity"], r["window"], r["reasons"][0]["feature"] if r["reasons"] else "-")
        for r in records(path)
    ]


def main() -> None:
    """Reads the files that the command line names and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", type=Path, help="lines of `driftnet convert spotify --align`")
    parser.add_argument("alerts", type=Path, help="the stream `alerts` of the replay")
    given = parser.parse_args()
    days = user_days(given.events)
    alerts = read_alerts(given.alerts)
    total = sum(days.values())
    urgent = [a for a in alerts if a[1] in URGENT]
    print(f"{len(days)} users, {total:,} user-days, {len(alerts):,} alerts")
    for severity, count in Counter(a[1] for a in alerts).most_common():
        print(f"  {severity:10}{count:>6}   1 in {total / count:,.0f} user-days")
    rate = f"1 in {total / len(urgent):,.0f} user-days" if urgent else f"none in {total:,} user-days"
    print(f"high or critical: {len(urgent)}, {rate}")
    print(f"\n{'user':16}{'user-days':>10}{'alerts':>8}{'high or critical':>18}")
    for user, count in sorted(days.items()):
        mine, loud = (sum(a[0] == user for a in some) for some in (alerts, urgent))
        print(f"{user:16}{count:>10}{mine:>8}{loud:>18}")
    print("\nfirst reasons of the high and critical ones:")
    for (window, reason), count in Counter((a[2], a[3]) for a in urgent).most_common(10):
        print(f"  {count:>4}  {reason} ({window})")


if __name__ == "__main__":
    main()
