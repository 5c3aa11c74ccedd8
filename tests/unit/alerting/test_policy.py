"""The alert policy, one rule per test."""

import numpy as np
import pytest

from detectors.alerting.alert import Alert, Candidate
from detectors.alerting.policy import AlertPolicy, PolicySpec, combine_windows
from state.errors import ConfigError, SnapshotError
from state.types import DAY_US, HOUR_US, MINUTE_US

LINES = {
    "line": 1e-4,
    "false_discovery": 0.0,
    "candidate_line": 1e-3,
    "severities": (("critical", 1e-9), ("high", 1e-7), ("medium", 1e-5), ("low", 1.0)),
}
T0 = 1_767_225_600_000_000


def candidate(subject: int, p: float, end_us: int = T0, window: str = "w1h", lasts_us: int = DAY_US) -> Candidate:
    start_us = end_us - HOUR_US
    return Candidate(subject, f"u{subject}", "all", 0, window, start_us, end_us, end_us, start_us, end_us + lasts_us, p)


def policy(weights: dict[str, float] | None = None, **settings: object) -> AlertPolicy:
    spec = PolicySpec(**(LINES | settings))  # type: ignore[arg-type]
    return spec.build("job", "digest", {"": {"w1h": 1.0} if weights is None else weights})


def subjects(alerts: list[Alert]) -> list[int]:
    return [a.candidate.subject for a in alerts]


def test_a_window_alone_pays_for_the_others_and_those_that_agree_do_not() -> None:
    """Of two equal windows one at p alone gives 2 p, both give p; one that weighs nine tenths gives p / 0.9."""
    equal = {"a": 1.0, "b": 1.0}
    assert combine_windows({"a": 1e-5}, equal) == pytest.approx(2e-5)
    assert combine_windows({"a": 1e-5, "b": 1e-5}, equal) == pytest.approx(1e-5)
    assert combine_windows({"a": 1e-9, "b": 1e-3}, equal) == pytest.approx(2e-9, rel=1e-5)
    assert combine_windows({"a": 1e-5}, {"a": 9.0, "b": 1.0}) == pytest.approx(1e-5 / 0.9)
    assert combine_windows({"a": 0.9}, equal) == 1.0
    assert 0 < combine_windows({"a": 0.0}, equal) <= 1e-299


def test_declared_rules_come_on_top() -> None:
    """A window in which nothing learns has weight 0: its evidence is taken as it is, and costs the others nothing."""
    weights = {"w24h": 1.0, "w5m": 0.0}
    assert combine_windows({"w5m": 1e-7}, weights) == 1e-7
    assert combine_windows({"w24h": 1e-4}, weights) == pytest.approx(1e-4)
    assert combine_windows({"w5m": 1e-7, "w24h": 1e-4}, weights) == 1e-7


def test_only_evidence_at_or_below_the_line_becomes_an_alert() -> None:
    """A candidate above the line waits for more evidence and costs no token."""
    p = policy(line=1e-4)
    assert subjects(p.round(T0, [candidate(1, 2e-4), candidate(2, 1e-4)])) == [2]
    assert p.counts == {"candidates": 2, "alerts.low": 1, "released": 0}


def test_weak_windows_of_two_kinds_make_one_alert_together() -> None:
    """Two kinds of windows at 8e-5 are below the line of 1e-4 together; two of the same kind are not."""
    p = policy({"w5m": 1.0, "w1h": 1.0}, line=1e-4)
    assert p.round(T0, [candidate(1, 8e-5, window="w1h"), candidate(2, 8e-5, window="w1h")]) == []
    later = T0 + 5 * MINUTE_US
    alerts = p.round(later, [candidate(1, 8e-5, later, "w5m"), candidate(2, 8e-5, later, "w1h")])
    assert subjects(alerts) == [1]
    assert alerts[0].tail_probability == pytest.approx(8e-5)
    assert [e.window for e in alerts[0].evidence] == ["w1h", "w5m"]
    assert alerts[0].first_us == T0 - HOUR_US
    assert alerts[0].last_us == later


def test_evidence_expires() -> None:
    """A window whose time is over no longer helps a new one over the line."""
    p = policy({"w5m": 1.0, "w1h": 1.0}, line=1e-4)
    p.round(T0, [candidate(1, 8e-5, window="w1h", lasts_us=HOUR_US)])
    later = T0 + HOUR_US
    assert p.round(later, [candidate(1, 8e-5, later, "w5m")]) == []


def test_a_window_that_says_all_replaces_the_one_before() -> None:
    """A sliding window of a day is evidence until its next slide: what it said an hour ago is no longer true."""
    p = policy(line=1e-4)
    p.round(T0, [candidate(1, 9e-5, window="w1h", lasts_us=HOUR_US)])
    later = T0 + HOUR_US
    (alert,) = p.round(later, [candidate(1, 9e-5, later, lasts_us=HOUR_US), candidate(2, 5e-5, later)])[:1]
    assert alert.candidate.subject == 2
    assert [e.tail_probability for e in alert.evidence] == [5e-5]


def test_suspicious_since_does_not_start_anew_with_each_slide() -> None:
    """Evidence that is renewed at the moment at which it ends goes on; after a pause it begins anew."""
    p = policy(line=1e-6)
    for hour in range(3):
        end = T0 + hour * HOUR_US
        p.round(end, [candidate(1, 9e-5, end, lasts_us=HOUR_US)])
    end = T0 + 3 * HOUR_US
    (alert,) = p.round(end, [candidate(1, 5e-7, end, lasts_us=HOUR_US)])
    assert (alert.first_us, alert.last_us) == (T0 - HOUR_US, end)
    end = T0 + 30 * HOUR_US
    (again,) = p.round(end, [candidate(1, 5e-7, end, lasts_us=HOUR_US)])
    assert again.first_us == end - HOUR_US


def test_candidates_weaker_than_the_candidate_line_are_ignored() -> None:
    """They are not even counted as evidence."""
    p = policy(candidate_line=1e-3)
    p.round(T0, [candidate(1, 2e-3)])
    assert p.counts == {}


def test_repeats_are_folded_and_reported_in_the_next_alert() -> None:
    """A second alert comes after suppress_us and says how many windows were folded in between."""
    p = policy(suppress_us=DAY_US)
    assert len(p.round(T0, [candidate(1, 5e-6)])) == 1
    for hour in range(1, 24):
        end = T0 + hour * HOUR_US
        assert p.round(end, [candidate(1, 5e-6, end)]) == []
    assert p.counts["suppressed"] == 23
    end = T0 + DAY_US
    (again,) = p.round(end, [candidate(1, 5e-6, end)])
    assert again.suppressed_repeats == 23


def test_only_the_worst_severity_breaks_the_silence_and_it_costs_nothing() -> None:
    """From medium to high is folded; to critical is said again, once, with a new id, and the budget is not asked."""
    p = policy(budget_per_day=1, critical_reserve=0.0)
    (medium,) = p.round(T0, [candidate(1, 5e-6)])
    end = T0 + HOUR_US
    assert p.round(end, [candidate(1, 5e-8, end)]) == []
    end += HOUR_US
    (critical,) = p.round(end, [candidate(1, 5e-10, end)])
    assert (medium.severity, critical.severity) == ("medium", "critical")
    assert medium.alert_id != critical.alert_id
    end += HOUR_US
    assert p.round(end, [candidate(1, 4e-10, end)]) == []
    assert subjects(p.round(T0 + DAY_US, [candidate(2, 5e-6, T0 + DAY_US)])) == [2]


def test_the_budget_goes_to_the_most_improbable_first() -> None:
    """With room for two, the best two of a round are alerted, most improbable first."""
    p = policy(budget_per_day=2, critical_reserve=0.0)
    assert subjects(p.round(T0, [candidate(s, 10.0**-s) for s in (5, 8, 6, 7)])) == [8, 7]
    assert p.counts["withheld.medium"] == 2
    assert p.waiting == 2


def test_the_whole_budget_can_be_used_when_evidence_comes() -> None:
    """No hour has a share of it: all of a day's may come in one round, and the next ones a day later."""
    p = policy(budget_per_day=5, critical_reserve=0.0)
    assert len(p.round(T0, [candidate(s, 1e-6) for s in range(9)])) == 5
    later = T0 + DAY_US - 1
    assert p.round(later, [candidate(20, 1e-6, later)]) == []
    later = T0 + DAY_US
    assert len(p.round(later, [candidate(30 + s, 1e-6, later) for s in range(9)])) == 5


def test_those_who_wait_are_alerted_when_there_is_room_again() -> None:
    """A withheld subject is not lost: when others' day is over it is alerted, with the id of its own window."""
    p = policy(budget_per_day=1, critical_reserve=0.0)
    p.round(T0, [candidate(1, 1e-8)])
    noon = T0 + 12 * HOUR_US
    assert p.round(noon, [candidate(2, 1e-6, noon)]) == []
    assert p.round(T0 + DAY_US - 1, []) == []
    (late,) = p.round(T0 + DAY_US, [])
    assert late.candidate == candidate(2, 1e-6, noon)
    assert late.raised_us == T0 + DAY_US
    assert p.counts["released"] == 1


def test_those_who_wait_give_up_when_their_evidence_expires() -> None:
    """A withheld subject without new evidence leaves the queue, and stays counted as withheld."""
    p = policy(budget_per_day=1, critical_reserve=0.0)
    p.round(T0, [candidate(1, 1e-8, lasts_us=HOUR_US), candidate(2, 1e-6, lasts_us=HOUR_US)])
    assert p.round(T0 + HOUR_US, []) == []
    assert p.waiting == 0
    assert p.round(T0 + 2 * DAY_US, []) == []
    assert (p.counts["withheld.medium"], p.counts["released"]) == (1, 0)


def test_the_last_of_the_budget_is_kept_for_the_worst_severity() -> None:
    """A flood of lesser alerts cannot spend the reserve; a critical one can."""
    p = policy(budget_per_day=10, critical_reserve=0.2)
    flood = [candidate(s, 5e-8) for s in range(20)]
    assert len(p.round(T0, flood)) == 8
    assert subjects(p.round(T0, [candidate(99, 1e-10)])) == [99]


def test_memory_is_bounded_by_time_and_by_capacity() -> None:
    """Silent subjects leave after a day; a flood of subjects makes the longest-silent leave, which is counted."""
    p = policy(capacity=100)
    for i in range(30):
        p.round(T0 + i * MINUTE_US, [candidate(s, 9e-4) for s in range(i * 10, i * 10 + 10)])
        assert len(p._tracks) <= 100
    assert p.counts["forgotten"] == 300 - len(p._tracks)
    assert 299 in p._tracks
    p.round(T0 + 2 * DAY_US, [])
    assert len(p._tracks) == 0


def test_a_snapshot_of_another_kind_is_refused() -> None:
    """Bytes that are not a policy's raise SnapshotError."""
    with pytest.raises(SnapshotError):
        PolicySpec().build("job", "digest", {}, b"rubbish")


@pytest.mark.parametrize(
    "settings",
    [
        {"budget_per_day": 0},
        {"line": 0.0},
        {"line": 1e-2, "candidate_line": 1e-3},
        {"suppress_us": -1},
        {"severities": (("low", 1e-3),)},
        {"severities": (("a", 0.5), ("b", 0.1), ("c", 1.0))},
        {"critical_reserve": 1.5},
        {"false_discovery_last": 0.0},
    ],
)
def test_settings_out_of_range_name_the_key(settings: dict[str, object]) -> None:
    """A ConfigError names the key, the value seen and what is allowed."""
    with pytest.raises(ConfigError, match=r"alerts\.\w+: seen .*, allowed: "):
        PolicySpec(**settings)  # type: ignore[arg-type]


def test_a_false_discovery_target_draws_the_line() -> None:
    """Of 10,000 subjects 50 have 1e-6 and 200 have 1e-3, where chance alone gives 10: at 2 % the 50 are alerted, at
    10 % all of them; five at 1e-3 alone are not, until `line` alerts whoever is so odd.
    """
    strong = [candidate(i, 1e-6) for i in range(50)]
    weak = [candidate(1000 + i, 1e-3) for i in range(200)]
    lines = {"line": 1e-7, "candidate_line": 1e-2, "budget_per_day": 10_000, "severities": (("low", 1.0),)}
    assert len(policy(false_discovery=0.02, **lines).round(T0, strong + weak, 10_000)) == 50
    assert len(policy(false_discovery=0.1, **lines).round(T0, strong + weak, 10_000)) == 250
    assert policy(false_discovery=0.1, **lines).round(T0, weak[:5], 10_000) == []
    assert len(policy(false_discovery=0.1, **(lines | {"line": 1e-3})).round(T0, weak[:5], 10_000)) == 5


def test_the_line_does_not_rise_for_a_few() -> None:
    """Among thirteen people four at 1e-3 are no attack, whatever the target says; five are.  Of 500, four do not become
    one by a fifth who is more likely a person than not.
    """
    lines = {"line": 1e-7, "candidate_line": 1e-2, "false_discovery": 0.1}
    for odd, alerted in ((4, 0), (5, 5)):
        assert len(policy(**lines).round(T0, [candidate(i, 1e-3) for i in range(odd)], 13)) == alerted
    with_a_person = [*(candidate(i, 1e-4) for i in range(4)), candidate(4, 1e-3)]
    assert policy(**lines).round(T0, with_a_person, 500) == []


def test_the_line_never_rises_above_the_candidate_line() -> None:
    """However many are odd."""
    lines = {"line": 1e-7, "candidate_line": 1e-3, "budget_per_day": 10_000}
    odd = [candidate(i, 1e-6) for i in range(900)] + [candidate(1000, 2e-3)]
    assert len(policy(false_discovery=0.5, **lines).round(T0, odd, 1000)) == 900


def test_of_what_a_target_lets_through_no_more_than_its_share_is_false() -> None:
    """Simulated days of 2,000 genuine subjects and 40 attackers: on average at most a tenth of the alerts is false."""
    rng = np.random.default_rng(1)
    lines = {"line": 1e-7, "candidate_line": 1e-2, "budget_per_day": 10_000, "severities": (("low", 1.0),)}
    shares = []
    for _ in range(200):
        p = np.concatenate([rng.random(2000), 10.0 ** -rng.uniform(2, 6, 40)])
        found = [candidate(i, float(p[i])) for i in np.flatnonzero(p <= 1e-2).tolist()]
        alerts = subjects(policy(false_discovery=0.1, **lines).round(T0, found, 2040))
        shares.append(sum(s < 2000 for s in alerts) / max(len(alerts), 1))
        assert len(alerts) > 15
    assert 0.04 < np.mean(shares) <= 0.11


def test_attackers_who_are_sure_do_not_pay_for_people() -> None:
    """240 of whom nobody doubts, beside 2,000 people: at 3 % some seven of these go with them, and no further attacker.
    Of the last whom the line takes in one in five may be a person: then hardly anybody.
    """
    rng = np.random.default_rng(4)
    lines = {"line": 1e-7, "candidate_line": 1e-2, "budget_per_day": 10_000, "false_discovery": 0.03}
    accused = {0.2: 0, 1.0: 0}
    for _ in range(20):
        p = np.concatenate([np.full(240, 1e-6), rng.random(2000)])
        found = [candidate(i, float(p[i])) for i in np.flatnonzero(p <= 1e-2).tolist()]
        for last in accused:
            alerted = subjects(policy(false_discovery_last=last, **lines).round(T0, found, 2240))
            assert sum(s < 240 for s in alerted) == 240
            accused[last] += sum(s >= 240 for s in alerted)
    assert accused[0.2] <= 20 < 60 < accused[1.0]


def test_the_last_are_taken_in_while_most_of_them_are_attackers() -> None:
    """Behind 40 who are sure of 2,000: 20 more at a thousandth, where chance gives two, go with them; five do not."""
    lines = {"line": 1e-7, "candidate_line": 1e-2, "budget_per_day": 10_000, "false_discovery": 0.1}
    for weak, alerted in ((20, 60), (5, 40)):
        odd = [candidate(i, 1e-6) for i in range(40)] + [candidate(100 + i, 1e-3) for i in range(weak)]
        assert len(policy(**lines).round(T0, odd, 2000)) == alerted


@pytest.mark.parametrize("seed", range(3))
def test_evidence_that_is_remembered_is_that_which_counts(seed: int) -> None:
    """What a subject's evidence comes to is kept until it changes or ends: a policy that forgets it after each round,
    by a restart, says the same.
    """
    rng = np.random.default_rng(seed)
    spec = PolicySpec(line=1e-4, candidate_line=1e-2, false_discovery=0.05, suppress_us=2 * HOUR_US, budget_per_day=9)
    weights = {"w1h": 1.0, "w24h": 2.0, "w5m": 0.0}
    kept, again = (spec.build("job", "digest", {"": weights}) for _ in range(2))
    said = []
    for end_us in range(T0, T0 + DAY_US, 10 * MINUTE_US):
        found = [
            candidate(int(who), 10 ** -rng.uniform(2, 6), end_us, str(rng.choice(list(weights))), lasts_us=HOUR_US)
            for who in rng.integers(0, 30, rng.integers(0, 6))
        ]
        alerts = kept.round(end_us, found, subjects=200)
        assert again.round(end_us, found, subjects=200) == alerts
        again = spec.build("job", "digest", {"": weights}, resume=again.snapshot())
        said += alerts
    assert len(said) >= 5
    assert kept.snapshot() == again.snapshot()
