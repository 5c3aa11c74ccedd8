"""What a detector may cost."""

import time
from typing import Final

from detectors.base import DetectorSpec
from detectors.checks.world import lesson, trained
from state.check import must

_TRIES: Final = 5
"""The best of so many rounds counts: others may have met a busy machine."""


def within_budget(spec: DetectorSpec) -> None:
    """CPU per row of a round that is scored and learned."""
    detector, world = trained(spec)
    best_us = float("inf")
    for _ in range(_TRIES):
        rows = world.round()
        started_ns = time.process_time_ns()
        detector.score(rows)
        detector.learn(lesson(spec, rows))
        best_us = min(best_us, (time.process_time_ns() - started_ns) / 1e3 / len(rows))
    must(
        best_us <= spec.budget_us, f"scoring and learning a row took {best_us:.1f} us of CPU, in rounds of {len(rows)}"
    )
