"""Own history: against a plain per-subject loop, winsorising, shrinkage, slots."""

import numpy as np
import pytest

from detectors.base import Direction, FeatureInfo, Rows
from detectors.baseline import HistoryBaselineSpec
from detectors.checks import rows_of
from detectors.saving import whole
from state.errors import ConfigError, DetectorError, SnapshotError

FEATURES = (FeatureInfo("amount", log=True), FeatureInfo("level", Direction.BOTH))


def at(slots: list[int], x: np.ndarray) -> Rows:
    rows = rows_of(x)
    rows.slot = np.array(slots, np.int32)
    return rows


def test_mean_and_typical_follow_the_textbook() -> None:
    """A plain mean until the half-life's weight is reached, exponential from there; missing values are passed over."""
    spec = HistoryBaselineSpec(half_life_rows=4, warmup=3, winsor=1e6)
    detector = spec.build(FEATURES)
    rng = np.random.default_rng(1)
    mean, count = np.zeros((3, 2)), np.zeros((3, 2), int)
    newest = 1 - 0.5 ** (1 / 4)
    for _ in range(30):
        x = np.stack([rng.gamma(3, size=3), rng.normal(5, 1, 3)], axis=1)
        x[rng.random(x.shape) < 0.2] = np.nan
        detector.learn(at([4, 0, 2], x))
        value = x.copy()
        value[:, 0] = np.log1p(value[:, 0])
        for i, f in np.argwhere(~np.isnan(value)):
            mean[i, f] += max(1 / (count[i, f] + 1), newest) * (value[i, f] - mean[i, f])
            count[i, f] += 1
    mean[:, 0] = np.expm1(mean[:, 0])
    usual = detector.typical(at([4, 0, 2, 1, 77], np.zeros((5, 2))))
    np.testing.assert_allclose(usual[:3], mean, rtol=1e-4)
    assert np.isnan(usual[3:]).all()


def test_a_subject_is_judged_after_warm_up_only() -> None:
    """The answer is nan until a feature has its `warmup` values, per subject."""
    detector = HistoryBaselineSpec(warmup=5).build(FEATURES)
    rng = np.random.default_rng(2)
    for round_ in range(8):
        slots = [0, 1] if round_ < 5 else [0]
        detector.learn(at(slots, rng.gamma(3, size=(len(slots), 2))))
    detector.learn(at([2], np.ones((1, 2))))
    score = detector.score(at([0, 1, 2, 3], np.ones((4, 2))))
    assert np.isnan(score).tolist() == [False, False, True, True]


def trained(rounds: int = 60, subjects: int = 300) -> tuple:
    rng = np.random.default_rng(3)
    levels = rng.normal(0, 3, subjects)
    detector = HistoryBaselineSpec().build(FEATURES)

    def round_() -> np.ndarray:
        return np.stack([np.exp(rng.normal(2, 0.4, subjects)), levels + rng.normal(0, 1, subjects)], axis=1)

    for _ in range(rounds):
        detector.learn(rows_of(round_()))
    return detector, round_


def test_the_same_value_is_usual_for_one_and_odd_for_another() -> None:
    """Distance is from one's own habit; the suspicious side counts."""
    detector, _ = trained()
    usual = detector.typical(rows_of(np.zeros((300, 2))))
    lowest, highest = int(usual[:, 1].argmin()), int(usual[:, 1].argmax())
    x = np.array([[np.exp(2.0), usual[highest, 1]]] * 2)
    low, high = detector.score(at([lowest, highest], x))
    assert low > high + 8
    assert detector.explain(at([lowest, highest], x))[0].argmax() == 1
    idle, busy = detector.explain(at([0, 1], np.array([[0.0, usual[0, 1]], [900.0, usual[1, 1]]])))[:, 0]
    assert idle == 0
    assert busy > 8


def test_an_attack_does_not_become_a_habit_at_once() -> None:
    """After six rounds of a hundredfold amount, which were all learned, the seventh is still far out."""
    detector, round_ = trained()
    x = round_()
    x[0] = [800.0, x[0, 1]]
    first = detector.explain(rows_of(x))[0, 0]
    for _ in range(6):
        detector.learn(rows_of(x))
    later = detector.explain(rows_of(x))[0, 0]
    assert first > 8
    assert later > 0.5 * first


def test_six_quiet_evenings_do_not_make_the_seventh_impossible() -> None:
    """A subject who never varied is given the median subject's variance in part."""
    detector, _ = trained(60)
    steady = np.full((1, 2), np.exp(2.0))
    for _ in range(15):
        detector.learn(at([1000], steady))
    lonely = HistoryBaselineSpec(shrink_rows=0).build(FEATURES)
    for _ in range(15):
        lonely.learn(at([1000], steady))
    x = np.array([[np.exp(2.0) + 4, np.exp(2.0) + 1.0]])
    assert detector.score(at([1000], x))[0] < 4 < lonely.score(at([1000], x))[0]


def test_one_absurd_subject_does_not_spoil_the_others() -> None:
    """Infinite and huge values neither stay in a mean for ever nor widen everybody's variance."""
    detector, round_ = trained(30)
    x = round_()
    before = detector.score(rows_of(x))
    bad = round_()
    bad[0], bad[1], bad[2] = np.inf, -np.inf, 1e14
    for _ in range(5):
        detector.learn(rows_of(bad))
    after = detector.score(rows_of(x))
    assert np.isfinite(after).all()
    assert np.abs(after[3:] - before[3:]).max() < 6
    assert np.isfinite(detector.typical(rows_of(x))).all()


def test_arrays_grow_to_the_slots_seen_and_slots_are_forgotten() -> None:
    """Nine bytes per slot and feature, whatever the capacity; a forgotten slot starts anew, its neighbour stays."""
    detector, round_ = trained(20)
    assert len(whole(detector)) < 300 * 2 * 9 + 2500
    detector.forget(np.array([0, 5, 10_000]))
    score = detector.score(rows_of(round_()))
    assert np.isnan(score[[0, 5]]).all()
    assert not np.isnan(score[[1, 4, 6]]).any()


def test_typical_deviations_are_worth_what_the_model_says() -> None:
    """On people who only vary as usual, the mean score is near its expectation: half of 0.7 and 0.7 nats."""
    detector, round_ = trained(100)
    assert detector.score(rows_of(round_())).mean() == pytest.approx(0.35 + 0.70, rel=0.35)


def test_misuse_is_named() -> None:
    """Rows without slots, other features, impossible settings."""
    detector = HistoryBaselineSpec().build(FEATURES)
    rows = rows_of(np.ones((2, 2)))
    rows.slot = None
    with pytest.raises(DetectorError, match="scope SUBJECT"):
        detector.score(rows)
    with pytest.raises(SnapshotError, match="level"):
        HistoryBaselineSpec().build(FEATURES[:1], detector.snapshot())
    with pytest.raises(ConfigError, match="warmup"):
        HistoryBaselineSpec(warmup=500)
