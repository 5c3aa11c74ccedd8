"""Tail probabilities: right on clean samples, still useful on contaminated ones, ordered, resumable."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from detectors.calibrate import CalibrationSpec, Calibrator, _below, fit_tail
from state.errors import ConfigError, SnapshotError

Draw = Callable[[np.random.Generator, int], np.ndarray]
SHAPES: dict[str, Draw] = {
    "exponential": lambda rng, n: rng.exponential(size=n),
    "gamma": lambda rng, n: rng.gamma(12, size=n),
    "half-normal": lambda rng, n: np.abs(rng.normal(size=n)),
    "lognormal": lambda rng, n: np.exp(rng.normal(size=n)),
    "pareto": lambda rng, n: (rng.random(n) ** -0.3 - 1) / 0.3,
}


@cache
def population(name: str) -> np.ndarray:
    return np.sort(SHAPES[name](np.random.default_rng(0), 1_000_000))


def quantile(name: str, p: float) -> float:
    return float(population(name)[int((1 - p) * 1_000_000)])


def calibrator(scores: np.ndarray, spec: CalibrationSpec | None = None) -> Calibrator:
    made = (spec or CalibrationSpec()).build()
    made.learn(scores)
    return made


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("contamination", [0.0, 0.03, 0.08])
def test_probabilities_are_right_within_a_factor_of_three_down_to_a_thousandth(name: str, contamination: float) -> None:
    """Median over samples of 4,096, with and without a cluster of attackers far out in the sample."""
    draw, rng = SHAPES[name], np.random.default_rng(5)
    levels = np.array([0.3, 0.1, 1e-2, 1e-3])
    scores = np.array([quantile(name, p) for p in levels])
    far = 1.5 * quantile(name, 1e-5)
    ratios = []
    for _ in range(20):
        sample = draw(rng, 4096)
        attackers = int(contamination * len(sample))
        sample[:attackers] = far * rng.uniform(1.0, 1.2, attackers)
        ratios.append(calibrator(sample).tail(scores) / levels)
    median = np.median(ratios, axis=0)
    assert (median > 1 / 3).all(), median
    assert (median < 3).all(), median


def test_an_ordinary_tail_fit_would_miss_the_attackers() -> None:
    """The far cluster itself gets probabilities far below its share of the sample, which is what trimming is for."""
    rng = np.random.default_rng(6)
    sample = rng.exponential(size=4096)
    sample[:123] = 20.0
    trimmed, naive = CalibrationSpec(floor=1e-9), CalibrationSpec(floor=1e-9, contamination_max=0.0)
    attacker = np.array([20.0])
    assert calibrator(sample, trimmed).tail(attacker)[0] < 1e-5
    assert calibrator(sample, naive).tail(attacker)[0] > 10 * calibrator(sample, trimmed).tail(attacker)[0]


def test_higher_scores_are_never_more_probable() -> None:
    """The answer falls in the score through body, tail and beyond, and stays between about the floor and 1."""
    rng = np.random.default_rng(7)
    for draw in SHAPES.values():
        for n in (256, 300, 1000, 4096):
            sample = draw(rng, n)
            p = calibrator(sample).tail(np.linspace(-1.0, 5 * sample.max(), 5000))
            assert (np.diff(p) <= 0).all()
            assert p.max() == 1.0
            assert p.min() >= 0.9 * CalibrationSpec().floor


def test_far_scores_keep_their_order_in_thin_tails() -> None:
    """Twice as far is less probable, also where the fitted tail is thinner than exponential."""
    rng = np.random.default_rng(8)
    made = calibrator(np.abs(rng.normal(size=4096)))
    p = made.tail(np.array([3.0, 4.0, 5.0, 6.0, 8.0, 12.0]))
    assert (np.diff(p) < 0).all()
    assert p[-1] >= 0.9 * CalibrationSpec().floor


def test_not_ready_and_not_known_are_nan() -> None:
    """Before `ready` scores everything is nan; afterwards a nan score is."""
    made = CalibrationSpec(ready=100, remember=1000).build()
    made.learn(np.arange(99.0))
    assert np.isnan(made.tail(np.array([1.0, 2.0]))).all()
    made.learn(np.arange(50.0))
    p = made.tail(np.array([1.0, np.nan]))
    assert 0 < p[0] <= 1
    assert np.isnan(p[1])
    assert len(made.tail(np.empty(0))) == 0


def test_missing_scores_are_not_learned() -> None:
    """Warm-up nan of a detector leaves no trace in the sample."""
    made = CalibrationSpec().build()
    made.learn(np.full(5000, np.nan))
    assert made.sample.count == 0


def test_equal_scores_are_equally_likely() -> None:
    """A score that everybody has is certain; the one above all is as rare as the sample can tell; nothing breaks."""
    made = calibrator(np.zeros(999))
    p = made.tail(np.array([0.0, 1.0]))
    assert p[0] == 1.0
    assert p[1] == pytest.approx(1 / 1000)


def test_a_sample_that_is_mostly_zero_has_no_invented_tail() -> None:
    """With one per cent of scores above zero the answer is the conformal rank."""
    scores = np.zeros(1000)
    scores[:10] = np.arange(1, 11)
    made = calibrator(scores)
    assert made.tail(np.array([0.5]))[0] == pytest.approx(11 / 1001)


def test_it_follows_a_population_that_moves() -> None:
    """After a few rounds on a new level, a score of the new level is ordinary."""
    rng = np.random.default_rng(9)
    made = calibrator(rng.normal(size=4096))
    assert made.tail(np.array([6.0]))[0] <= CalibrationSpec().floor
    for _ in range(40):
        made.learn(rng.normal(6.0, 1.0, size=2000))
    assert 0.3 < made.tail(np.array([6.0]))[0] < 0.7


@pytest.mark.parametrize("sizes", [(300,), (5000, 3, 2), (100, 100, 100, 7)])
def test_a_resumed_calibrator_is_the_same_to_the_bit(sizes: tuple[int, ...]) -> None:
    """Snapshot, restore and go on: same answers and same bytes as never stopping."""
    rng = np.random.default_rng(10)
    made = CalibrationSpec().build()
    for size in sizes:
        made.learn(rng.gamma(3, size=size))
    twin = CalibrationSpec().build(made.snapshot())
    probe = rng.gamma(3, size=500)
    for size in (1, 40, 3000):
        assert np.array_equal(made.tail(probe), twin.tail(probe), equal_nan=True)
        more = rng.gamma(3, size=size)
        made.learn(more)
        twin.learn(more)
    assert made.snapshot() == twin.snapshot()


def test_another_sample_size_is_refused() -> None:
    """Saved state of another configuration is named, not guessed at."""
    blob = CalibrationSpec().build().snapshot()
    with pytest.raises(SnapshotError, match="remember=4096"):
        CalibrationSpec(remember=1024).build(blob)


@pytest.mark.parametrize("bad", [{"ready": 10_000}, {"tail_share": 0.9}, {"contamination_max": 0.5}, {"floor": 0.0}])
def test_impossible_settings_are_refused(bad: dict[str, float]) -> None:
    """The message names the parameter."""
    with pytest.raises(ConfigError, match=next(iter(bad))):
        CalibrationSpec(**bad)  # type: ignore[arg-type]


def test_a_flat_sample_has_no_tail() -> None:
    """No spread, no fit."""
    assert fit_tail(np.zeros(500, np.float32), 0.25, 0.08) is None


def test_many_scores_are_ranked_as_few_are() -> None:
    """Ranking by sorting finds what a look-up finds: ties, zeros of both signs, infinities; nan may give any rank."""
    rng = np.random.default_rng(1)
    people = np.sort(rng.normal(size=500)).astype(np.float32)
    scores = rng.normal(size=20_000).astype(np.float32)
    scores[::9] = rng.choice(people, len(scores[::9]))
    scores[:4] = [0.0, -0.0, np.inf, -np.inf]
    expected = np.searchsorted(people, scores, side="left")
    assert np.array_equal(_below(people, scores), expected)
    scores[7] = np.nan
    assert np.array_equal(np.delete(_below(people, scores), 7), np.delete(expected, 7))
