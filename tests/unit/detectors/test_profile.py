"""What is typical in a cohort."""

import numpy as np
import pytest

from detectors.base import FeatureInfo
from detectors.profile import PopulationProfile
from state.errors import SnapshotError

FEATURES = (FeatureInfo("plays", log=True), FeatureInfo("rare"))


def test_typical_is_the_median_in_original_units() -> None:
    """A feature that nobody had has none."""
    profile = PopulationProfile(FEATURES)
    assert np.isnan(profile.typical()).all()
    profile.learn(np.array([[1.0, np.nan], [5.0, np.nan], [100.0, np.nan]]))
    assert profile.typical()[0] == 5.0
    assert profile.spread()[0] == pytest.approx(49.5)
    assert np.isnan(profile.typical()[1])


def test_a_few_attackers_do_not_move_it() -> None:
    """Three per cent of absurd values leave the median where it was."""
    rng = np.random.default_rng(1)
    x = rng.normal(50, 5, size=(1000, 2))
    clean = PopulationProfile(FEATURES)
    clean.learn(x)
    x[:30] = 1e9
    dirty = PopulationProfile(FEATURES)
    dirty.learn(x)
    np.testing.assert_allclose(clean.typical(), dirty.typical(), atol=0.5)


def test_it_resumes_and_refuses_other_features() -> None:
    """Same bytes after a round trip; another feature list is an error that names both."""
    profile = PopulationProfile(FEATURES, remember=64)
    profile.learn(np.random.default_rng(2).normal(size=(50, 2)))
    blob = profile.snapshot()
    assert PopulationProfile(FEATURES, remember=64, resume=blob).snapshot() == blob
    with pytest.raises(SnapshotError, match="rare"):
        PopulationProfile(FEATURES[:1], remember=64, resume=blob)
