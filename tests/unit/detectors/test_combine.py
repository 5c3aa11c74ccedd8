"""Combining evidence."""

import numpy as np
import pytest

from detectors.combine import Combination, combine

ONES = np.ones(3)


def test_equal_opinions_give_that_opinion() -> None:
    """Copies of one detector add no evidence."""
    p = np.array([[0.5, 1e-3, 1e-9]] * 3)
    np.testing.assert_allclose(combine(p, ONES), p[0])


def test_the_answer_lies_between_the_smallest_and_bonferroni() -> None:
    """min(p) <= combined <= k min(p), and silent detectors (p = 1) cost no more than that."""
    p = np.random.default_rng(1).random((3, 1000)) ** 4
    p[1:, :100] = 1.0
    combined = combine(p, ONES)
    assert (combined >= p.min(axis=0) * (1 - 1e-12)).all()
    assert (combined <= np.minimum(3 * p.min(axis=0), 1.0) * (1 + 1e-12)).all()


def test_missing_opinions_leave_the_others() -> None:
    """A detector in warm-up gives its weight away; nobody knowing is nan."""
    p = np.array([[np.nan, np.nan], [0.01, np.nan], [0.01, np.nan]])
    combined = combine(p, np.array([5.0, 1.0, 1.0]))
    assert combined[0] == pytest.approx(0.01)
    assert np.isnan(combined[1])


def test_weight_is_trust() -> None:
    """The same finding counts more from a detector with more weight."""
    p = np.array([[1e-4], [0.5]])
    strong, weak = combine(p, np.array([3.0, 1.0])), combine(p, np.array([1.0, 3.0]))
    assert strong[0] < weak[0]


@pytest.mark.parametrize("dependence", [0.0, 0.5, 0.9, 1.0])
def test_false_alarms_stay_near_the_line_however_dependent_detectors_are(dependence: float) -> None:
    """For four detectors on normal rows, P(combined <= a) is at most 1.4 a at a = 1e-2 and 1e-3."""
    rng = np.random.default_rng(2)
    shared = rng.normal(size=200_000)
    own = rng.normal(size=(4, 200_000))
    z = np.sqrt(dependence) * shared + np.sqrt(1 - dependence) * own
    ordered = np.sort(rng.normal(size=1_000_000))
    p = 1 - np.searchsorted(ordered, z.ravel()).reshape(z.shape) / (len(ordered) + 1)
    combined = combine(p, np.ones(4))
    for line in (1e-2, 1e-3):
        assert (combined <= line).mean() < 1.4 * line


def test_geometric_adds_agreement_up() -> None:
    """E times the geometric mean: two that are fairly sure beat one that is sure; a single opinion stays as it is."""
    p = np.array([[0.01, 0.0005, 0.2, np.nan], [0.01, 0.9, np.nan, np.nan]])
    found = combine(p, np.ones(2), Combination.GEOMETRIC)
    assert found[:3] == pytest.approx([np.e * 0.01, np.e * np.sqrt(0.0005 * 0.9), 0.2])
    assert np.isnan(found[3])
    weighted = combine(p[:, :1] * [[1.0], [0.5]], np.array([3.0, 1.0]), Combination.GEOMETRIC)
    assert weighted[0] == pytest.approx(np.e * (0.01**3 * 0.005) ** 0.25)


def test_geometric_is_a_tail_probability_under_any_dependence() -> None:
    """Copies, independent and opposite ones: small answers are as rare as they say."""
    rng = np.random.default_rng(5)
    u = rng.random(200_000)
    for other in (u, rng.random(200_000), 1 - u):
        found = combine(np.stack([u, other]), np.ones(2), Combination.GEOMETRIC)
        for level in (0.1, 0.01):
            assert (found <= level).mean() <= 1.02 * level
