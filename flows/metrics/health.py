"""What /livez and /readyz answer."""

from typing import Any, Final

from flows.metrics.overview import Overview
from state.times import iso

HUNG_S: Final = 600.0
"""A process that has told nothing, or been at one piece of work, for so long does not come back by itself."""


def alive(overview: Overview) -> tuple[bool, dict[str, Any]]:
    """Whether the run can go on as it is; and, also while it is stuck, when each stage last moved.

    False means that only a new start helps.
    """
    now_s, latest = overview.now_s, dict(overview.latest)
    reasons = [
        f"process {n} has told nothing for {now_s - seen.at_s:.0f} s"
        for n, seen in sorted(latest.items())
        if now_s - seen.at_s > HUNG_S
    ]
    stages: dict[str, Any] = {}
    for stage in overview.facts.stages:
        moved_s = max((seen.moved.get(stage, 0.0) for seen in latest.values()), default=0.0)
        working_s = max((seen.at_s - seen.working.get(stage, seen.at_s) for seen in latest.values()), default=0.0)
        stages[stage] = {
            "moved": iso(int(moved_s * 1e6)) if moved_s else None,
            "seconds_ago": round(max(now_s - moved_s, 0.0), 1) if moved_s else None,
            "working_for_s": round(working_s, 1),
        }
        if working_s > HUNG_S:
            reasons.append(f"stage {stage} has been at one piece of work for {working_s:.0f} s")
    return not reasons, {"alive": not reasons, "reasons": reasons, "stages": stages, "restarts": overview.restarts}


def ready(overview: Overview) -> tuple[bool, dict[str, Any]]:
    """Whether state is restored and all sources are assigned; else why not."""
    reasons = overview.unready()
    return not reasons, {"ready": not reasons, "reasons": reasons}
