"""Drift that says why: planted causes, through the monitors, on a small population with a daily rhythm."""

from dataclasses import replace

import numpy as np
import pytest

from detectors.drift.cause import Cause, Causes, Look
from detectors.drift.event import DriftEvent, Reaction, Watch
from detectors.drift.spec import DriftSpec
from state.errors import ConfigError
from state.types import HOUR_US
from tests.unit.drift.test_monitors import (
    FOURTH_DAY,
    T0,
    Change,
    Round,
    attack,
    build,
    lived,
    nulls,
    play,
    seen,
    shift,
    unit_change,
)

__all__ = ["lived"]


def stuck(r: Round, rng: np.random.Generator) -> None:
    """A field says the same of everybody."""
    r.x[:, 1] = 3.0


def wave(r: Round, rng: np.random.Generator) -> None:
    """More candidates, and the scores that made them so."""
    attack(r, rng)
    r.scores["trees"] = r.scores["trees"] + 0.03


def drifting_scores(r: Round, rng: np.random.Generator) -> None:
    """A detector's scores move, nothing else."""
    r.scores["trees"] = r.scores["trees"] + 0.03


@pytest.mark.parametrize(
    ("change", "first", "evidence"),
    [
        (unit_change, Cause.DATA_FAULT, "1,000 times as small: another unit"),
        (nulls(0.5), Cause.DATA_FAULT, "of its values are missing"),
        (stuck, Cause.DATA_FAULT, "no longer varies"),
        (shift(1.0), Cause.POPULATION_SHIFT, "and it varies as it did"),
        (attack, Cause.ATTACK_WAVE, "no feature of the population has moved"),
        (drifting_scores, Cause.DETECTOR_DECAY, "its scores moved, and no feature did"),
    ],
    ids=["unit", "nulls", "stuck", "shift", "attack", "decay"],
)
def test_a_planted_cause_is_named(lived: dict[int, bytes], change: Change, first: Cause, evidence: str) -> None:
    """With the evidence that decided."""
    event = seen(build(resume=lived[FOURTH_DAY]), play(48, start=FOURTH_DAY, change=change))[0]
    assert event.cause == first
    assert evidence in event.evidence
    assert event.to_record()["cause"] == str(first)


def test_what_follows_another_change_is_part_of_it(lived: dict[int, bytes]) -> None:
    """Scores that move in a wave are the wave's, not a detector's decay."""
    found = seen(build(resume=lived[FOURTH_DAY]), play(60, start=FOURTH_DAY, change=wave))
    assert {e.what for e in found} == {Watch.ALERT_RATE, Watch.SCORE}
    later = [e for e in found if e.what is Watch.SCORE and e.at_us >= found[0].at_us]
    if found[0].what is Watch.ALERT_RATE:
        assert {e.cause for e in later} == {str(Cause.ATTACK_WAVE)}


def event(what: Watch, before: float, after: float, at_us: int = T0, name: str = "x") -> DriftEvent:
    return DriftEvent(what, name, "free", "w5m", "adwin", at_us, at_us, before, after, 4.0, Reaction.NOTIFY)


def test_errors_after_a_broken_feature_are_its_fault() -> None:
    """And a model's own after the memory is over."""
    causes = Causes(HOUR_US)
    assert causes.of(event(Watch.MISSING, 0.0, 0.9))[0] is Cause.DATA_FAULT
    assert causes.of(event(Watch.ERROR, 0.1, 0.4, T0 + HOUR_US // 2))[0] is Cause.DATA_FAULT
    assert causes.of(event(Watch.ERROR, 0.1, 0.4, T0 + 3 * HOUR_US))[0] is Cause.DETECTOR_DECAY
    again = Causes(HOUR_US)
    again.restore(causes.state())
    assert again.state() == causes.state()


def test_a_small_move_is_no_unit() -> None:
    """A ratio of ten within two standard deviations is what people do."""
    near = replace(event(Watch.FEATURE, 1.0, 10.0), size=2.0)
    assert Causes(HOUR_US).of(near, Look(10.0, 1.0))[0] is Cause.POPULATION_SHIFT
    assert Causes(HOUR_US).of(event(Watch.FEATURE, 1.0, 10.0), Look(10.0, 1.0))[0] is Cause.DATA_FAULT


def test_each_cause_has_its_reaction(lived: dict[int, bytes]) -> None:
    """Before that of the monitor; a word that is none is refused."""
    spec = DriftSpec(on_data_fault="mute", on_attack_wave="freeze")
    for change, reaction in ((unit_change, Reaction.MUTE), (attack, Reaction.FREEZE), (shift(1.0), Reaction.NOTIFY)):
        first = seen(build(spec, resume=lived[FOURTH_DAY]), play(48, start=FOURTH_DAY, change=change))[0]
        assert first.reaction is reaction
    with pytest.raises(ConfigError, match=r"drift\.on_data_fault: seen 'scream', allowed: one of notify, freeze"):
        DriftSpec(on_data_fault="scream")
