"""Isolation forest: trees against rows counted one by one, what it is asked to overlook, and that it forgets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Direction, FeatureInfo
from detectors.checks import ranking, rows_of
from detectors.half_space.twin import walk
from detectors.isolation_forest import IsolationForest, IsolationForestSpec, grow, usual_depth
from state.errors import ConfigError
from state.types import F64

BOTH = tuple(FeatureInfo(name, Direction.BOTH) for name in "abc")
SMALL = IsolationForestSpec(n_trees=16, rows=32, remember=64, ready=32, renew_rows=64)


def trained(x: F64, spec: IsolationForestSpec = SMALL, features: tuple[FeatureInfo, ...] = BOTH) -> IsolationForest:
    detector = spec.build(features)
    for part in np.array_split(x, max(len(x) // 16, 1)):
        detector.learn(rows_of(part))
    return detector


def test_usual_depth() -> None:
    """One row needs no cut, two need one; of 256 rows each needs 10.2 on average, as the paper has it."""
    assert usual_depth(np.array([0, 1, 2])).tolist() == [0.0, 0.0, 1.0]
    assert usual_depth(256) == pytest.approx(10.24, abs=0.01)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_a_leaf_says_how_many_rows_are_in_it(seed: int, height: int) -> None:
    """A leaf's depth is the cuts on the way plus what its own rows would need: law for any rows, ties included."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(24, 2)), 1).astype(np.float32)
    forest, depth = grow(x, 3, 24, height, rng)
    for _, leaf in walk(forest, x):
        for tree in leaf:
            for place, members in zip(*np.unique(tree, return_counts=True), strict=True):
                cuts = depth[place] - usual_depth(members)
                assert cuts == pytest.approx(round(cuts), abs=1e-5)
                assert 0 <= round(cuts) <= height
                same = np.unique(x[tree == place], axis=0)
                assert len(same) == 1 or round(cuts) == height


def test_what_is_alone_is_odd() -> None:
    """Far out, or in a hole between two clusters, where no single value is rare."""
    rng = np.random.default_rng(1)
    side = np.where(rng.random(2000) < 0.5, -1.0, 1.0)
    x = np.stack([side, side, np.zeros(2000)], axis=1) + 0.05 * rng.normal(size=(2000, 3))
    x[::100] = [1.0, -1.0, 0.0]
    truth = np.zeros(2000)
    truth[::100] = 1.0
    detector = IsolationForestSpec(ready=256).build(BOTH)
    detector.learn(rows_of(x))
    assert ranking(detector.score(rows_of(x)), truth) > 0.97


def test_units_do_not_matter() -> None:
    """Cuts are between values: another unit and another zero give the same trees."""
    x = np.random.default_rng(2).normal(size=(256, 3)).astype(np.float32).astype(np.float64)
    seen = trained(x).score(rows_of(x))
    assert np.array_equal(trained(1024.0 * x).score(rows_of(1024.0 * x)), seen)


def test_the_unsuspicious_side_and_missing_values_are_usual() -> None:
    """A feature where little is no news: far below is scored as the median is, and so is no value at all."""
    features = (FeatureInfo("a", Direction.HIGH), FeatureInfo("b", Direction.LOW), BOTH[2])
    x = np.random.default_rng(3).normal(size=(256, 3))
    detector = trained(x, features=features)
    usual = [*detector._usual[:2].tolist(), 0.0]
    asked = np.array([usual, [-99.0, 99.0, 0.0], [np.nan, np.inf, 0.0], [99.0, -99.0, 0.0]])
    found = detector.score(rows_of(asked))
    assert found[0] == found[1] == found[2] < found[3]
    assert (detector.explain(rows_of(asked))[3, :2] > 0).all()


def test_it_forgets_in_turns() -> None:
    """After the world moved, what was odd becomes usual; one turn replaces an eighth of the trees."""
    rng = np.random.default_rng(4)
    detector = trained(rng.normal(size=(512, 3)))
    new = rng.normal(size=(2048, 3)) + 20.0
    before, forest = detector.score(rows_of(new[:64])).mean(), detector._forest
    detector.learn(rows_of(new[:8]))
    assert forest is not None
    assert detector._forest is not None
    changed = (detector._forest.threshold[0] != forest.threshold[0]).sum()
    assert changed == SMALL.n_trees // 8
    for part in np.array_split(new, 128):
        detector.learn(rows_of(part))
    assert detector.score(rows_of(new[:64])).mean() < 0.8 * before


def test_parameters() -> None:
    """What cannot be is told."""
    with pytest.raises(ConfigError, match=r"isolation_forest\.n_trees: seen 4, allowed: at least 8"):
        IsolationForestSpec(n_trees=4)
    with pytest.raises(ConfigError, match=r"isolation_forest\.remember: seen 64, allowed: at least rows \(128\)"):
        IsolationForestSpec(remember=64)
