"""The detector around the twin: warm-up, scale, diet, reasons. That the twin is River is a property test."""

import numpy as np
import pytest

from detectors.base import Direction, FeatureInfo, Rows
from detectors.checks import rows_of
from detectors.half_space import alike as alike_module
from detectors.half_space import twin as twin_module
from detectors.half_space.alike import alike
from detectors.half_space.trees import HalfSpaceTreesSpec
from detectors.half_space.twin import HalfSpaceTreesTwin, grow, seeded_forest
from state.errors import ConfigError, SnapshotError

FEATURES = (
    FeatureInfo("plays", log=True),
    FeatureInfo("share", Direction.LOW, low=0.0, high=1.0),
    FeatureInfo("cv", Direction.BOTH),
)
SPEC = HalfSpaceTreesSpec(window_size=100, seed=3)


def people(rng: np.random.Generator, n: int) -> Rows:
    return rows_of(np.stack([np.exp(rng.normal(3, 0.5, n)), rng.beta(4, 2, n), rng.normal(1, 0.2, n)], axis=1))


def test_scores_begin_after_the_first_window() -> None:
    """Before a reference window is full the answer is "not yet", not "normal"."""
    rng = np.random.default_rng(1)
    detector = SPEC.build(FEATURES)
    rounds = 0
    while np.isnan(detector.score(people(rng, 5))).all():
        detector.learn(people(rng, 50))
        rounds += 1
    assert rounds == 3
    assert not np.isnan(detector.score(people(rng, 5))).any()


def test_one_large_round_is_enough() -> None:
    """Scale and reference both come from the first round when it is large."""
    rng = np.random.default_rng(2)
    detector = SPEC.build(FEATURES)
    detector.learn(people(rng, 5000))
    assert not np.isnan(detector.score(people(rng, 5))).any()


def test_a_round_is_scored_as_a_whole() -> None:
    """Scores of a row do not depend on the other rows of its round."""
    rng = np.random.default_rng(3)
    detector = SPEC.build(FEATURES)
    detector.learn(people(rng, 5000))
    rows = people(rng, 700)
    assert np.array_equal(detector.score(rows)[13:15], detector.score(rows_of(rows.x[13:15])))


@pytest.mark.parametrize("values", [3, 10_000])
def test_rows_that_are_alike_go_down_the_trees_together(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masses and counts are those of rows that go one by one, whether most rows repeat others or hardly any does."""

    def twin() -> HalfSpaceTreesTwin:
        return HalfSpaceTreesTwin(["a", "b", "c"], 7, 5, 100, seed=2)

    rng = np.random.default_rng(5)
    rounds = [(rng.integers(0, values, (n, 3)) / values).astype(np.float32) for n in (90, 150, 7, 300, 20)]
    rounds[1][::9, 1] = np.nan
    together, apart = twin(), twin()
    for x in rounds:
        together.learn(x)
        with monkeypatch.context() as patch:
            patch.setattr(twin_module, "alike", lambda _: None)
            apart.learn(x)
        assert np.array_equal(together.latest, apart.latest)
        assert np.array_equal(together.mass(x), apart.mass(x))
    assert together._repeats == (values == 3)


def test_scores_ahead_are_those_of_later() -> None:
    """Rows that lie side by side with those of later rounds have the scores that they have alone, across pivots."""
    rng = np.random.default_rng(6)
    ahead, alone = SPEC.build(FEATURES), SPEC.build(FEATURES)
    for sizes in ([30, 7, 1, 60, 45, 20], [3, 200, 5], [40] * 6, [60, 5, 5, 5, 5] * 5):
        whole, begin = people(rng, sum(sizes)).x.T.copy().T, 0
        for n in sizes:
            rows = rows_of(whole[begin : begin + n])
            expected = alone.score(rows)
            rows.ahead = whole, begin
            assert np.array_equal(ahead.score(rows), expected, equal_nan=True)
            assert np.array_equal(ahead.score(rows.pick(np.arange(n)[::-1])), expected[::-1], equal_nan=True)
            ahead.learn(rows)
            alone.learn(rows)
            begin += n
    assert not np.isnan(expected).any()
    assert ahead.snapshot() == alone.snapshot()


def test_alike_is_alike_to_the_bit() -> None:
    """Who stands for whom; rows that differ in anything, also in what their key hides, do not stand for each other."""
    x = np.array([[1, 2], [np.nan, 2], [1, 2], [np.nan, 2], [1, 2], [0.0, 2]], np.float32)
    found = alike(x)
    assert found is not None
    assert found.first[found.of].tolist() == [0, 1, 0, 1, 0, 5]
    assert sorted(found.times.tolist()) == [1, 2, 3]
    assert alike(x[[0, 1, 5]]) is None
    clash = np.array([[3, 0], [0, 5], [3, 0], [0, 5]], np.uint32)
    factors = np.array([[5], [3]], np.uint64)  # 3 * 5 + 0 * 3 == 0 * 5 + 5 * 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alike_module, "_factors", lambda _: factors)
        assert alike(clash.view(np.float32)) is None


def test_the_reference_is_spread_over_the_round() -> None:
    """The last 100 rows of a round are not the model: a round of two halves makes both halves normal."""
    rng = np.random.default_rng(4)
    detector = SPEC.build(FEATURES)
    rows = people(rng, 4000)
    rows.x[2000:, 2] += 0.8
    for _ in range(3):
        detector.learn(rows)
    score = detector.score(rows)
    odd = people(rng, 100)
    odd.x[:] = [4000.0, 0.01, 3.0]
    assert max(np.median(score[:2000]), np.median(score[2000:])) < 0.5 * np.median(detector.score(odd))


def test_little_of_a_suspicious_thing_is_normal() -> None:
    """Directed features: someone who plays nothing is not odd, the same distance upwards is."""
    rng = np.random.default_rng(5)
    detector = SPEC.build(FEATURES)
    detector.learn(people(rng, 4000))
    idle, busy = detector.score(rows_of(np.array([[0.0, 0.7, 1.0], [3000.0, 0.7, 1.0]])))
    assert busy > idle + 0.1


def test_the_reason_is_the_feature_that_was_changed() -> None:
    """Each planted feature gets the largest part of its row's explanation."""
    rng = np.random.default_rng(6)
    detector = HalfSpaceTreesSpec(n_trees=50).build(FEATURES)
    for _ in range(4):
        detector.learn(people(rng, 2000))
    x = np.array([[20.0, 0.7, 1.0]] * 3)
    x[0, 0], x[1, 1], x[2, 2] = 5000.0, 0.0, 4.0
    assert detector.explain(rows_of(x)).argmax(axis=1).tolist() == [0, 1, 2]


def test_it_learns_a_new_normal_in_one_window() -> None:
    """Scale and masses are renewed together: after a shift, two rounds later the new level is normal again."""
    rng = np.random.default_rng(7)
    detector = SPEC.build(FEATURES)
    detector.learn(people(rng, 1000))
    usual = np.median(detector.score(people(rng, 500)))

    def shifted() -> Rows:
        rows = people(rng, 1000)
        rows.x[:, 0] *= 50
        return rows

    surprised = np.median(detector.score(shifted()))
    for _ in range(20):
        detector.learn(shifted())
    assert surprised > usual + 0.5
    assert np.median(detector.score(shifted())) < usual + 0.2


def test_forests_are_shared_and_reproducible() -> None:
    """One forest per (size, features, seed) in a process; another seed is another forest."""
    limits = ((0.0, 1.0), (0.0, 1.0))
    assert seeded_forest(3, 4, ("a", "b"), limits, 1) is seeded_forest(3, 4, ("a", "b"), limits, 1)
    import random

    again = grow(3, 4, ("a", "b"), limits, random.Random(1))
    assert np.array_equal(again.threshold[3], seeded_forest(3, 4, ("a", "b"), limits, 1).threshold[3])
    assert not np.array_equal(again.threshold[3], seeded_forest(3, 4, ("a", "b"), limits, 2).threshold[3])


def test_what_waits_for_the_pivot_is_in_a_snapshot() -> None:
    """Small rounds are counted together at the pivot, or when state is saved: scores are the same to the bit."""
    rng = np.random.default_rng(8)
    kept, again = SPEC.build(FEATURES), SPEC.build(FEATURES)
    for rows in rng.integers(1, 60, 40).tolist():
        rows_now = rows_of(rng.normal(size=(rows, len(FEATURES))))
        assert np.array_equal(kept.score(rows_now), again.score(rows_now), equal_nan=True)
        kept.learn(rows_now)
        again.learn(rows_now)
        again = SPEC.build(FEATURES, resume=again.snapshot())
    assert kept.snapshot() == again.snapshot()
    assert not np.isnan(kept.score(rows_now)).any()


def test_a_snapshot_of_other_trees_is_refused() -> None:
    """The message names what was saved and what is configured."""
    blob = SPEC.build(FEATURES).snapshot()
    with pytest.raises(SnapshotError, match="start this detector afresh"):
        HalfSpaceTreesSpec(window_size=100, seed=4).build(FEATURES, blob)
    with pytest.raises(SnapshotError, match="plays"):
        SPEC.build(FEATURES[1:], blob)


@pytest.mark.parametrize("bad", [{"n_trees": 0}, {"height": 16}, {"window_size": 3}, {"scale_rows": 1}])
def test_impossible_settings_are_refused(bad: dict[str, int]) -> None:
    """The message names the parameter; and a detector needs a feature."""
    with pytest.raises(ConfigError, match=next(iter(bad))):
        HalfSpaceTreesSpec(**bad)
    with pytest.raises(ConfigError, match="at least one"):
        SPEC.build(())


def test_trees_of_many_widths() -> None:
    """The first tree cuts the narrow cube only, the last one the wide one; each keeps the order of its cuts."""
    names = tuple(FeatureInfo(name, Direction.BOTH) for name in "ab")
    wide = HalfSpaceTreesSpec(n_trees=9, height=5, reach=(1.0, 100.0)).build(names).trees.forest
    plain = HalfSpaceTreesSpec(n_trees=9, height=5).build(names).trees.forest
    for cuts, whole in zip(wide.threshold, plain.threshold, strict=True):
        z, unit = (cuts.reshape(9, -1) - 0.5) * 200.0, whole.reshape(9, -1) - 0.5
        assert np.abs(z[0]).max() <= 1.0
        np.testing.assert_allclose(z, unit * 2.0 * np.geomspace(1.0, 100.0, 9)[:, None], atol=1e-9)
    with pytest.raises(ConfigError, match=r"half_space_trees\.reach: seen \(5\.0, 1\.0\), allowed: two numbers, asc"):
        HalfSpaceTreesSpec(reach=(5.0, 1.0))


def test_a_wide_cube_sees_how_far() -> None:
    """Beyond five inter-quartile ranges all is one to the default; with a wide cube a hundred are odder than ten."""
    rng = np.random.default_rng(5)
    far = rows_of(np.array([[10.0], [100.0]]))
    for reach, told in (((5.0, 5.0), False), ((1.0, 200.0), True)):
        detector = HalfSpaceTreesSpec(reach=reach).build((FeatureInfo("a", Direction.BOTH),))
        x = rng.standard_t(1.5, size=(2000, 1))
        for part in np.array_split(x, 20):
            detector.learn(rows_of(part))
        near, further = detector.score(far)
        assert bool(further > near) == told
