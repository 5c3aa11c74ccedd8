"""Any River detector: warm-up, errors in its own words, snapshots that name River's version."""

from dataclasses import replace

import numpy as np
import pytest
from river.linear_model import LogisticRegression
from river.preprocessing import StandardScaler

import detectors.river_model as module
from detectors.base import FeatureInfo, Rows
from detectors.checks import rows_of
from detectors.half_space.twin import HalfSpaceTreesTwin
from detectors.registry import spec_from
from detectors.river_model import RiverModelSpec
from state.errors import ConfigError, DetectorError, SnapshotError

FEATURES = (FeatureInfo("a"), FeatureInfo("b"))
FOREST = RiverModelSpec(
    "river.anomaly.HalfSpaceTrees",
    (("height", 4), ("n_trees", 5), ("seed", 3), ("window_size", 40)),
    warmup=30,
    unit=True,
)


STEPS = [{"path": "river.preprocessing.StandardScaler"}]
LOGISTIC = {"path": "river.linear_model.LogisticRegression", "params": {}, "steps": STEPS, "scaled": False}


def labelled(rng: np.random.Generator, n: int, known: float = 1.0) -> Rows:
    """Fraud is where a is above b."""
    x = rng.normal(size=(n, 2))
    label = np.where(rng.random(n) < known, (x[:, 0] > x[:, 1]).astype(np.float64), np.nan)
    return replace(rows_of(x), label=label)


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
    with pytest.raises(ConfigError, match="neither an anomaly detector"):
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
    detector = FOREST.build(FEATURES)

    def panic(*_: object) -> object:
        raise PanicException("bad state")

    blob = detector.snapshot()
    monkeypatch.setattr(type(detector.model), "__setstate__", panic, raising=False)
    with pytest.raises(SnapshotError, match="bad state"):
        detector.resume(blob)


@pytest.mark.parametrize(
    ("params", "model", "labels"),
    [
        (LOGISTIC, "StandardScaler | LogisticRegression", True),
        (
            {
                "path": "river.anomaly.QuantileFilter",
                "params": {"anomaly_detector": {"path": "river.anomaly.LODA", "params": {"seed": 3}}, "q": 0.9},
            },
            "QuantileFilter(LODA)",
            False,
        ),
        (
            {
                "path": "river.ensemble.VotingClassifier",
                "params": {"models": [{"path": "river.naive_bayes.GaussianNB"}] * 2},
            },
            "VotingClassifier",
            True,
        ),
        ({"path": "river.anomaly.GaussianScorer", "params": {}, "target": "a"}, "GaussianScorer", False),
    ],
    ids=["pipeline", "filter", "ensemble", "judges y"],
)  # fmt: skip
def test_models_are_made_by_configuration(params: dict[str, object], model: str, labels: bool) -> None:
    """Values from TOML become River objects, nested ones too; equal configurations are equal specifications."""
    spec = spec_from("river", params)
    assert isinstance(spec, RiverModelSpec)
    assert (str(spec.model()), spec.uses_labels) == (model, labels)
    assert hash(spec) == hash(spec_from("river", params))


def test_a_classifier_answers_as_river_does() -> None:
    """Row by row in the order of rounds, each scored before any of its round is learned; rows without a label teach
    nothing; missing values are left out of the dictionaries.
    """
    rng = np.random.default_rng(4)
    detector = spec_from("river", {**LOGISTIC, "warmup": 10}).build(FEATURES)
    river = StandardScaler() | LogisticRegression()
    seen: set[float] = set()
    detector.learn(rows_of(rng.normal(size=(10, 2))))
    for _ in range(6):
        rows = labelled(rng, 20, known=0.6)
        rows.x[3, 1] = np.nan
        dicts = [{k: v for k, v in zip("ab", row, strict=True) if v == v} for row in rows.x.tolist()]
        ready = seen == {0.0, 1.0}
        expected = [river.predict_proba_one(d)[True] if ready else np.nan for d in dicts]
        assert np.array_equal(detector.score(rows), expected, equal_nan=True)
        detector.learn(rows)
        assert rows.label is not None
        for d, y in zip(dicts, rows.label.tolist(), strict=True):
            if y == y:
                river.learn_one(d, y > 0)
                seen.add(y)
    assert seen == {0.0, 1.0}


def test_a_classifier_goes_on_from_its_snapshot() -> None:
    """Restored, it answers like the one that went on; another configuration refuses its state."""
    rng = np.random.default_rng(5)
    spec = spec_from("river", {**LOGISTIC, "warmup": 10})
    detector = spec.build(FEATURES)
    for _ in range(4):
        detector.learn(labelled(rng, 20))
    twin = spec.build(FEATURES, detector.snapshot())
    for _ in range(3):
        rows = labelled(rng, 20)
        assert np.array_equal(detector.score(rows), twin.score(rows))
        detector.learn(rows)
        twin.learn(rows)
    with pytest.raises(SnapshotError, match="saved for"):
        spec_from("river", {**LOGISTIC, "params": {"l2": 0.1}}).build(FEATURES, twin.snapshot())


def test_a_target_is_judged_given_the_others() -> None:
    """GaussianScorer looks at one feature; an odd value of it is odd, an odd value of another one is not."""
    rng = np.random.default_rng(6)
    spec = spec_from("river", {"path": "river.anomaly.GaussianScorer", "params": {}, "target": "b", "directed": False})
    detector = spec.build(FEATURES)
    for _ in range(30):
        detector.learn(rows_of(rng.normal(size=(50, 2))))
    score = detector.score(rows_of(np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])))
    assert score[0] == score[1] < 0.5 < 0.99 < score[2]
    with pytest.raises(ConfigError, match="no feature 'c' to judge; there are a, b"):
        replace(spec, target="c").build(FEATURES)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"path": "river.anomaly.GaussianScorer", "params": {}}, "needs a target, the feature that it judges"),
        ({"target": "a"}, "takes no target: it judges rows"),
        ({"path": "river.preprocessing.StandardScaler", "params": {}}, "neither an anomaly detector"),
        ({"path": "river.anomaly", "params": {}}, "is not a class"),
    ],
)
def test_what_cannot_be_used_is_told(params: dict[str, object], message: str) -> None:
    """What is missing or too much, and why."""
    with pytest.raises(ConfigError, match=message):
        spec_from("river", params).build(FEATURES)


EVERY_ANOMALY_DETECTOR = {
    "HalfSpaceTrees": {"params": {"seed": 1, "window_size": 50}, "unit": True},
    "LODA": {"params": {"n_random_cuts": 10, "seed": 1}},
    "OneClassSVM": {"params": {}},
    "LocalOutlierFactor": {"params": {"n_neighbors": 5}},
    "GaussianScorer": {"params": {}, "target": "b"},
    "StandardAbsoluteDeviation": {
        "params": {"sub_stat": {"path": "river.stats.Mean"}}, "target": "b",
    },
    "PredictiveAnomalyDetection": {
        "params": {"predictive_model": {"path": "river.linear_model.LinearRegression"}, "warmup_period": 5},
        "target": "b",
    },
    "ThresholdFilter": {
        "params": {"anomaly_detector": {"path": "river.anomaly.LODA", "params": {"seed": 1}}, "threshold": 9.0},
    },
    "QuantileFilter": {
        "params": {"anomaly_detector": {"path": "river.anomaly.LODA", "params": {"seed": 1}}, "q": 0.9},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY_ANOMALY_DETECTOR)
def test_every_anomaly_detector_of_river_runs_and_resumes(name: str) -> None:
    """By configuration alone: it learns, has an opinion on every row, and goes on from its snapshot to the bit."""
    spec = spec_from("river", {"path": f"river.anomaly.{name}", "warmup": 40, **EVERY_ANOMALY_DETECTOR[name]})
    rng = np.random.default_rng(8)
    detector = spec.build(FEATURES)
    for _ in range(8):
        detector.learn(rows_of(rng.normal(size=(30, 2))))
    twin = spec.build(FEATURES, detector.snapshot())
    for _ in range(2):
        rows = rows_of(rng.normal(size=(30, 2)))
        score = detector.score(rows)
        assert np.isfinite(score).all()
        assert np.array_equal(score, twin.score(rows))
        detector.learn(rows)
        twin.learn(rows)


def test_there_is_no_other_one() -> None:
    """A detector that a new release of River brings is added to the list above."""
    import river.anomaly

    there = {name for name in river.anomaly.__all__ if name not in ("base", "filter")}
    assert there == set(EVERY_ANOMALY_DETECTOR)
