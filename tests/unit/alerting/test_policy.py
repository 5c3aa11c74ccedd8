"""The alert policy, one rule per test."""

import numpy as np
import pytest

from detectors.alerting.alert import Alert, Candidate
from detectors.alerting.policy import AlertPolicy, PolicySpec, combine
from state.errors import ConfigError, SnapshotError
from state.types import DAY_US, HOUR_US, MINUTE_US

LINES = {
    "line": 1e-4,
    "candidate_line": 1e-3,
    "severities": (("critical", 1e-9), ("high", 1e-7), ("medium", 1e-5), ("low", 1.0)),
}
T0 = 1_767_225_600_000_000


def candidate(subject: int, p: float, end_us: int = T0, window: str = "w1h") -> Candidate:
    return Candidate(subject, f"u{subject}", "all", 0, window, end_us - HOUR_US, end_us, end_us, p)


def policy(**settings: object) -> AlertPolicy:
    return PolicySpec(**(LINES | settings)).build("job", "digest")  # type: ignore[arg-type]


def subjects(alerts: list[Alert]) -> list[int]:
    return [a.candidate.subject for a in alerts]


def test_agreeing_windows_add_up_and_one_alone_keeps_its_own() -> None:
    """K windows at p give p / K; a window far weaker than another changes nothing that matters."""
    assert combine([1e-5]) == pytest.approx(1e-5)
    assert combine([1e-5] * 4) == pytest.approx(2.5e-6)
    assert combine([1e-9, 1e-3]) == pytest.approx(1e-9, rel=1e-5)
    assert combine([1.0, 1.0, 1.0]) < 1.0
    assert 0 < combine([0.0]) <= 1e-299


def test_only_evidence_at_or_below_the_line_becomes_an_alert() -> None:
    """A candidate above the line waits for more evidence and costs no token."""
    p = policy(line=1e-4)
    assert subjects(p.round(T0, [candidate(1, 2e-4), candidate(2, 1e-4)])) == [2]
    assert p.counts == {"candidates": 2, "alerts.low": 1, "released": 0}


def test_weak_windows_of_two_kinds_make_one_alert_together() -> None:
    """Two kinds of windows at 1.6e-4 are below the line of 1e-4 together; two of the same kind are not."""
    p = policy(line=1e-4)
    assert p.round(T0, [candidate(1, 1.6e-4, window="w1h"), candidate(2, 1.6e-4, window="w1h")]) == []
    later = T0 + 5 * MINUTE_US
    alerts = p.round(later, [candidate(1, 1.6e-4, later, "w5m"), candidate(2, 1.6e-4, later, "w1h")])
    assert subjects(alerts) == [1]
    assert alerts[0].tail_probability == pytest.approx(8e-5)
    assert [e.window for e in alerts[0].evidence] == ["w1h", "w5m"]
    assert alerts[0].first_us == T0 - HOUR_US
    assert alerts[0].last_us == later


def test_evidence_expires() -> None:
    """A window older than evidence_us no longer helps a new one over the line."""
    p = policy(line=1e-4, evidence_us=HOUR_US)
    p.round(T0, [candidate(1, 1.6e-4, window="w1h")])
    later = T0 + HOUR_US
    assert p.round(later, [candidate(1, 1.6e-4, later, "w5m")]) == []


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


def test_a_worse_severity_breaks_the_silence_once() -> None:
    """An alert that rises from medium to high is raised again, with a new id; a second high one is folded."""
    p = policy()
    (medium,) = p.round(T0, [candidate(1, 5e-6)])
    end = T0 + HOUR_US
    (high,) = p.round(end, [candidate(1, 5e-8, end)])
    assert (medium.severity, high.severity) == ("medium", "high")
    assert medium.alert_id != high.alert_id
    end += HOUR_US
    assert p.round(end, [candidate(1, 4e-8, end)]) == []


def test_tokens_go_to_the_most_improbable_first() -> None:
    """With room for two, the best two of a round are alerted, most improbable first."""
    p = policy(budget_burst=2, critical_reserve=0.0)
    assert subjects(p.round(T0, [candidate(s, 10.0**-s) for s in (5, 8, 6, 7)])) == [8, 7]
    assert p.counts["withheld.medium"] == 2
    assert p.waiting == 2


def test_those_who_wait_are_alerted_when_tokens_come_back() -> None:
    """A withheld subject is not lost: as the bucket refills it is alerted, with the id of its own window."""
    p = policy(budget_per_day=24, budget_burst=1)
    p.round(T0, [candidate(1, 1e-8), candidate(2, 1e-6)])
    assert p.round(T0 + HOUR_US - 1, []) == []
    (late,) = p.round(T0 + HOUR_US, [])
    assert late.candidate == candidate(2, 1e-6)
    assert late.raised_us == T0 + HOUR_US
    assert p.counts["released"] == 1


def test_those_who_wait_give_up_when_their_evidence_expires() -> None:
    """A withheld subject without new evidence leaves the queue, and stays counted as withheld."""
    p = policy(budget_per_day=1, budget_burst=1, evidence_us=HOUR_US)
    p.round(T0, [candidate(1, 1e-8), candidate(2, 1e-6)])
    assert p.round(T0 + HOUR_US, []) == []
    assert p.waiting == 0
    assert p.round(T0 + 2 * DAY_US, []) == []
    assert (p.counts["withheld.medium"], p.counts["released"]) == (1, 0)


def test_no_more_wait_than_a_days_budget_could_serve() -> None:
    """Of 100 refused subjects the most improbable 11 wait; the others contend again only with new evidence."""
    p = policy(budget_per_day=10, budget_burst=1, critical_reserve=0.0)
    p.round(T0, [candidate(s, 1e-6 - s * 1e-9) for s in range(100)])
    assert p.waiting == 11
    assert p.counts["withheld.medium"] == 99
    later = T0 + DAY_US // 10
    assert subjects(p.round(later, [candidate(0, 1e-8, later)])) == [0]
    assert p.counts["withheld.medium"] == 99
    assert p.counts["released"] == 1


def test_the_last_tokens_are_kept_for_the_worst_severity() -> None:
    """A flood of lesser alerts cannot spend the reserve; a critical one can."""
    p = policy(budget_burst=10, critical_reserve=0.2)
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
        PolicySpec().build("job", "digest", b"rubbish")


@pytest.mark.parametrize(
    "settings",
    [
        {"budget_per_day": 0},
        {"budget_burst": 0},
        {"line": 0.0},
        {"line": 1e-2, "candidate_line": 1e-3},
        {"suppress_us": -1},
        {"severities": (("low", 1e-3),)},
        {"severities": (("a", 0.5), ("b", 0.1), ("c", 1.0))},
        {"critical_reserve": 1.5},
    ],
)
def test_settings_out_of_range_name_the_key(settings: dict[str, object]) -> None:
    """A ConfigError names the key, the value seen and what is allowed."""
    with pytest.raises(ConfigError, match=r"alerts\.\w+: seen .*, allowed: "):
        PolicySpec(**settings)  # type: ignore[arg-type]


def test_a_false_discovery_target_draws_the_line() -> None:
    """Of 10,000 subject-days 50 have 1e-6 and 200 have 1e-3, where chance alone gives 10: at 10 % the 50 are alerted,
    at 50 % all of them; at 10 % of the 50 days no single 1e-3 is.
    """
    strong = [candidate(i, 1e-6) for i in range(50)]
    weak = [candidate(1000 + i, 1e-3) for i in range(200)]
    lines = {"line": 1e-2, "candidate_line": 1e-2, "budget_per_day": 10_000, "severities": (("low", 1.0),)}
    many = 10_000 * DAY_US
    assert len(policy(false_discovery=0.02, **lines).round(T0, strong + weak, many)) == 50
    assert len(policy(false_discovery=0.1, **lines).round(T0, strong + weak, many)) == 250
    assert policy(false_discovery=0.1, **lines).round(T0, weak[:5], many) == []
    assert len(policy(**lines).round(T0, weak[:5], many)) == 5


def test_subject_days_count_for_a_day_and_survive_a_snapshot() -> None:
    """Evidence that was too weak among many is enough once they are forgotten."""
    spec = PolicySpec(line=1e-2, candidate_line=1e-2, false_discovery=0.1, severities=(("low", 1.0),))
    first = spec.build("job", "digest")
    assert first.round(T0, [candidate(1, 1e-4)], 10_000 * DAY_US) == []
    again = spec.build("job", "digest", first.snapshot())
    later = T0 + 23 * HOUR_US
    assert again.round(later, [candidate(2, 1e-4, later)]) == []
    later = T0 + 25 * HOUR_US
    assert subjects(again.round(later, [candidate(3, 1e-4, later)], 100 * DAY_US)) == [3]


def test_of_what_a_target_lets_through_no_more_than_its_share_is_false() -> None:
    """Simulated days of 2,000 genuine subjects and 40 attackers: on average at most a tenth of the alerts is false."""
    rng = np.random.default_rng(1)
    lines = {"line": 1e-2, "candidate_line": 1e-2, "budget_per_day": 10_000, "severities": (("low", 1.0),)}
    shares = []
    for _ in range(200):
        p = np.concatenate([rng.random(2000), 10.0 ** -rng.uniform(2, 6, 40)])
        found = [candidate(i, float(p[i])) for i in np.flatnonzero(p <= 1e-2).tolist()]
        alerts = subjects(policy(false_discovery=0.1, **lines).round(T0, found, 2040 * DAY_US))
        shares.append(sum(s < 2000 for s in alerts) / max(len(alerts), 1))
        assert len(alerts) > 15
    assert np.mean(shares) <= 0.11
