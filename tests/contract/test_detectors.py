"""Every registered detector is a good citizen."""

import pytest

from detectors.base import DetectorSpec
from detectors.checks import Check, yield_checks
from detectors.discord import DiscordSpec
from detectors.registry import BUILT_IN, detector_types
from detectors.resonance import ResonanceSpec
from detectors.river_model import Part, RiverModelSpec
from detectors.rules import Bound, Rule, RulesSpec
from detectors.seasonal import SeasonalDeviationSpec

SPECS: dict[str, DetectorSpec] = {
    # The defaults of "rules" are no rules; those of "river" cost 0.1 ms a row.
    "rules": RulesSpec((Rule("faster_than_time", "play_time_ratio", above=1.5, unless=(Bound("plays", below=5.0),)),)),
    "river": RiverModelSpec(params=(("n_random_cuts", 5), ("seed", 1)), learn_rows_max=64),
    # The kit's subjects have a few dozen hours of past.
    "seasonal_deviation": SeasonalDeviationSpec(period_hours=2, part_minutes=60, visits=1, short_rows=1.0, warmup=4),
    "discord": DiscordSpec(length=2, ready=1, neighbours=1, short_rows=1.0, warmup=4),
    "resonance": ResonanceSpec(length=2, warmup=12),
}


def spec_of(type_: str) -> DetectorSpec:
    return SPECS.get(type_) or detector_types()[type_]()


JUDGE = RiverModelSpec(
    "river.linear_model.LogisticRegression", (), (Part("river.preprocessing.StandardScaler"),), learn_rows_max=64
)
ALL: dict[str, DetectorSpec] = {t: spec_of(t) for t in detector_types()} | {"river, with labels": JUDGE}
CASES = [pytest.param(c, id=f"{name}: {c}") for name, spec in ALL.items() for c in yield_checks(spec)]


@pytest.mark.parametrize("check", CASES)
def test_contract(check: Check) -> None:
    """The public kit, as a plug-in's author runs it."""
    check.run()


def test_every_built_in_detector_is_registered_and_checked() -> None:
    """The registry holds them all, under their own words."""
    assert {spec.type for spec in BUILT_IN} <= set(detector_types())
    assert all(detector_types()[spec.type] is spec for spec in BUILT_IN)
