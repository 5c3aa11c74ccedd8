"""Extremes: probabilities of people, attackers among them in any number, and what they share."""

from dataclasses import replace

import numpy as np
import pytest

from detectors.base import Direction, FeatureInfo, Rows
from detectors.extremes import Extremes, ExtremesSpec
from state.errors import ConfigError, SnapshotError
from state.types import HOUR_US

FEATURES = (
    FeatureInfo("plays", log=True),
    FeatureInfo("tracks", log=True),
    FeatureInfo("skips", Direction.LOW, low=0.0),
    FeatureInfo("share", low=0.0, high=1.0),
)
SPEC = ExtremesSpec(ready_hours=0, settle_hours=0)


def crowd(people: int, attackers: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) rows and (n,) which are attackers'.  They never skip, and play much, each third of them twice as much as
    the one before; people differ in everything.
    """
    rng = np.random.default_rng(seed)
    n = people + attackers
    x = np.stack(
        [
            np.floor(np.exp(rng.normal(2.5, 1.0, n))),
            np.floor(np.exp(rng.normal(2.0, 1.0, n))),
            rng.gamma(2.0, 0.3, n),
            rng.beta(2, 5, n),
        ],
        axis=1,
    )
    odd = np.arange(n) >= people
    farm = 2.0 ** (np.arange(attackers) % 3)
    x[odd, 0] = np.floor(rng.integers(400, 700, attackers) * farm)
    x[odd, 1] = np.floor(rng.integers(200, 350, attackers) * farm)
    x[odd, 2] = 0.0
    return x, odd


def rows_of(x: np.ndarray, end_us: int) -> Rows:
    n = len(x)
    at = np.full(n, end_us)
    return Rows("w24h", end_us, x, np.arange(1, n + 1, dtype=np.uint64), at - 24 * HOUR_US, at, slides=True)


def p_of(x: np.ndarray, spec: ExtremesSpec = SPEC) -> tuple[np.ndarray, Extremes]:
    detector = spec.build(FEATURES)
    detector.learn(rows_of(x, HOUR_US))
    return 10.0 ** -detector.score(rows_of(x, 2 * HOUR_US)), detector


@pytest.mark.parametrize("n", [500, 2000, 8000])
def test_probabilities_of_people_are_what_they_say(n: int) -> None:
    """Among people alone, about one in a hundred is at a hundredth; over ten samples within a factor of two."""
    p = np.concatenate([p_of(crowd(n, 0, seed)[0])[0] for seed in range(10)])
    for level in (0.1, 0.01, *((1e-3,) if n > 500 else ())):
        assert level / 2 < (p <= level).mean() < 2 * level, level


@pytest.mark.parametrize("share", [0.005, 0.03, 0.1, 0.25])
def test_attackers_are_told_from_people_however_many_they_are(share: float) -> None:
    """Those beyond a hundredth are attackers, nearly all of them, and nearly nobody else."""
    x, odd = crowd(3000, round(3000 * share / (1 - share)), seed=1)
    p, detector = p_of(x)
    assert (p[odd] <= 1e-3).mean() > 0.97
    assert (p[~odd] <= 1e-3).mean() < 5e-3
    wave = detector.wave(rows_of(x, 2 * HOUR_US))
    if share < 0.05:
        assert wave is None
    else:
        assert wave is not None
        assert wave.share == pytest.approx(odd.mean(), rel=0.1)
        assert set(wave.features[:2]) == {"plays", "tracks"}


def test_who_looked_odd_once_is_not_odd_for_ever() -> None:
    """After an attack that everybody joins, everybody is a person again."""
    detector = SPEC.build(FEATURES)
    x, odd = crowd(2000, 200, seed=2)
    detector.learn(rows_of(x, HOUR_US))
    assert (10.0 ** -detector.score(rows_of(x, 2 * HOUR_US)) <= 1e-3)[odd].all()
    again = crowd(2200, 0, seed=3)[0]
    detector.learn(rows_of(again, 2 * HOUR_US))
    p = 10.0 ** -detector.score(rows_of(again, 3 * HOUR_US))
    assert (p[odd] <= 1e-2).mean() < 0.05


def test_a_small_group_waits_for_a_settled_stream_and_a_large_one_does_not() -> None:
    """The first hours are no sample of a day; but an attack of a quarter is one, and so is one in thirty.  It
    is told as a wave from one in twenty on.
    """
    spec = ExtremesSpec(ready_hours=0, settle_hours=5)
    for attackers, found, told in ((60, False, False), (130, True, False), (1000, True, True)):
        x, odd = crowd(3000, attackers, seed=4)
        p, detector = p_of(x, spec)
        assert bool((p[odd] <= 1e-3).mean() > 0.9) is found
        assert (detector.wave(rows_of(x, 2 * HOUR_US)) is not None) is told


def test_behind_the_plain_ones_others_are_found() -> None:
    """Of 14 % attackers a third is plain, and hides the rest, who play twelve times as much as people."""
    rng = np.random.default_rng(1)
    x, odd = crowd(1250, 202, seed=1)
    rest = np.arange(len(x)) >= 1250 + 62
    x[odd & ~rest, :2] = rng.integers(2000, 3000, (62, 2))
    x[odd & ~rest, 3] = 0.99
    x[rest, 0] = np.floor(np.exp(rng.normal(5.0, 0.3, 140)))
    x[rest, 1] = np.floor(np.exp(rng.normal(4.5, 0.3, 140)))
    x[rest, 2] = rng.gamma(2.0, 0.02, 140)
    p, _ = p_of(x)
    assert (p[odd] <= 1e-3).mean() > 0.9
    assert (p[~odd] <= 1e-2).mean() < 0.03


def test_nothing_is_said_before_the_stream_is_ready() -> None:
    """Too few subjects, or too few hours."""
    x = crowd(300, 0, seed=5)[0]
    young = ExtremesSpec(ready_hours=3).build(FEATURES)
    for hour in range(1, 5):
        young.learn(rows_of(x, hour * HOUR_US))
        assert np.isnan(young.score(rows_of(x, (hour + 1) * HOUR_US))).all() == (hour < 4)
    few = SPEC.build(FEATURES)
    few.learn(rows_of(x[:200], HOUR_US))
    assert np.isnan(few.score(rows_of(x, 2 * HOUR_US))).all()


def test_missing_values_count_as_an_average_persons() -> None:
    """A row without one value is comparable, one without any has no score."""
    x = crowd(2000, 0, seed=6)[0]
    _, detector = p_of(x)
    probe = np.array([[15.0, np.nan, 0.5, 0.3], [np.nan] * 4, [2000.0, np.nan, 0.0, 0.9]])
    score = detector.score(rows_of(probe, 2 * HOUR_US))
    assert np.isnan(score[1])
    assert score[0] < 1.0 < 3.0 < score[2]
    assert detector.explain(rows_of(probe, 2 * HOUR_US))[2].argmax() == 0


def test_the_shape_of_a_tail_is_learned_over_a_day_and_kept() -> None:
    """Shapes of days before stand against what an attack makes of a tail; they survive a snapshot."""
    detector = SPEC.build(FEATURES)
    for hour in range(1, 40):
        detector.learn(rows_of(crowd(1500, 0, seed=hour)[0], hour * HOUR_US))
    again = SPEC.build(FEATURES, detector.snapshot())
    x = crowd(1500, 40, seed=99)[0]
    now = rows_of(x, 40 * HOUR_US)
    assert np.array_equal(detector.score(now), again.score(now))
    fresh = SPEC.build(FEATURES)
    fresh.learn(rows_of(crowd(1500, 0, seed=39)[0], 39 * HOUR_US))
    assert not np.array_equal(fresh.score(now), again.score(now))
    for copy in (detector, again):
        copy.learn(now)
    assert detector.snapshot() == again.snapshot()


def test_other_features_are_refused() -> None:
    """Saved state of other features is named."""
    blob = SPEC.build(FEATURES).snapshot()
    with pytest.raises(SnapshotError, match="extremes: saved for"):
        SPEC.build(FEATURES[:2], blob)


@pytest.mark.parametrize("bad", [{"ready": 9}, {"floor": 0.1}, {"settle_hours": -1}, {"count_share": 0.0}])
def test_impossible_settings_are_refused(bad: dict[str, float]) -> None:
    """The message names the parameter."""
    with pytest.raises(ConfigError, match=next(iter(bad))):
        ExtremesSpec(**bad)  # type: ignore[arg-type]


def test_remembered_rows_are_told_as_any_others() -> None:
    """Where they stand in the sample is known; missing values, and equal ones, make no difference."""
    x, _ = crowd(600, 60, seed=4)
    x[::7, 1] = np.nan
    both = (FEATURES[0], replace(FEATURES[1], direction=Direction.BOTH), *FEATURES[2:])
    detector = SPEC.build(both)
    detector.learn(rows_of(x, HOUR_US))
    fit = detector._fitted()
    for mine in (np.arange(len(fit.values)), np.array([5, 0, 658, 7, 7])):
        assert np.array_equal(fit._parts_at(mine), fit.parts(fit.values[mine]), equal_nan=True)
