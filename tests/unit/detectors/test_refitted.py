"""Models that are fitted anew in a process of their own: which rows they see, when they take over, and failures."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from detectors.base import FeatureInfo, Rows
from detectors.checks import Check, yield_checks
from detectors.refitted import Refitted
from state.errors import ConfigError, SnapshotError
from state.types import F64, HOUR_US
from tests.unit.detectors.small_refits import MeansSpec, UnrulySpec

FEATURES = (FeatureInfo("a"), FeatureInfo("b"))


def rows(hour: float, x: F64, label: F64 | None = None) -> Rows:
    """Of a round that ends then."""
    end_us = round(hour * HOUR_US)
    at = np.full(len(x), end_us)
    return Rows("w", end_us, x, np.arange(len(x), dtype=np.uint64), at - 1, at, label=label)


def lesson(hour: float, frauds_at: float = 5.0, n: int = 40) -> Rows:
    """Every fourth row is a fraud, whose values are about `frauds_at`."""
    rng = np.random.default_rng(round(hour * 10))
    label = (np.arange(n) % 4 == 0).astype(np.float64)
    return rows(hour, rng.normal(size=(n, 2)) + 10 + frauds_at * label[:, None], label)


PROBE = np.array([[10.0, 10.0], [15.0, 15.0], [np.nan, 10.0]])


def built(spec: MeansSpec) -> Refitted:
    return spec.build(FEATURES)


@pytest.mark.parametrize("check", list(yield_checks(MeansSpec(every_hours=8.0))), ids=str)
def test_contract(check: Check) -> None:
    """What the flow relies on."""
    check.run()


def test_it_sees_what_was_known_and_takes_over_when_it_is_time() -> None:
    """A fit begins in the first round after a boundary, with the lessons before; its model scores later than `lag`."""
    detector = built(MeansSpec(every_hours=10.0, lag_hours=2.0, ready=5))
    for hour in (1.0, 2.0):  # ten frauds are known after the first: the fit begins in the second, with these
        detector.learn(lesson(hour))
    assert np.isnan(detector.score(rows(4.0, PROBE))).all()
    first = detector.score(rows(4.1, PROBE))
    alone = MeansSpec().scorer(MeansSpec().fit(lesson(1.0).x.astype(np.float32).astype(np.float64), lesson(1.0).label))  # type: ignore[arg-type]
    assert first.tolist() == alone(PROBE).tolist()
    for hour in (5.0, 9.9):
        detector.learn(lesson(hour, frauds_at=-5.0))
    assert detector.score(rows(10.0, PROBE)).tolist() == first.tolist()
    detector.learn(lesson(11.0, frauds_at=-100.0))  # after the boundary at 10: not among the rows of its fit
    assert detector.score(rows(13.0, PROBE)).tolist() == first.tolist()
    seen = [lesson(1.0), lesson(2.0), lesson(5.0, -5.0), lesson(9.9, -5.0)]
    x = np.concatenate([one.x for one in seen]).astype(np.float32).astype(np.float64)
    label = np.concatenate([one.label for one in seen if one.label is not None])
    second = MeansSpec().scorer(MeansSpec().fit(x, label))
    assert detector.score(rows(13.1, PROBE)).tolist() == second(PROBE).tolist()


def test_the_last_rows_are_remembered() -> None:
    """`remember` of them, across lessons; rows without a label are none."""
    spec = MeansSpec(every_hours=1.0, lag_hours=0.0, ready=1, remember=50)
    detector = built(spec)
    unknown = lesson(0.4)
    assert unknown.label is not None
    detector.learn(replace(unknown, label=np.where(np.arange(40) < 20, np.nan, unknown.label)))
    detector.learn(lesson(0.5, 7.0))
    detector.learn(rows(1.0, PROBE))
    x = np.concatenate([unknown.x[30:], lesson(0.5, 7.0).x]).astype(np.float32).astype(np.float64)
    label = np.concatenate([unknown.label[30:], lesson(0.5, 7.0).label])  # type: ignore[list-item]
    assert detector.score(rows(1.5, PROBE)).tolist() == spec.scorer(spec.fit(x, label))(PROBE).tolist()


@pytest.mark.parametrize("stop", [1.0, 3.0, 11.5, 12.5])
def test_restarts_change_nothing(stop: float) -> None:
    """Before a fit, while it goes on, and after it."""
    spec = MeansSpec(every_hours=10.0, lag_hours=2.0, ready=5)
    hours = [0.5 * i for i in range(1, 30)]

    def run(detector: Refitted, some: list[float]) -> list[list[float]]:
        said = []
        for hour in some:
            said.append(detector.score(rows(hour, PROBE)).tolist())
            detector.learn(lesson(hour, frauds_at=5.0 if hour < 5 else -5.0))
        return said

    whole = run(built(spec), hours)
    first = built(spec)
    said = run(first, [h for h in hours if h <= stop])
    second = spec.build(FEATURES, first.snapshot())
    assert second.snapshot() == first.snapshot()
    said += run(second, [h for h in hours if h > stop])
    assert str(said) == str(whole)
    assert len({str(one) for one in whole}) == 3


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("raises", "ValueError: no such thing"),
        ("sleeps", "a fit took longer than 1.5 s"),
        ("dies", "a fit ended with 3: it said nothing"),
        ("nothing", "fit returned a bytes, expected bytes that are not empty"),
    ],
)
def test_a_fit_that_fails_leaves_the_model(does: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """And says so; the next one that works takes over."""
    detector = built(UnrulySpec(every_hours=4.0, lag_hours=1.0, ready=5, remember=80, seconds=1.5, does=does))
    detector.learn(lesson(0.5))
    detector.learn(lesson(1.0))
    good = detector.score(rows(3.0, PROBE)).tolist()
    bad = lesson(3.5)
    detector.learn(replace(bad, x=bad.x - 100.0))
    detector.learn(lesson(4.5))
    assert not caplog.records
    assert detector.score(rows(6.0, PROBE)).tolist() == good
    with caplog.at_level(logging.WARNING, "driftnet.detectors"):
        detector.learn(lesson(6.0))
    assert [said in record.message for record in caplog.records] == [True]
    assert detector.score(rows(7.0, PROBE)).tolist() == good
    detector.learn(lesson(8.5))
    assert detector.score(rows(10.0, PROBE)).tolist() != good


def test_forgotten_subjects_are_in_no_later_fit() -> None:
    """Nor in one that is under way when its process begins again."""
    spec = MeansSpec(every_hours=1.0, lag_hours=0.5, ready=1)
    detector = built(spec)
    detector.learn(lesson(0.5))
    detector.forget_subject(7)
    detector.learn(lesson(0.6))
    detector.forget_subject(8)
    again = spec.build(FEATURES, detector.snapshot())
    stay = ~np.isin(np.arange(40), (7, 8))
    known = lesson(0.5)
    assert known.label is not None
    fitted = spec.fit(known.x[stay].astype(np.float32).astype(np.float64), known.label[stay])
    assert again.score(rows(2.0, PROBE)).tolist() == spec.scorer(fitted)(PROBE).tolist()


def test_settings() -> None:
    """What cannot be is refused; another memory does not take a snapshot."""
    with pytest.raises(ConfigError, match="lag_hours"):
        MeansSpec(every_hours=1.0, lag_hours=1.0)
    saved = built(MeansSpec()).snapshot()
    with pytest.raises(SnapshotError, match="remember"):
        MeansSpec(remember=99).build(FEATURES, saved)
