"""Power laws through measured points."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.fit import fit_power, upper_half


@given(exponent=st.floats(-3, 3), factor=st.floats(1e-6, 1e6), points=st.integers(2, 8))
def test_finds_the_law_that_made_the_points(exponent: float, factor: float, points: int) -> None:
    """Points on a power law give back its exponent and factor, and are explained to the last bit of spread."""
    x = [10.0**i for i in range(points)]
    fit = fit_power(x, [factor * v**exponent for v in x])
    assert fit.exponent == pytest.approx(exponent, abs=1e-9)
    assert fit.factor == pytest.approx(factor, rel=1e-6)
    assert fit.r2 == pytest.approx(1.0) if abs(exponent) > 1e-6 else 0 <= fit.r2 <= 1
    assert fit.at(50.0) == pytest.approx(factor * 50.0**exponent, rel=1e-6)


def test_noise_lowers_r2_and_hardly_moves_the_exponent() -> None:
    """Ten per cent of noise over three decades: the exponent stays within a few hundredths."""
    rng = np.random.default_rng(1)
    x = np.geomspace(1e3, 1e6, 12)
    fit = fit_power(x.tolist(), (3e-6 * x * np.exp(rng.normal(0, 0.1, 12))).tolist())
    assert fit.exponent == pytest.approx(1.0, abs=0.05)
    assert 0.99 < fit.r2 < 1


def test_order_of_points_does_not_matter() -> None:
    """The fit is of a set of points."""
    x, y = [1.0, 10.0, 100.0, 1000.0], [2.0, 19.0, 240.0, 1800.0]
    again = fit_power(x[::-1], y[::-1])
    assert again.exponent == pytest.approx(fit_power(x, y).exponent)


def test_constant_cost_is_exponent_zero() -> None:
    """A cost that does not grow has exponent 0, and its line explains all there is."""
    fit = fit_power([1, 10, 100], [7.0, 7.0, 7.0])
    assert fit.exponent == pytest.approx(0.0, abs=1e-12)
    assert (fit.factor, fit.r2) == (pytest.approx(7.0), 1.0)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0, 2.0], [1.0], "a fit needs a y for every x; seen 2 x and 1 y"),
        ([1.0, 1.0], [1.0, 2.0], r"at least two different x; seen \[1.0\]"),
        ([], [], r"at least two different x; seen \[\]"),
        ([0.0, 1.0], [1.0, 2.0], "values above 0; seen x = 0.0"),
        ([1.0, 2.0], [1.0, -2.0], "values above 0; seen y = -2.0"),
        ([1.0, 2.0], [1.0, math.nan], "values above 0; seen y = nan"),
        ([1.0, math.inf], [1.0, 2.0], "values above 0; seen x = inf"),
    ],
)
def test_says_why_points_cannot_be_fitted(x: list[float], y: list[float], message: str) -> None:
    """Points without a logarithm, or without a slope, are refused with what was seen."""
    with pytest.raises(ValueError, match=message):
        fit_power(x, y)


def test_upper_half_leaves_fixed_costs_behind() -> None:
    """Of six decades the upper three remain, whatever the order; a fixed cost below them no longer flattens the fit."""
    x = [1e6, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5]
    y = [1e3 + v for v in x]
    large = upper_half(x, y)
    assert large == ([1e3, 1e4, 1e5, 1e6], [2e3, 1.1e4, 1.01e5, 1.001e6])
    assert fit_power(x, y).exponent < 0.6
    assert fit_power(*large).exponent > 0.9


@pytest.mark.parametrize(
    ("x", "kept"), [([1.0, 2.0], [1.0, 2.0]), ([1.0, 2.0, 1000.0], [2.0, 1000.0]), ([5.0], [5.0]), ([], [])]
)
def test_upper_half_keeps_two_points(x: list[float], kept: list[float]) -> None:
    """At least two points remain where there are two, so that there is something to fit."""
    assert upper_half(x, x) == (kept, kept)
