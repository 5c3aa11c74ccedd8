"""Campaigns in the alert policy, one rule per test."""

import json
from dataclasses import replace
from typing import Any

import pytest

from detectors.alerting.alert import Alert, Candidate
from detectors.alerting.campaigns import Account, Campaign, CampaignAlert, together
from detectors.alerting.exempt import Exemption, Origin
from detectors.alerting.standing import Standings
from state.types import DAY_US, HOUR_US
from tests.unit.alerting.test_policy import T0, candidate, policy

ONE, OTHER = "1" * 16, "2" * 16
NOTHING: dict[str, Any] = {"closure": 0.5, "coincidences": 9, "at_stake": 8, "shared": 7, "objects": []}


def campaign(members: range | list[int], end_us: int = T0, name: str = ONE, **more: Any) -> Campaign:
    """A campaign of these accounts, found at T0 or later."""
    accounts = tuple(Account(who, f"u{who}", T0) for who in members)
    known = {"tail_probability": 1e-12, "evidence": NOTHING} | more
    return Campaign(name, end_us, known.pop("since_us", T0), end_us + 6 * HOUR_US, accounts, "user", **known)


def over(end_us: int, name: str = ONE, into: str = "", since_us: int = T0) -> Campaign:
    return Campaign(name, end_us, since_us, end_us, (), "user", into=into)


def told(alerts: list[Alert | CampaignAlert]) -> list[tuple[str, str]]:
    """What somebody is to look at: of a campaign why it is told, of others whose alert it is."""
    return [
        (a.alert_id, a.change) if isinstance(a, CampaignAlert) else (a.candidate.name, "")
        for a in alerts
        if a.spared_by is None
    ]


def held(alerts: list[Alert | CampaignAlert]) -> list[str]:
    return [a.candidate.name for a in alerts if isinstance(a, Alert) and a.spared_by is not None]


def of(alerts: list[Alert | CampaignAlert]) -> CampaignAlert:
    (found,) = [a for a in alerts if isinstance(a, CampaignAlert)]
    return found


def campaign_record(*members: str, **changes: Any) -> dict[str, Any]:
    """The alert of a campaign of accounts of these names."""
    accounts = tuple(Account(who, name, T0) for who, name in enumerate(members))
    told = replace(campaign([]), members=accounts)
    return of(policy().round(T0, [], campaigns=[told])).to_record() | changes


def broke(who: int, rule: str, end_us: int) -> Candidate:
    return replace(candidate(who, 1e-12, end_us), rules=(rule,))


def test_one_alert_takes_one_of_the_budget_and_says_who_is_in_it() -> None:
    """Its id is the campaign's; a member's own evidence stands beside it; members and others share one budget."""
    p = policy(budget_per_day=2, critical_reserve=0.0)
    alerts = p.round(T0, [candidate(1, 1e-5), candidate(8, 1e-8), candidate(9, 1e-6)], campaigns=[campaign(range(6))])
    assert told(alerts) == [(ONE, "found"), ("u8", "")]
    record = of(alerts).to_record()
    assert (record["alert_id"], record["severity"], record["kind"]) == (ONE, "critical", "campaign")
    assert record["window_tail_probability"] == 1e-12
    assert record["tail_probability"] == pytest.approx(2e-12)
    assert [(m["subject"], m["tail_probability"]) for m in record["campaign"]["members"][:3]] == [
        ("u0", 1.0), ("u1", 1e-5), ("u2", 1.0),
    ]  # fmt: skip
    assert (record["campaign"]["size"], record["campaign"]["suspicious"]) == (6, 1)
    assert p.counts["campaign_alerts"] == 1
    assert p.counts["withheld.medium"] == 1


def test_the_weaker_of_the_two_pays_for_the_other() -> None:
    """Half the weight is what they have in common, half the evidence against each."""
    assert together(campaign(range(4)), [1.0] * 4) == pytest.approx(2e-12)
    assert together(campaign(range(4), tail_probability=1.0), [1e-6, 1.0, 1.0, 1.0]) == pytest.approx(8e-6, rel=1e-4)
    assert together(campaign(range(4), tail_probability=1.0), [1.0] * 4) == 1.0


def test_above_the_line_it_waits_for_its_members() -> None:
    """What they have in common is not enough; with what is known of each it is."""
    p = policy(line=1e-4)
    assert told(p.round(T0, [], campaigns=[campaign(range(4), tail_probability=1e-3)])) == []
    later = T0 + HOUR_US
    alerts = p.round(later, [candidate(who, 3e-5, later) for who in range(4)])
    assert told(alerts)[0] == (ONE, "found")
    assert held(alerts) == ["u0", "u1", "u2", "u3"]


def test_one_that_no_review_saw_together_waits() -> None:
    """Such as from saved state of before: until then there is nothing to tell; later what was seen goes on."""
    p = policy()
    early = campaign(range(4), tail_probability=None, evidence={})
    assert told(p.round(T0, [candidate(who, 1e-8) for who in range(4)], campaigns=[early])) == [
        (f"u{who}", "") for who in range(4)
    ]
    rounds = [
        p.round(T0 + i, [], campaigns=[campaign(range(n), T0 + i, tail_probability=q, evidence=e)])
        for i, n, q, e in ((1, 4, 1e-12, NOTHING), (2, 9, None, {}))
    ]
    assert [told(alerts) for alerts in rounds] == [[(ONE, "found")], [(ONE, "grew")]]
    assert [of(alerts).to_record()["campaign"]["shared"] for alerts in rounds] == [7, 7]


def test_members_are_held_while_it_says_so() -> None:
    """Each once a day on record; after they were members they are held for `suppress`, then alerted again."""
    p = policy(suppress_us=6 * HOUR_US)
    p.round(T0, [], campaigns=[campaign(range(6))])
    for hour in (1, 2, 3):
        alerts = p.round(T0 + hour * HOUR_US, [candidate(1, 1e-8, T0 + hour * HOUR_US), candidate(7, 1e-8)])
        assert held(alerts) == ["u1"] * (hour == 1)
        assert told(alerts) == [("u7", "")] * (hour == 1)
    assert p.counts["spared.campaign"] == 1
    left = p.round(T0 + 4 * HOUR_US, [], campaigns=[campaign([0, 2, 3, 4], T0 + 4 * HOUR_US)])
    assert told(left) == [(ONE, "shrank")]
    assert of(left).left == ("u1", "u5")
    again = [p.round(T0 + hour * HOUR_US, [candidate(1, 1e-8, T0 + hour * HOUR_US)]) for hour in (5, 7)]
    assert [told(alerts) for alerts in again] == [[], [("u1", "")]]


def test_nobody_is_held_for_a_campaign_that_nobody_was_told_of() -> None:
    """It waits for room in the budget, and its members are alerted as if alone; then it is the first to be told."""
    p = policy(budget_per_day=1, critical_reserve=0.0)
    assert told(p.round(T0, [candidate(9, 1e-12)])) == [("u9", "")]
    later = T0 + HOUR_US
    alerts = p.round(later, [candidate(1, 1e-8, later)], campaigns=[campaign(range(6), later, since_us=later)])
    assert (told(alerts), held(alerts)) == ([], [])
    assert p.counts["withheld.critical"] == 1
    free = T0 + DAY_US + HOUR_US
    assert told(p.round(free, [candidate(1, 1e-8, free)])) == [(ONE, "found")]


def test_a_few_more_are_told_when_one_of_them_would_be_alerted() -> None:
    """One of ten who joined is no news; once something else speaks against it, it is told as a member, not alone."""
    p = policy()
    p.round(T0, [], campaigns=[campaign(range(10))])
    later = T0 + HOUR_US
    assert told(p.round(later, [], campaigns=[campaign(range(11), later)])) == []
    alerts = p.round(later + HOUR_US, [candidate(10, 1e-8, later + HOUR_US)])
    assert told(alerts) == [(ONE, "grew")]
    assert (of(alerts).joined, held(alerts)) == (("u10",), ["u10"])
    assert told(p.round(later + 2 * HOUR_US, [], campaigns=[campaign(range(13), later + 2 * HOUR_US)])) == []
    grown = p.round(later + 3 * HOUR_US, [], campaigns=[campaign(range(14), later + 3 * HOUR_US)])
    assert told(grown) == [(ONE, "grew")]
    assert of(grown).joined == ("u11", "u12", "u13")


def test_nobody_waits_for_long_to_be_told_as_a_member() -> None:
    """One of ten who joined is told after six hours, if still a member; who leaves before that is not."""
    p = policy()
    p.round(T0, [], campaigns=[campaign(range(10))])

    def joined(hour: int, *since: int) -> Campaign:
        end_us = T0 + hour * HOUR_US
        late = tuple(Account(10 + i, f"u{10 + i}", T0 + at * HOUR_US) for i, at in enumerate(since))
        return replace(campaign(range(10), end_us), members=(*campaign(range(10)).members, *late))

    rounds = [p.round(T0 + hour * HOUR_US, [], campaigns=[joined(hour, 2)]) for hour in (2, 4, 6, 8)]
    assert [told(alerts) for alerts in rounds] == [[], [], [], [(ONE, "grew")]]
    assert of(rounds[-1]).joined == ("u10",)
    assert p.counts["campaign_updates"] == 1
    assert told(p.round(T0 + 10 * HOUR_US, [], campaigns=[joined(10, 2, 10)])) == []
    assert told(p.round(T0 + 18 * HOUR_US, [], campaigns=[joined(18, 2)])) == []


def test_a_rule_that_no_member_had_broken_is_told() -> None:
    """Once for each rule, whoever breaks it; the alert says who did."""
    p = policy()
    p.round(T0, [], campaigns=[campaign(range(6))])
    rounds = [
        p.round(T0 + hour * HOUR_US, [broke(who, rule, T0 + hour * HOUR_US)])
        for hour, who, rule in ((1, 1, "never_sleeps"), (2, 2, "never_sleeps"), (3, 2, "stuffing"))
    ]
    assert [told(alerts) for alerts in rounds] == [[(ONE, "evidence")], [], [(ONE, "evidence")]]
    assert of(rounds[2]).to_record()["rules"] == ["never_sleeps", "stuffing"]
    assert {m.name: m.rules for m in of(rounds[2]).members if m.rules} == {
        "u1": ("never_sleeps",), "u2": ("never_sleeps", "stuffing"),
    }  # fmt: skip


def test_the_older_goes_on() -> None:
    """Of two that were told, one is told as merged, the other as grown; what was absorbed is named."""
    p = policy()
    p.round(T0, [], campaigns=[campaign(range(6)), campaign(range(6, 12), name=OTHER, since_us=T0 + 1)])
    later = T0 + HOUR_US
    both = [campaign(range(12), later, absorbed=(OTHER,)), over(later, OTHER, ONE, T0 + 1)]
    alerts = p.round(later, [candidate(7, 1e-8, later)], campaigns=both)
    assert told(alerts) == [(ONE, "grew"), (OTHER, "merged")]
    older, younger = (a for a in alerts if isinstance(a, CampaignAlert))
    assert (older.absorbed, len(older.members)) == ((OTHER,), 12)
    assert (younger.campaign.into, len(younger.members)) == (ONE, 6)
    assert p.counts["campaign_updates"] == 2
    assert told(p.round(later + HOUR_US, [], campaigns=[campaign(range(12), later + HOUR_US)])) == []


def test_its_end_is_told_once() -> None:
    """With those who were in it last; what was never told ends without a word."""
    p = policy()
    p.round(T0, [], campaigns=[campaign(range(6)), campaign([7, 8, 9], name=OTHER, tail_probability=0.5)])
    ended = p.round(T0 + HOUR_US, [], campaigns=[over(T0 + HOUR_US), over(T0 + HOUR_US, OTHER)])
    assert told(ended) == [(ONE, "ended")]
    assert len(of(ended).members) == 6
    assert told(p.round(T0 + 2 * HOUR_US, [candidate(7, 1e-8, T0 + 2 * HOUR_US)])) == [("u7", "")]


def test_of_people_who_are_vouched_for_nobody_is_told() -> None:
    """Where more than half are exempt; once, and it is on record who they are."""
    p = policy()
    for who in range(4):
        p.exemptions.put(Exemption(who, f"u{who}", Origin.COMMAND, T0 + 2 * HOUR_US, "staff", "ann"))
    first, again = (p.round(T0 + m, [], campaigns=[campaign(range(6), T0 + m)]) for m in (0, 1))
    assert (told(first), len(first), again) == ([], 1, [])
    assert p.counts["spared.command"] == 1
    later = T0 + 2 * HOUR_US
    assert told(p.round(later, [], campaigns=[campaign(range(6), later)])) == [(ONE, "found")]


def test_saved_and_gone_on_from() -> None:
    """Cut after any round the rest is the same."""

    def rounds(cut: int) -> list[Any]:
        p, seen = policy(), []
        steps = [
            ([], [campaign(range(6))]),
            ([candidate(1, 1e-8, T0 + 1)], []),
            ([broke(2, "never_sleeps", T0 + 2)], [campaign(range(7), T0 + 2)]),
            ([candidate(6, 1e-8, T0 + 3)], []),
            ([], [campaign(range(5), T0 + 4, tail_probability=None)]),
            ([candidate(6, 1e-8, T0 + 5)], [over(T0 + 5)]),
        ]
        for i, (candidates, campaigns) in enumerate(steps):
            if i == cut:
                p = p.spec.build("job", "digest", {"": {"w1h": 1.0}}, p.snapshot())
            again = [Campaign.from_json(json.loads(json.dumps(c.to_json()))) for c in campaigns]
            seen += [a.to_record() for a in p.round(T0 + i, candidates, campaigns=again)]
        return seen

    whole = rounds(-1)
    assert len(whole) > 5
    assert all(rounds(cut) == whole for cut in range(1, 6))


def test_forgotten() -> None:
    """Nothing is left of an account; of a campaign that has no other neither."""
    p = policy()
    p.round(T0, [broke(1, "never_sleeps", T0)], campaigns=[campaign(range(6)), campaign([9], name=OTHER)])
    p.forget(1)
    p.forget(9)
    assert '"u1"' not in str(p.campaigns.state()).replace("'", '"')
    assert [case.campaign.id for case in p.campaigns] == [ONE]
    assert (p.campaigns.of(1), p.campaigns.of(2)) == ("", ONE)


def test_a_standing_names_the_campaign() -> None:
    """From the review on that saw the account in it, whether it was told or not, to the one that did not."""
    p = policy()
    standings = Standings(p, "job", "0" * 16, "user")

    def step(end_us: int, campaigns: list[Campaign]) -> dict[str, str | None]:
        alerts = p.round(end_us, [], campaigns=campaigns)
        assert not [a for a in alerts if isinstance(a, Alert)]
        records = standings.round(end_us, [], [], [], p.campaigns.moved)
        return {r["subject"]: r.get("campaign") for r in records}

    assert step(T0, [campaign([1, 2, 3], tail_probability=0.5)]) == {"u1": ONE, "u2": ONE, "u3": ONE}
    assert step(T0 + 1, [campaign([1, 2, 4], T0 + 1, tail_probability=0.5)]) == {"u3": None, "u4": ONE}
    assert step(T0 + 2, [over(T0 + 2)]) == {"u1": None, "u2": None, "u4": None}
