"""Tails of people, and the second group beyond them."""

import numpy as np
import pytest

from detectors.groups import people_among, second_group
from detectors.tail import Tail, fit_tail, squeeze


def mixture(share: float, middle: float, seed: int, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """(n,) float32 scores ascending, and which of them are attackers': people are exponential, attackers a hump."""
    rng = np.random.default_rng(seed)
    odd = rng.random(n) < share
    scores = np.where(odd, rng.normal(middle, 1.0, n), rng.exponential(1.0, n))
    order = np.argsort(scores)
    return scores[order].astype(np.float32), odd[order]


@pytest.mark.parametrize("share", [0.01, 0.04, 0.15, 0.22])
def test_a_hump_beyond_the_people_is_found_with_its_size(share: float) -> None:
    """Nearly all of its members, and nearly nobody else."""
    scores, odd = mixture(share, 12.0, seed=1)
    group = second_group(scores, 0.25)
    assert group is not None
    assert group.share == pytest.approx(odd.mean(), rel=0.25)
    assert (group.belongs[odd] > 0.5).mean() > 0.97
    assert (group.belongs[~odd] > 0.5).mean() < 0.01


@pytest.mark.parametrize("draw", ["exponential", "lognormal", "pareto"])
def test_people_alone_are_one_group(draw: str) -> None:
    """However heavy their tail, in 100 samples of 3,000."""
    rng = np.random.default_rng(2)
    shapes = {"exponential": rng.exponential, "lognormal": lambda size: np.exp(rng.normal(size=size)),
              "pareto": lambda size: (rng.random(size) ** -0.3 - 1) / 0.3}  # fmt: skip
    found = [second_group(np.sort(shapes[draw](size=3000)).astype(np.float32), 0.25) for _ in range(100)]
    assert sum(group is not None for group in found) <= 1


def test_a_few_far_out_are_no_group() -> None:
    """Two outliers are outliers."""
    scores = np.sort(np.append(np.random.default_rng(3).exponential(size=3000), [40.0, 41.0])).astype(np.float32)
    assert second_group(scores, 0.25) is None


def test_a_known_shape_shows_a_group_that_passes_for_a_heavy_tail() -> None:
    """Many attackers just beyond people are read as a heavier tail, unless the tail is known to be exponential."""
    near = [mixture(0.08, 4.0, seed)[0] for seed in range(40)]
    unknown = sum(second_group(scores, 0.25) is not None for scores in near)
    known = sum(second_group(scores, 0.25, usual=0.0) is not None for scores in near)
    assert known > unknown + 10


def test_a_further_group_has_to_lie_further_out() -> None:
    """Each group that is set apart thins the people's tail: without this one after another of their own is believed."""
    near = [mixture(0.08, 4.0, seed)[0] for seed in range(40)]
    first = sum(second_group(scores, 0.25, usual=0.0) is not None for scores in near)
    further = sum(second_group(scores, 0.25, usual=0.0, further=True) is not None for scores in near)
    assert further < first / 2
    plain = mixture(0.08, 12.0, seed=1)[0]
    assert second_group(plain, 0.25, usual=0.0, further=True) is not None


def test_people_near_a_plain_group_stay_people() -> None:
    """Where a plain group was set apart, a hump just beyond the bulk is left to the people, of 30 samples in most."""
    lost = 0
    for seed in range(30):
        scores, odd = mixture(0.1, 4.0, seed)
        plain = np.sort(np.random.default_rng(seed).normal(20.0, 1.0, 260)).astype(np.float32)
        people = people_among(np.concatenate([scores, plain]), 0.25)
        assert (people[len(scores) :] < 0.5).mean() > 0.97
        lost += bool((people[: len(scores)][odd] < 0.5).mean() > 0.3)
    assert lost <= 5


def test_the_weights_take_attackers_out_of_the_tail() -> None:
    """With 10 % of attackers far out the plain fit makes people's 99.9 % point ordinary, the weighted one does not."""
    scores, odd = mixture(0.1, 20.0, seed=4)
    level = np.array([-np.log(1e-3)])
    plain, weighted = fit_tail(scores, 0.25), fit_tail(scores, 0.25, np.where(odd, 0.0, 1.0))
    assert plain is not None
    assert weighted is not None
    assert plain.survival(level)[0] > 1e-2
    assert weighted.survival(level)[0] == pytest.approx(1e-3, rel=0.7)


def test_weights_of_one_change_nothing() -> None:
    """A weighted fit is the plain one then."""
    scores = mixture(0.0, 0.0, seed=5)[0]
    plain, weighted = fit_tail(scores, 0.25), fit_tail(scores, 0.25, np.ones(len(scores)))
    assert plain is not None
    assert weighted is not None
    assert (plain.start, plain.shape, plain.scale) == pytest.approx((weighted.start, weighted.shape, weighted.scale))


def test_a_flat_sample_has_no_tail_and_no_group() -> None:
    """No spread, no fit."""
    assert fit_tail(np.zeros(500, np.float32), 0.25) is None
    assert fit_tail(np.zeros(1, np.float32), 0.25) is None
    assert second_group(np.zeros(500, np.float32), 0.25) is None


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_the_density_is_the_slope_of_the_survival(shape: float) -> None:
    """Also beyond the point from which a thin tail goes on exponentially."""
    tail = Tail(2.0, 0.25, shape, 1.5)
    x = np.linspace(2.01, 20.0, 400)
    slope = (tail.survival(x - 1e-6) - tail.survival(x + 1e-6)) / 2e-6
    assert np.allclose(slope, tail.density(x), rtol=1e-3, atol=1e-12)
    assert tail.survival(np.array([tail.score_at(0.02)]))[0] == pytest.approx(0.02)


def test_squeezed_probabilities_keep_their_order() -> None:
    """What is below the floor lies between nine tenths of it and itself; the rest is as it was."""
    p = np.array([1e-300, 1e-9, 1e-6, 4e-5, 5e-5, 1e-3, 1.0])
    squeezed = squeeze(p, 5e-5)
    assert (np.diff(squeezed) > 0).all()
    assert squeezed[0] >= 4.5e-5
    assert squeezed[4:].tolist() == p[4:].tolist()
