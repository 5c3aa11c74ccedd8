"""Hard rules."""

import numpy as np
import pytest

from detectors.base import FeatureInfo
from detectors.checks import rows_of
from detectors.rules import Bound, Rule, RulesSpec
from state.errors import ConfigError

FEATURES = (FeatureInfo("play_time_ratio"), FeatureInfo("offline_share"), FeatureInfo("gap"))
FASTER = Rule("faster_than_time", "play_time_ratio", above=1.5, unless=(Bound("offline_share", above=0.1),), p=1e-9)
INSTANT = Rule("instant", "gap", below=0.01, p=1e-6)
SPEC = RulesSpec((FASTER, INSTANT))


def test_the_most_improbable_broken_rule_is_the_score() -> None:
    """-log10(p); 0 where nothing is broken; never nan, also when nothing was learned."""
    x = np.array([[1.0, 0.0, 1.0], [2.0, 0.0, 1.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [np.nan, np.nan, np.nan]])
    rules = SPEC.build(FEATURES)
    assert rules.score(rows_of(x)).tolist() == pytest.approx([0.0, 9.0, 6.0, 9.0, 0.0])
    names = [(), ("faster_than_time",), ("instant",), ("faster_than_time", "instant"), ()]
    assert rules.broken(rows_of(x)) == names
    assert rules.explain(rows_of(x))[3].tolist() == pytest.approx([9.0, 0.0, 6.0])


def test_an_excuse_clears_the_row_and_so_does_an_unknown_one() -> None:
    """Late offline plays burst into one minute: nobody is accused of physics that may not apply."""
    x = np.array([[2.0, 0.5, 1.0], [2.0, np.nan, 1.0], [2.0, 0.1, 1.0]])
    assert SPEC.build(FEATURES).score(rows_of(x)).tolist() == pytest.approx([0.0, 0.0, 9.0])


def test_a_window_without_a_rules_features_skips_it() -> None:
    """Excuses count: a rule that cannot be excused is not applied."""
    rules = SPEC.build((FEATURES[0], FEATURES[2]))
    assert [r.name for r in rules.rules] == ["instant"]
    assert RulesSpec().build(FEATURES).score(rows_of(np.ones((2, 3)))).tolist() == [0.0, 0.0]
    assert RulesSpec().build(FEATURES).broken(rows_of(np.ones((2, 3)))) == [(), ()]


def test_a_wave_tells_how_many_and_what_most_of_them_break() -> None:
    """A share counts whoever breaks two rules once; names by how many break them, equals by name."""
    x = np.tile([1.0, 0.0, 1.0], (100, 1))
    x[:8, 0] = 2.0
    x[4:16, 2] = 0.0
    wave = SPEC.build(FEATURES).wave(rows_of(x))
    assert wave is not None
    assert (wave.share, wave.features) == (0.16, ("instant", "faster_than_time"))
    x[12:, 2] = 1.0
    wave = SPEC.build(FEATURES).wave(rows_of(x))
    assert wave is not None
    assert (wave.share, wave.features) == (0.12, ("faster_than_time", "instant"))
    assert SPEC.build(FEATURES).wave(rows_of(x[50:])) is None
    assert SPEC.build(FEATURES).wave(rows_of(x[:49])) is None


def test_ill_formed_rules_are_named() -> None:
    """Exactly one bound, a probability, different names."""
    with pytest.raises(ConfigError, match="exactly one"):
        Rule("r", "gap")
    with pytest.raises(ConfigError, match="exactly one"):
        Bound("gap", above=1, below=2)
    with pytest.raises(ConfigError, match=r"r\.p"):
        Rule("r", "gap", above=1.0, p=0.0)
    with pytest.raises(ConfigError, match="differ"):
        RulesSpec((INSTANT, INSTANT))
