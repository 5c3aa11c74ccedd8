"""Tail probabilities: right on clean samples, still useful on contaminated ones, ordered, resumable."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from detectors.calibrate import CalibrationSpec, Calibrator, _below
from state.errors import ConfigError, SnapshotError
from state.types import HOUR_US, MINUTE_US

Draw = Callable[[np.random.Generator, int], np.ndarray]
EAGER = CalibrationSpec(ready_hours=0)
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


def who(n: int, first: int = 0) -> np.ndarray:
    """So many subjects, all different."""
    return np.arange(first, first + n, dtype=np.uint64)


def calibrator(scores: np.ndarray, spec: CalibrationSpec | None = None) -> Calibrator:
    made = (spec or EAGER).build()
    made.learn(who(len(scores)), scores, 0)
    return made


@pytest.mark.parametrize("name", SHAPES)
def test_probabilities_are_right_within_a_factor_of_three_down_to_a_thousandth(name: str) -> None:
    """Median over samples of 4,096."""
    draw, rng = SHAPES[name], np.random.default_rng(5)
    levels = np.array([0.3, 0.1, 1e-2, 1e-3])
    scores = np.array([quantile(name, p) for p in levels])
    median = np.median([calibrator(draw(rng, 4096)).tail(scores) / levels for _ in range(20)], axis=0)
    assert (median > 1 / 3).all(), median
    assert (median < 3).all(), median


def test_nobody_counts_twice() -> None:
    """A subject that comes with a high score in each of 100 rounds is one of 1,000, not one in eleven rows."""
    made = EAGER.build()
    made.learn(who(1000), np.zeros(1000), HOUR_US)
    for turn in range(2, 102):
        made.learn(who(1, 999), np.array([9.0]), turn * MINUTE_US + HOUR_US)
    assert made.tail(np.array([9.0]))[0] == pytest.approx(2 / 1001)


def test_who_has_many_windows_a_day_has_as_many_chances() -> None:
    """Scores of 24 independent hours: a score that one hour in 2,400 reaches is reached on one day in a hundred."""
    rng = np.random.default_rng(3)
    made = EAGER.build(whole_day=False, fitted=False)
    for hour in range(1, 25):
        made.learn(who(4000), rng.exponential(size=4000), hour * HOUR_US)
    level = -np.log(1 / 2400)
    assert 0.5e-2 < made.tail(np.array([level]))[0] < 2e-2


def test_the_largest_score_of_a_day_is_forgotten_within_a_day() -> None:
    """It counts for 18 hours, and no longer than 24."""
    made = CalibrationSpec(ready=64).build(whole_day=False, fitted=False)
    high = np.array([5.0])
    made.learn(who(100), np.where(who(100) == 7, 9.0, 1.0), HOUR_US)
    found = []
    for hour in range(2, 30):
        made.learn(who(100), np.ones(100), hour * HOUR_US)
        found.append(bool(made.tail(high)[0] > 1.5 / 101))
    assert found[:17] == [True] * 17
    assert found[23:] == [False] * 5


def test_a_sliding_window_of_a_day_forgets_who_has_none_any_more() -> None:
    """The newest round is the population; without sliding everybody of the last 24 hours is."""
    for slides, expected in ((True, 500), (False, 1000)):
        made = EAGER.build()
        made.learn(who(1000), np.zeros(1000), HOUR_US, slides)
        made.learn(who(500), np.zeros(500), 2 * HOUR_US, slides)
        assert made.tail(np.array([1.0]))[0] == pytest.approx(1 / (expected + 1))


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
    made = replace(EAGER, ready=100, remember=1000).build()
    made.learn(who(99), np.arange(99.0), 0)
    assert np.isnan(made.tail(np.array([1.0, 2.0]))).all()
    made.learn(who(50, 99), np.arange(50.0), 1)
    p = made.tail(np.array([1.0, np.nan]))
    assert 0 < p[0] <= 1
    assert np.isnan(p[1])
    assert len(made.tail(np.empty(0))) == 0


@pytest.mark.parametrize(("per", "whole_day"), [("subject", True), ("subject", False), ("row", True)])
def test_windows_of_a_day_are_not_judged_in_the_first_hours(per: str, whole_day: bool) -> None:
    """They grow, and what they hold with them: by what 300 people had shown an hour ago, all that they show now would
    be odd.  Six hours are enough; shorter windows, and rows of tables, do not grow.  A restart changes nothing.
    """
    spec = CalibrationSpec(per=per)
    made = spec.build(whole_day)
    scores = np.linspace(1.0, 2.0, 300)
    silent = []
    for hour in range(1, 10):
        silent.append(bool(np.isnan(made.tail(hour * scores)).all()))
        made.learn(who(300), hour * scores, hour * HOUR_US, slides=whole_day)
        made = spec.build(whole_day, resume=made.snapshot())
    assert silent == [True, *[per == "subject" and whole_day] * 6, False, False]


def test_missing_scores_are_not_learned() -> None:
    """Warm-up nan of a detector leaves no trace in the sample."""
    made = EAGER.build()
    made.learn(who(5000), np.full(5000, np.nan), 0)
    assert not made.ready


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


def test_beyond_a_flat_sample_of_own_pasts_far_is_less_likely_than_near() -> None:
    """A Pareto tail of index 1, in units of half a nat; the same for few scores and for many, and none for a cohort's,
    which have no unit.
    """
    far = np.array([0.0, 0.5, 4.5, np.nan])
    for whole_day in (True, False):
        own, cohort = (EAGER.build(whole_day=whole_day, fitted=fitted) for fitted in (False, True))
        for made in (own, cohort):
            made.learn(who(999), np.zeros(999), 0)
        expected = np.array([1.0, 1 / 2000, 1 / 10000, np.nan])
        assert own.tail(far) == pytest.approx(expected, nan_ok=True)
        assert own.tail(np.tile(far, 3)) == pytest.approx(np.tile(expected, 3), nan_ok=True)
        assert cohort.tail(far)[2] == pytest.approx(1 / 1000)


def test_a_sample_of_own_pasts_that_is_not_flat_keeps_the_rank() -> None:
    """Where people differ, their own scores say what is far."""
    made = EAGER.build(fitted=False)
    made.learn(who(999), np.linspace(0, 9, 999), 0)
    assert made.tail(np.array([10.0, 100.0])) == pytest.approx([1 / 1000, 1 / 1000])


@pytest.mark.parametrize("per", ["subject", "row"])
def test_it_follows_a_population_that_moves(per: str) -> None:
    """After some rounds on a new level, a score of the new level is ordinary."""
    rng = np.random.default_rng(9)
    made = replace(EAGER, per=per).build()
    made.learn(who(4096), rng.normal(size=4096), HOUR_US)
    assert made.tail(np.array([6.0]))[0] <= CalibrationSpec().floor
    for turn in range(40):
        made.learn(who(2000, 2000 * (turn % 3)), rng.normal(6.0, 1.0, size=2000), (turn + 2) * HOUR_US)
    assert 0.3 < made.tail(np.array([6.0]))[0] < 0.7


@pytest.mark.parametrize("sizes", [(300,), (5000, 3, 2), (100, 100, 100, 7)])
@pytest.mark.parametrize(
    ("per", "whole_day"), [("subject", True), ("subject", False), ("row", True), ("stretch", True)]
)
def test_a_resumed_calibrator_is_the_same_to_the_bit(sizes: tuple[int, ...], per: str, whole_day: bool) -> None:
    """Snapshot, restore and go on: same answers and same bytes as never stopping."""
    rng = np.random.default_rng(10)
    spec = replace(EAGER, per=per, ready=64, stretch_rows=2)
    made = spec.build(whole_day)
    for turn, size in enumerate(sizes):
        made.learn(who(size), rng.gamma(3, size=size), turn * 7 * HOUR_US)
    twin = spec.build(whole_day, resume=made.snapshot())
    probe = rng.gamma(3, size=500)
    for turn, size in enumerate((1, 40, 3000), start=4):
        assert np.array_equal(made.tail(probe), twin.tail(probe), equal_nan=True)
        more = rng.gamma(3, size=size)
        made.learn(who(size), more, turn * 7 * HOUR_US)
        twin.learn(who(size), more, turn * 7 * HOUR_US)
    assert made.snapshot() == twin.snapshot()


def test_a_sample_of_another_kind_is_refused() -> None:
    """Saved state of another configuration is named, not guessed at."""
    blob = EAGER.build().snapshot()
    with pytest.raises(SnapshotError, match="remember=4096"):
        CalibrationSpec(remember=1024).build(resume=blob)
    with pytest.raises(SnapshotError, match="largest of each"):
        EAGER.build(whole_day=False, resume=blob)
    blob = CalibrationSpec(per="stretch").build().snapshot()
    with pytest.raises(SnapshotError, match="stretch_rows=50"):
        CalibrationSpec(per="stretch", stretch_rows=50).build(resume=blob)


def test_a_stretch_is_compared_with_stretches() -> None:
    """What a fifth of them have shown comes once in five stretches, by row; of what none has, more is less probable."""
    made = CalibrationSpec(per="stretch", stretch_rows=10, ready=4, floor=1e-9).build()
    for row in range(40):
        assert not made.ready
        made.learn(who(1), np.array([row // 10 + (row % 10 == 3) / 2]), row)
    p = made.tail(np.array([0.0, 0.5, 1.0, 2.5, 3.5, 3.6, 300.0, np.inf, np.nan]))
    assert p[:5] == pytest.approx(np.array([1.0, 1.0, 0.8, 0.6, 0.4]) / 10)
    assert (np.diff(p[4:8]) < 0).all()
    assert p[7] == pytest.approx(0.9 * 0.2 / 10)
    assert p[5] == pytest.approx(0.2 / 10, rel=0.01)
    assert np.isnan(p[8])


def test_of_stretches_two_are_enough() -> None:
    """Of rows and subjects not so few can be asked for."""
    assert CalibrationSpec(per="stretch", ready=2).ready == 2
    with pytest.raises(ConfigError, match="2 to remember"):
        CalibrationSpec(per="stretch", ready=1)
    with pytest.raises(ConfigError, match="64 to remember"):
        CalibrationSpec(per="row", ready=2)


@pytest.mark.parametrize(
    "bad",
    [{"ready": 10_000}, {"tail_share": 0.9}, {"per": "day"}, {"floor": 0.0}, {"stretch_rows": 1}, {"ready_hours": -1}],
)
def test_impossible_settings_are_refused(bad: dict[str, object]) -> None:
    """The message names the parameter."""
    with pytest.raises(ConfigError, match=next(iter(bad))):
        CalibrationSpec(**bad)  # type: ignore[arg-type]


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
