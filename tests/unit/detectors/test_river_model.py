"""Any River detector: warm-up, errors in its own words, snapshots that name River's version."""

import numpy as np
import pytest

import detectors.river_model as module
from detectors.base import FeatureInfo
from detectors.checks import rows_of
from detectors.half_space_twin import HalfSpaceTreesTwin
from detectors.river_model import RiverModelSpec
from state.errors import ConfigError, DetectorError, SnapshotError

FEATURES = (FeatureInfo("a"), FeatureInfo("b"))
FOREST = RiverModelSpec(
    "river.anomaly.HalfSpaceTrees",
    (("height", 4), ("n_trees", 5), ("seed", 3), ("window_size", 40)),
    warmup=30,
    unit=True,
)


class PanicException(BaseException):
    """As pyo3 raises it."""


def test_it_scores_as_the_model_does_on_scaled_rows() -> None:
    """The same rows through the exact twin of the same model give the same scores."""
    rng = np.random.default_rng(1)
    detector = FOREST.build(FEATURES)
    detector.learn(rows_of(rng.normal(size=(30, 2))))
    twin = HalfSpaceTreesTwin(("a", "b"), 5, 4, 40, seed=3)
    assert detector.scale is not None
    for _ in range(5):
        rows = rows_of(rng.normal(size=(25, 2)))
        detector.learn(rows)
        twin.learn((detector.scale.apply(rows.x) + 5) / 10)
    twin_detector = HalfSpaceTreesTwin.from_river(detector.model, ("a", "b"))
    rows = rows_of(rng.normal(size=(20, 2)))
    assert np.array_equal(detector.score(rows), twin_detector.score((detector.scale.apply(rows.x) + 5) / 10))


def test_rivers_integer_zero_is_not_yet() -> None:
    """Half-Space Trees answers int 0 in its first window: nan here, so that calibration does not learn it."""
    rng = np.random.default_rng(2)
    detector = FOREST.build(FEATURES)
    answers = []
    for _ in range(12):
        rows = rows_of(rng.normal(size=(10, 2)))
        answers.append(bool(np.isnan(detector.score(rows)).all()))
        detector.learn(rows)
    # Rows up to the scale, then River's window of 40 with the round that fixed the scale.
    assert answers == [True] * 6 + [False] * 6


def test_an_unknown_path_or_argument_is_a_configuration_error() -> None:
    """What was asked for, and what would do."""
    with pytest.raises(ConfigError, match=r"such as river\.anomaly\.LODA"):
        RiverModelSpec("river.anomaly.Nonsense").build(FEATURES)
    with pytest.raises(ConfigError, match="cannot import"):
        RiverModelSpec("nonsense").build(FEATURES)
    with pytest.raises(ConfigError, match="AnomalyDetector"):
        RiverModelSpec("river.stats.Mean", ()).build(FEATURES)
    with pytest.raises(ConfigError, match="n_bees"):
        RiverModelSpec(params=(("n_bees", 3),)).build(FEATURES)


def test_panics_of_rivers_rust_half_do_not_escape_as_base_exceptions() -> None:
    """A BaseException that is no interrupt becomes a DetectorError that names the call."""
    detector = FOREST.build(FEATURES)
    detector.learn(rows_of(np.random.default_rng(3).normal(size=(100, 2))))

    class Broken:
        def score_one(self, x: dict[str, float]) -> float:
            raise PanicException("index out of bounds")

    detector.model = Broken()
    with pytest.raises(DetectorError, match="score_one: PanicException: index out of bounds"):
        detector.score(rows_of(np.zeros((1, 2))))


def test_a_snapshot_names_rivers_version_and_another_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pickles do not survive River's releases; saying so beats answering differently."""
    blob = FOREST.build(FEATURES).snapshot()
    monkeypatch.setattr(module, "version", lambda _: "0.27.0")
    with pytest.raises(SnapshotError, match=r"0\.26\.1.*0\.27\.0"):
        FOREST.build(FEATURES, blob)


def test_a_panic_while_restoring_is_a_snapshot_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old pickles may panic instead of raising."""
    blob = FOREST.build(FEATURES).snapshot()

    def panic(_: bytes) -> object:
        raise PanicException("bad state")

    monkeypatch.setattr(module.pickle, "loads", panic)
    with pytest.raises(SnapshotError, match="bad state"):
        FOREST.build(FEATURES, blob)
