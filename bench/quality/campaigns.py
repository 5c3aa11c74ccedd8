"""The figures of a harder world: which campaigns are put together, how soon, and whom alerts find through them."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from statistics import median
from typing import Any, Final

import orjson

from bench.quality.worlds import WorldScenario
from flows.drive.assembly import Assembly
from flows.drive.local import LocalDriver
from flows.simulate.campaign_quality import CampaignQuality, campaign_quality, first_alert_shares
from flows.simulate.evaluation import Evaluation, evaluate
from flows.simulate.platform import Platform
from flows.streams import Stream
from flows.streams.lines import members_of
from state.times import from_iso
from state.types import DAY_US

EARLY: Final = 0.1
"""Of a campaign's plays."""
_OVER: Final = ("merged", "ended")

Records = Sequence[Mapping[str, Any]]


class _Kept:
    """A sink that keeps its records."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def write(self, records: list[dict[str, Any]]) -> None:
        self.records += records

    def flush(self) -> None:
        """Nothing is on its way."""

    def close(self) -> None:
        """Nothing to let go of."""


def measure_world(scenario: WorldScenario) -> dict[str, Any]:
    """All figures of a scenario, as JSON values: one run of the whole job."""
    simulation = scenario.simulation
    platform = Platform(simulation)
    alerts, told = _Kept(), _Kept()
    sinks = {Stream.ALERTS: [alerts], Stream.CAMPAIGNS: [told]}
    began_s = time.process_time()
    LocalDriver(scenario.config.job(), Assembly(scenario.config).partitions(), sinks).run()
    cpu_s = time.process_time() - began_s
    return {
        "scenario": scenario.id,
        "world": scenario.world.name,
        "about": scenario.world.about,
        "attackers": scenario.world.attackers,
        "users": scenario.users,
        "seed": scenario.seed,
        "tuned": scenario.tuned,
        "run_days": scenario.days,
        "cpu_s": cpu_s,
        "result": blake2b(orjson.dumps([alerts.records, told.records]), digest_size=8).hexdigest(),
        **campaign_figures(told.records, alerts.records, platform.truth(), platform.campaigns(), simulation.start_us),
    }


def campaign_figures(
    told: Records, alerts: Records, truth: Records, campaigns: Records, start_us: int
) -> dict[str, Any]:
    """What campaigns are worth at the end, who was ever a member, how soon, and what alerts found, day by day.

    told: the stream `campaigns`; the last record of each counts, of those that go on.  truth, campaigns: the
    simulator's.  start_us: of the simulation.
    """
    last = {record["campaign_id"]: record for record in told}
    going_on = [record for record in last.values() if record["change"] not in _OVER]
    quality = campaign_quality([members_of_record(record) for record in going_on], truth)
    ever = campaign_quality([members_of_record(r) for r in told if r["change"] != "ended"], truth)
    through = evaluate(alerts, truth)
    first_told = ((from_iso(r["at"]), members_of_record(r)) for r in told if r["change"] != "ended")
    first_alert = ((from_iso(alert["raised"]), members_of(alert)) for alert in alerts)
    return {
        "campaigns_told": len(last),
        "campaigns": quality.campaigns,
        "pair_precision": quality.pair_precision,
        "pair_recall": quality.pair_recall,
        "pair_f1": quality.pair_f1,
        "purity": quality.purity,
        "recall": quality.recall,
        "false": len(quality.falsely),
        "false_ever": _of_people(told, ever),
        "people_ever": _people_ever(told, truth),
        "crowds": dict(sum((Counter(false.crowds) for false in ever.falsely), Counter[str]())),
        "records": _soon(first_alert_shares(first_told, truth, campaigns)),
        "alerted": _soon(first_alert_shares(first_alert, truth, campaigns)),
        "kinds": _kinds(going_on, through, truth),
        "alerts": through.alerts,
        "alerts_of_campaigns": len({alert["alert_id"] for alert in alerts if "campaign" in alert}),
        "precision": through.precision,
        "alert_recall": through.recall,
        "missed": through.attackers - through.found,
        "people_alerted": through.accused,
        "days": _days(alerts, truth, start_us),
    }


def members_of_record(record: Mapping[str, Any]) -> list[str]:
    """The accounts of a record of the stream `campaigns`."""
    return [member["subject"] for member in record["members"]]


def _of_people(told: Records, ever: CampaignQuality) -> int:
    """How many campaigns were mostly people in any of their records.  ever: of all records that have not ended."""
    counted = [record["campaign_id"] for record in told if record["change"] != "ended"]
    return len({counted[false.number] for false in ever.falsely})


def _people_ever(told: Records, truth: Records) -> int:
    attackers = {t["user_id"] for t in truth if t["is_attacker"]}
    return len({name for record in told for name in members_of_record(record)} - attackers)


def _soon(shares: Mapping[str, float]) -> dict[str, Any]:
    """Of each campaign's plays, the share before it was told of first: how many were early, the median, and all."""
    values = list(shares.values())
    early = sum(share < EARLY for share in values)
    return {"early": early, "of": len(values), "median": median(values) if values else None, "shares": dict(shares)}


def _kinds(going_on: Records, through: Evaluation, truth: Records) -> list[dict[str, Any]]:
    """By kind of attack: accounts, those that are members at the end, those found through alerts and membership."""
    members = {name for record in going_on for name in members_of_record(record)}
    inside = Counter(t["role"] for t in truth if t["is_attacker"] and t["user_id"] in members)
    return [
        {"name": kind.name, "accounts": kind.accounts, "members": inside[kind.name], "found": kind.found}
        for kind in through.campaigns
    ]


def _days(alerts: Records, truth: Records, start_us: int) -> list[dict[str, Any]]:
    """By the end of each day with an alert; what was raised at midnight belongs to the day before."""
    on_day = [int((from_iso(alert["raised"]) - 1 - start_us) // DAY_US) for alert in alerts]
    return [{"day": day + 1, **_by_then(alerts, on_day, day, truth)} for day in sorted(set(on_day))]


def _by_then(alerts: Records, on_day: Iterable[int], day: int, truth: Records) -> dict[str, Any]:
    found = evaluate([alert for alert, on in zip(alerts, on_day, strict=True) if on <= day], truth)
    return {"alerts": found.alerts, "precision": found.precision, "recall": found.recall, "people": found.accused}
