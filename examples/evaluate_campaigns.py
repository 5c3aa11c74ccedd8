"""How good are the campaigns that were found among simulated listeners?  Against the simulator's truth.

    driftnet simulate hard --users 20000 --duration 3d --seed 9 --company
    driftnet replay hard/part-*.jsonl --per-file --config examples/campaigns.toml --no-print
    python examples/evaluate_campaigns.py hard found.jsonl

The last record of each campaign counts, of those that go on.  A first alert is the first record of a campaign most of
whose members are one campaign's.

With `--alerts FILE`, the stream `alerts` of a replay, day by day: how many alerts, how many of the attackers that had
begun were found by then, through alerts of their own or as members of campaigns that were alerted, and how many people
were accused.  Given again, such as of a replay without `[campaigns]`, each file has its own lines.
"""
# ruff: noqa: T201

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from flows.simulate.campaign_quality import campaign_quality, first_alert_shares
from flows.simulate.evaluation import evaluate
from state.times import from_iso

_EARLY = 0.1
"""Of a campaign's plays."""


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    with path.open("rb") as lines:
        yield from map(orjson.loads, lines)


def members(record: dict[str, Any]) -> list[str]:
    """The accounts of a campaign."""
    return [member["subject"] for member in record["members"]]


def main() -> None:
    """Reads the files that the command line names and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("simulation", type=Path, help="the directory that `driftnet simulate` wrote")
    parser.add_argument("found", type=Path, help="the stream `campaigns` of a replay")
    parser.add_argument("--alerts", type=Path, action="append", default=[], help="the stream `alerts` of a replay")
    given = parser.parse_args()
    truth, told = list(records(given.simulation / "truth.jsonl")), list(records(given.found))
    last = {record["campaign_id"]: record for record in told}
    going_on = [record for record in last.values() if record["change"] not in ("merged", "ended")]
    quality = campaign_quality([members(record) for record in going_on], truth)
    print(f"{quality.campaigns} campaigns go on, of {len(last)} that were found")
    for name in ("pair_precision", "pair_recall", "pair_f1", "purity", "recall"):
        value = getattr(quality, name)
        print(f"  {name.replace('_', ' '):16}{'-' if value is None else format(value, '.3f')}")
    for false in quality.falsely:
        crowd = Counter(false.crowds).most_common(1)[0][0]
        print(f"  false: {false.members} members, {false.people} of them people, most of {crowd or 'no crowd'}")
    alerts = [(from_iso(record["at"]), members(record)) for record in told if record["change"] != "ended"]
    shares = first_alert_shares(alerts, truth, records(given.simulation / "campaigns.jsonl"))
    early = sum(share < _EARLY for share in shares.values())
    print(f"first record before a tenth of its plays: {early} of {len(shares)} campaigns")
    for path in given.alerts:
        by_day(path, truth)


def by_day(path: Path, truth: list[dict[str, Any]]) -> None:
    """Prints what the alerts of one run are worth, at the end of each day on which there was one."""
    alerts = sorted(records(path), key=lambda alert: str(alert["raised"]))
    print(f"{path}: end of the day, alerts so far (of campaigns), precision, recall, people accused")
    for day in sorted({alert["raised"][:10] for alert in alerts}):
        so_far = [alert for alert in alerts if alert["raised"][:10] <= day]
        found = evaluate(so_far, truth)
        campaigns = len({alert["alert_id"] for alert in so_far if "campaign" in alert})
        print(f"  {day}  {found.alerts:5} ({campaigns})  {found.precision:.3f}  {found.recall:.3f}  {found.accused}")


if __name__ == "__main__":
    main()
