"""Whether verdicts got worse by more than noise: fewer attackers found, or more people accused."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

_DEVIATIONS = 2.0


def mistakes(figures: Mapping[str, Any]) -> dict[str, int]:
    """What is counted, by name: false alerts; attackers missed by the end of the attack's first day, and of the run."""
    first = figures["days"][min(figures["attack_day"], len(figures["days"])) - 1]
    return {
        "false alerts": figures["false_alerts"],
        "missed on the first day": first["acting"] - first["found"],
        "missed": figures["missed"],
    }


def campaign_mistakes(figures: Mapping[str, Any]) -> dict[str, int]:
    """The same of a harder world: campaigns of people, at any time; attackers found neither by alert nor as members."""
    return {"campaigns of people": figures["false_ever"], "missed": figures["missed"]}


def worse(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """What rose by more than two standard deviations of a difference of two Poisson counts, in words."""
    return [
        f"{name} {before[name]:,} → {count:,}"
        for name, count in after.items()
        if name in before and count - before[name] > _DEVIATIONS * sqrt(count + before[name])
    ]
