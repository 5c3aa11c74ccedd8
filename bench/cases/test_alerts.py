"""The alert policy: rounds of candidates, as many as it can alert and far more than it can."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import Size, candidate, fingerprint, fresh, tell
from detectors.alerting.alert import Alert
from detectors.alerting.campaigns import CampaignAlert
from detectors.alerting.policy import AlertPolicy, PolicySpec
from state.types import MINUTE_US

_SPEC = PolicySpec()
_ROUNDS = 48


@pytest.mark.benchmark(group="alerts")
@pytest.mark.parametrize("per_round", [1, 32, 1024])
def test_policy(benchmark: BenchmarkFixture, size: Size, per_round: int) -> None:
    """Four hours of rounds; every subject comes back every twelfth round, so that some are folded and many wait."""
    per_round = size(min(per_round, 128), per_round)
    rounds = [
        (
            end * 5 * MINUTE_US,
            [candidate(end % 12 * per_round + i, end * 5 * MINUTE_US, 1e-6 * (1 + i)) for i in range(per_round)],
        )
        for end in range(1, _ROUNDS + 1)
    ]

    def judge(policy: AlertPolicy) -> tuple[AlertPolicy, list[Alert | CampaignAlert]]:
        return policy, [alert for end_us, candidates in rounds for alert in policy.round(end_us, candidates)]

    policy, alerts = fresh(benchmark, lambda: _SPEC.build("bench", "digest", {"": {"w5m": 1.0}}), judge)
    evidence = sum(c.tail_probability <= _SPEC.candidate_line for _, candidates in rounds for c in candidates)
    assert policy.counts["candidates"] == evidence
    assert 0 < len(alerts) <= _SPEC.budget_per_day
    assert len({a.candidate.subject for a in alerts if isinstance(a, Alert)}) == len(alerts), (
        "nobody is alerted twice in four hours"
    )
    tell(
        benchmark,
        per="candidate",
        n=_ROUNDS * per_round,
        result=fingerprint([alert.alert_id for alert in alerts], sorted(policy.counts.items())),
        per_round=per_round,
        alerts=len(alerts),
        waiting=policy.waiting,
    )
