"""The figures of a scenario: false alerts, calibration, precision, recall and time to detection, by day and by kind."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.quality.curve import curve
from bench.quality.record import Recording, recorded
from bench.quality.replay import Found, alert, judge
from bench.quality.scenarios import Scenario
from bench.quality.smallest import DailySmallest
from detectors.drift.event import Watch
from flows.job import Job
from flows.simulate.evaluation import evaluate
from state.times import from_iso
from state.types import DAY_US, END_OF_TIME_US, F64, HOUR_US, I64, Bool

LEVELS: Final = (1e-1, 1e-2, 1e-3)
"""Of the calibration curve; the fixed line of the policy comes beside them."""
A_FEW: Final = 5
"""Attackers that are odd by their own evidence: since then a wave could be told of."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The truth in arrays.  acts_us: (n,) first event of the attack, the end of time for people."""

    names: list[str]
    acts_us: I64

    @classmethod
    def of(cls, truth: Sequence[Mapping[str, Any]]) -> "Accounts":
        """From the simulator's records."""
        acts = [t["start_us"] if t["is_attacker"] else END_OF_TIME_US for t in truth]
        return cls([t["user_id"] for t in truth], np.array(acts, np.int64))


def measure(scenario: Scenario, path: Path) -> dict[str, Any]:
    """All figures of a scenario, as JSON values.  path: of its recording, which is made where it is not there."""
    recording = recorded(scenario, path)
    job = scenario.config.job()
    accounts = Accounts.of(recording.truth)
    smallest = DailySmallest(job, accounts.names, accounts.acts_us, recording.start_us, recording.days)
    began_s = time.process_time()
    judged = list(judge(recording, job, smallest))
    found = alert(judged, job)
    cpu_s = time.process_time() - began_s
    measured = figures(found, recording, accounts, smallest, job)
    warm = scenario.attack.day > 1
    return {
        "scenario": scenario.id,
        "attack": scenario.attack.name,
        "attackers": scenario.attack.attackers,
        "attack_day": scenario.attack.day,
        "users": scenario.users,
        "seed": scenario.seed,
        "tuned": scenario.tuned,
        "budget": scenario.budget,
        "false_discovery": job.judgement.policy.false_discovery,
        "line": job.judgement.policy.line,
        "cpu_s": cpu_s,
        "result": found.digest,
        **measured,
        "curve": curve(judged, job, recording, measured["genuine_days"]) if warm else [],
    }


def figures(
    found: Found, recording: Recording, accounts: Accounts, smallest: DailySmallest, job: Job
) -> dict[str, Any]:
    """What the alerts are worth, in all and by day.

    An alert is true when its account's attack had begun before its evidence ended, as for `flows.simulate.evaluation`;
    every other one is false, repeats included.  An attacker is found by a day when a true alert was raised by its end.
    """
    days = recording.days
    raised = Raised.of(found.alerts, accounts, recording.start_us, days)
    by_day = [
        _day(day, raised, accounts, smallest, recording.start_us, job.judgement.policy.line) for day in range(days)
    ]
    whole = evaluate(found.alerts, recording.truth)
    genuine = sum(day["genuine"] for day in by_day)
    mistaken = int((~raised.true).sum())
    return {
        "days": by_day,
        "alerts": len(raised.true),
        "false_alerts": mistaken,
        "genuine_days": genuine,
        "false_per_1000": _per_1000(mistaken, genuine),
        "worst_false_per_1000": max((day["false_per_1000"] or 0.0 for day in by_day), default=None),
        "precision": whole.precision,
        "recall": whole.recall,
        "attackers_acting": whole.attackers,
        "missed": whole.attackers - whole.found,
        "false_share": None if whole.precision is None else 1 - whole.precision,
        "calibration": _together([day["calibration"] for day in by_day], [day["genuine"] for day in by_day]),
        "campaigns": [
            {"name": c.name, "accounts": c.accounts, "found": c.found, "median_ttd_s": c.detection_s}
            for c in whole.campaigns
        ],
        "roles": [{"name": r.name, "accounts": r.accounts, "alerted": r.alerted} for r in whole.roles],
        "withheld": sum(n for name, n in found.counts.items() if name.startswith("withheld.")),
        "released": found.counts["released"],
        "odd_after_h": _odd_after_h(smallest.odd_us, accounts),
        "waves": _waves(found, recording, accounts),
        "drift": dict(Counter(event["what"] for event in found.drift)),
    }


@dataclass(frozen=True, slots=True)
class Raised:
    """Alerts in arrays, all (n,).  who: index of the account.  day: on which it was raised.  true: of an attacker."""

    who: I64
    at_us: I64
    day: I64
    true: Bool

    @classmethod
    def of(cls, alerts: Sequence[Mapping[str, Any]], accounts: Accounts, start_us: int, days: int) -> "Raised":
        """From alert records."""
        index = {name: i for i, name in enumerate(accounts.names)}
        who = np.array([index[a["subject"]] for a in alerts], np.int64)
        at_us = np.array([from_iso(a["raised"]) for a in alerts], np.int64)
        end_us = np.array([from_iso(a["end"]) for a in alerts], np.int64)
        return cls(who, at_us, day_of(at_us, start_us, days), end_us > accounts.acts_us[who])


def day_of(at_us: I64, start_us: int, days: int) -> I64:
    """The day of the simulation, from 0; a round at midnight belongs to the day before, what ends later to the last."""
    return np.clip((at_us - 1 - start_us) // DAY_US, 0, days - 1)


def _day(
    day: int, raised: Raised, accounts: Accounts, smallest: DailySmallest, start_us: int, line: float
) -> dict[str, Any]:
    end_us = start_us + (day + 1) * DAY_US
    acting: Bool = accounts.acts_us < end_us
    there = ~np.isnan(smallest.smallest[day])
    p: F64 = smallest.smallest[day][there & ~acting]
    today = raised.day == day
    true, false = int((today & raised.true).sum()), int((today & ~raised.true).sum())
    found = np.unique(raised.who[raised.true & (raised.day <= day)])
    return {
        "genuine": len(p),
        "true": true,
        "false": false,
        "false_per_1000": _per_1000(false, len(p)),
        "precision": _share(true, true + false),
        "acting": int(acting.sum()),
        "found": len(found),
        "recall": _share(len(found), int(acting.sum())),
        "calibration": [
            {"level": level, "share": float((p <= level).mean()) if len(p) else None}
            for level in sorted({*LEVELS, line}, reverse=True)
        ],
        "baseline": _baseline(true + false, smallest.busiest[: day + 1], raised.day, acting, day),
    }


def _baseline(alerts: int, busiest: F64, days: I64, acting: Bool, day: int) -> dict[str, Any]:
    """As many accounts a day as there were alerts, those with the most plays in 24 hours."""
    found = np.zeros(len(acting), np.bool_)
    true = 0
    for d in range(day + 1):
        n = int((days == d).sum())
        top = np.argsort(-np.nan_to_num(busiest[d], nan=-1.0), kind="stable")[:n]
        true = int(acting[top].sum())
        found[top] = True
    return {"precision": _share(true, alerts), "recall": _share(int((found & acting).sum()), int(acting.sum()))}


def _odd_after_h(odd_us: I64, accounts: Accounts) -> float | None:
    """Hours from the first act of all attackers until a few of them were odd; None where these never were."""
    odd = np.sort(odd_us)
    if len(odd) < A_FEW or odd[A_FEW - 1] == END_OF_TIME_US:
        return None
    return float(odd[A_FEW - 1] - accounts.acts_us.min()) / HOUR_US


def _waves(found: Found, recording: Recording, accounts: Accounts) -> list[dict[str, Any]]:
    first_us = int(accounts.acts_us.min())
    return [
        {
            "at": event["at"],
            "day": int((from_iso(event["at"]) - 1 - recording.start_us) // DAY_US) + 1,
            "share": event["after"],
            "after_h": (from_iso(event["at"]) - first_us) / HOUR_US if first_us < END_OF_TIME_US else None,
        }
        for event in found.drift
        if event["what"] == Watch.WAVE
    ]


def _together(curves: Sequence[Sequence[Mapping[str, Any]]], weights: Sequence[int]) -> list[dict[str, Any]]:
    """The calibration over all days."""
    return [
        {
            "level": points[0]["level"],
            "share": _share(sum((p["share"] or 0.0) * n for p, n in zip(points, weights, strict=True)), sum(weights)),
        }
        for points in zip(*curves, strict=True)
    ]


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _per_1000(count: int, days: int) -> float | None:
    return 1000 * count / days if days else None
