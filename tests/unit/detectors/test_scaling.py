"""Robust scales, and the attribution built on them."""

import numpy as np
import pytest

from detectors.base import Direction, FeatureInfo
from detectors.sample import Sample
from detectors.scaling import LIMIT, fit_scale, natural, usual_but_for
from state.types import F64

PLAIN = FeatureInfo("plain", Direction.BOTH)
LOG = FeatureInfo("log", Direction.HIGH, log=True)
SHARE = FeatureInfo("share", Direction.LOW, low=0.0, high=1.0)


def sample_of(x: F64) -> Sample:
    sample = Sample(x.shape[1], max(16, len(x)))
    sample.add(x)
    return sample


def test_the_median_is_zero_and_an_inter_quartile_range_is_one() -> None:
    """Plain features on their own scale, logarithmic ones on log1p."""
    x = np.linspace(0.0, 100.0, 101)[:, None].repeat(2, axis=1)
    z = fit_scale((PLAIN, LOG), sample_of(x), directed=False).apply(np.array([[50.0, 50.0], [100.0, 75.0]]))
    np.testing.assert_allclose(z[0], 0.0, atol=1e-6)
    np.testing.assert_allclose(z[1], [1.0, np.log(76 / 51) / np.log(76 / 26)], rtol=1e-5)


def test_the_unsuspicious_side_is_usual() -> None:
    """Directed: little of a HIGH feature and much of a LOW one are no deviation."""
    rng = np.random.default_rng(1)
    x = np.stack([rng.gamma(3, size=200), rng.random(200)], axis=1)
    scale = fit_scale((LOG, SHARE), sample_of(x), directed=True)
    z = scale.apply(np.array([[0.0, 1.0], [100.0, 0.0]]))
    assert (z[0] == 0).all()
    assert z[1, 0] > 1
    assert z[1, 1] < -0.5


def test_values_are_clipped_and_missing_ones_are_usual() -> None:
    """The scale is bounded whatever comes in."""
    scale = fit_scale((PLAIN,), sample_of(np.arange(100.0)[:, None]), directed=False)
    z = scale.apply(np.array([[1e300], [-np.inf], [np.inf], [np.nan]]))
    assert z.ravel().tolist() == [LIMIT, -LIMIT, LIMIT, 0.0]


@pytest.mark.parametrize(
    ("column", "info", "spread"),
    [
        (np.r_[np.zeros(85), np.ones(15)], PLAIN, 0.41),
        (np.zeros(100), SHARE, 1.0),
        (np.zeros(100), PLAIN, 1.0),
        (np.full(100, 7e6) + np.linspace(0, 1e-3, 100), PLAIN, 7e3),
    ],
)
def test_a_feature_without_quartiles_has_a_sensible_scale(column: F64, info: FeatureInfo, spread: float) -> None:
    """90 % range, physical range, 1; and rounding noise around a constant is not blown up."""
    scale = fit_scale((info,), sample_of(column[:, None]), directed=False)
    assert scale.spread[0] == pytest.approx(spread, rel=1e-3)


def test_natural_leaves_its_input_alone() -> None:
    """A copy comes back, and negative counts are zero."""
    x = np.array([[-1.0, 1.0]])
    y = natural(x, np.array([0]))
    assert x.tolist() == [[-1.0, 1.0]]
    assert y.tolist() == [[0.0, 1.0]]


def test_blocks_do_not_show() -> None:
    """A row's scaled value does not depend on how many rows come with it."""
    x = np.random.default_rng(2).gamma(2, size=(1500, 2))
    scale = fit_scale((PLAIN, LOG), sample_of(x), directed=True)
    whole = scale.apply(x)
    assert np.array_equal(whole[700:703], scale.apply(x[700:703]))


def test_the_guilty_feature_gets_the_blame() -> None:
    """Drops in the score say which feature mattered; when none does alone, distance stands in."""

    def score(z: F64) -> F64:
        return np.abs(z[:, 0]) + 3 * np.abs(z[:, 2])

    z = np.array([[1.0, 5.0, 2.0], [0.0, 4.0, 0.0]])
    parts = usual_but_for(score, z)
    assert parts[0].tolist() == [1.0, 0.0, 6.0]
    assert parts[1].tolist() == [0.0, 4.0, 0.0]
