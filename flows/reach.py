"""Reach: how improbable each window can find a day of a subject's life, beside the lines that alerts are drawn by.

Nothing is more improbable than a calibration's floor, and what one detector or window finds is weighed with the silence
of the others.  A line below all that is the same as no alerts, and nothing else would show it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.alerting.policy import combine_windows
from detectors.combine import combine
from detectors.tail import least_after
from flows.job import Job
from flows.judgement import DetectorUse, Judgement
from state.windows import WindowSpec

_SMALLEST: Final = 1e-300
"""Of what may be any."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The smallest tail probability of a subject's day that can be told.

    windows: window -> where all that learns in it finds a subject as odd as can be, and no other window does.
    together: where all windows do.  declared: of the rules; 1 where there are none.
    """

    windows: dict[str, float]
    together: float
    declared: float


def reach(job: Job) -> Reach:
    """What this job can tell.  Weights that detectors earn (`combination`) are not known yet, and left out."""
    least, weights, declared, judgement = {}, {}, 1.0, job.judgement
    for w in job.stream.windows:
        uses = [use for use in judgement.detectors if w.window.name in use.windows]
        learned = [use for use in uses if not use.spec.declared]
        told = {use: _of_day(judgement, w.window, use) for use in uses}
        declared = min([declared, *(told[use] for use in uses if use.spec.declared)])
        if learned:
            of_each, weight = np.array([[told[use]] for use in learned]), np.array([use.weight for use in learned])
            least[w.window.name] = float(combine(of_each, weight, judgement.combination)[0])
            weights[w.window.name] = float(weight.sum())
    return Reach(
        {window: combine_windows({window: p}, weights) for window, p in least.items()},
        combine_windows(least, weights),
        declared,
    )


def no_alerts(job: Job) -> str:
    """Why no subject can ever be alerted, in words for people, with the keys; "" where some can."""
    found, judgement = reach(job), job.judgement
    policy = judgement.policy
    if not judgement.detectors or min(found.together, found.declared) <= policy.line:
        return ""
    floor = judgement.calibration.floor
    least = f"{found.together:.2g} is the least that its detectors can tell (calibration.floor = {floor:g})"
    if found.together > policy.candidate_line:
        return f"alerts.candidate_line = {policy.candidate_line:g}: {least}. Raise the line or lower the floor"
    if not policy.false_discovery:
        return (
            f"alerts.line = {policy.line:g}: {least}, and with alerts.false_discovery = 0 the line never rises."
            " Raise it or lower the floor"
        )
    return ""


def _of_day(judgement: Judgement, window: WindowSpec, use: DetectorUse) -> float:
    """The smallest tail probability of a day that a detector tells."""
    p = least_after(judgement.calibration.floor) if use.spec.calibrated else use.spec.least
    return max(float(window.of_day(np.array([p]), of_window=not use.spec.calibrated)[0]), _SMALLEST)
