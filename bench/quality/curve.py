"""Time to detection against false alerts: the same evidence under other lines of the alert policy."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from bench.quality.record import Recording
from bench.quality.replay import alert
from detectors.alerting.policy import PolicySpec
from flows.job import Job
from flows.operators.messages import Leaving, PolicyInput
from flows.simulate.evaluation import evaluate

LINES: Final = (1e-5, 5e-5, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3)
"""Fixed lines, without a line by false discovery."""
SHARES: Final = (0.01, 0.03, 0.1, 0.3)
"""Accepted shares of false alerts, above the line of the configuration."""


def curve(
    judged: Sequence[PolicyInput | Leaving], job: Job, recording: Recording, genuine_days: int
) -> list[dict[str, Any]]:
    """One point per setting: false alerts per 1,000 genuine subject-days, recall, medians by kind of campaign."""
    told = [message for message in judged if isinstance(message, PolicyInput)]
    settings = [(0.0, line) for line in LINES if line <= job.judgement.policy.candidate_line]
    settings += [(share, job.judgement.policy.line) for share in SHARES]
    return [
        _point(told, job, replace(job.judgement.policy, false_discovery=q, line=line), recording, genuine_days)
        for q, line in settings
    ]


def _point(
    told: Sequence[PolicyInput], job: Job, policy: PolicySpec, recording: Recording, genuine_days: int
) -> dict[str, Any]:
    whole = evaluate(alert(told, job.with_judgement(policy=policy)).alerts, recording.truth)
    times = {c.name: c.detection_s for c in whole.campaigns}
    return {
        "false_discovery": policy.false_discovery,
        "line": policy.line,
        "alerts": whole.alerts,
        "false_per_1000": 1000 * (whole.alerts - whole.true_alerts) / genuine_days if genuine_days else None,
        "precision": whole.precision,
        "recall": whole.recall,
        "median_ttd_s": times,
        "slowest_s": max((t for t in times.values() if t is not None), default=None),
    }
