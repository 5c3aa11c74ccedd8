"""Each shipped detector: scoring, learning, and a round of both as the host does it, at 1, 32 and 1,024 rows a call."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import Size, fingerprint, fresh, tell
from detectors.base import Detector, DetectorSpec, Rows
from detectors.baseline import HistoryBaselineSpec
from detectors.binned_logistic import BinnedLogisticSpec
from detectors.checks import FEATURES, World, attacked, ranking, rows_of
from detectors.checks.world import lesson
from detectors.discord import DiscordSpec
from detectors.ecod import EcodSpec
from detectors.extremes import ExtremesSpec
from detectors.half_space.trees import HalfSpaceTreesSpec
from detectors.isolation_forest import IsolationForestSpec
from detectors.registry import BUILT_IN
from detectors.resonance import ResonanceSpec
from detectors.river_model import RiverModelSpec
from detectors.rolling import RollingDeviationSpec
from detectors.rules import Bound, Rule, RulesSpec
from detectors.saving import build, whole
from detectors.seasonal import SeasonalDeviationSpec
from detectors.values import ValuesSpec
from state.chunks import Bundle
from state.types import F64

_SPECS: tuple[DetectorSpec, ...] = (
    HalfSpaceTreesSpec(),
    IsolationForestSpec(),
    ExtremesSpec(ready_hours=0.0),
    EcodSpec(),
    HistoryBaselineSpec(),
    RollingDeviationSpec(),
    # Of 24 rounds, as many as there are before measuring.
    SeasonalDeviationSpec(period_hours=2, part_minutes=60, visits=1, warmup=4),
    DiscordSpec(length=4, ready=4, warmup=4),
    ResonanceSpec(length=4, warmup=12),
    RulesSpec(
        rules=(
            Rule("too_much", "play_time_ratio", above=2.0),
            Rule("one_thing", "top_share", above=0.9, unless=(Bound("searches", above=1.0),), p=1e-5),
            Rule("clockwork", "gap_cv", below=0.05, p=1e-4),
        )
    ),
    ValuesSpec(),
    BinnedLogisticSpec(),
    RiverModelSpec(),
)
_SUBJECTS = 1024
_WARMUP_ROUNDS = 24

Work = Callable[[Detector, list[Rows]], None]


def _score(detector: Detector, feed: list[Rows]) -> None:
    for rows in feed:
        detector.score(rows)


def _learn(detector: Detector, feed: list[Rows]) -> None:
    for rows in feed:
        detector.learn(rows)


def _both(detector: Detector, feed: list[Rows]) -> None:
    for rows in feed:
        detector.score(rows)
        detector.learn(rows)


_WORK: dict[str, Work] = {"score": _score, "learn": _learn, "score and learn": _both}


def test_every_detector_has_its_case() -> None:
    """A new detector comes with its benchmark."""
    assert [type(spec) for spec in _SPECS] == list(BUILT_IN)


@cache
def _trained(spec: DetectorSpec) -> bytes:
    """The state after 24 rounds of 1,024 subjects."""
    detector, world = spec.build(FEATURES), World(subjects=_SUBJECTS)
    for _ in range(_WARMUP_ROUNDS):
        detector.learn(lesson(spec, world.round(_SUBJECTS if spec.type != RiverModelSpec.type else 64)))
    return whole(detector)


def _cut(rows: Rows, truth: F64, batch: int) -> list[Rows]:
    """The same rows in calls of `batch`, with their labels; slots stay those of their subjects."""
    cuts = [slice(start, start + batch) for start in range(0, len(rows), batch)]
    assert rows.slot is not None
    return [
        Rows(
            rows.window,
            rows.end_us,
            rows.x[c],
            rows.subject[c],
            rows.start_us[c],
            rows.stop_us[c],
            rows.slot[c],
            truth[c],
        )
        for c in cuts
    ]


@pytest.mark.benchmark(group="detectors")
@pytest.mark.parametrize("batch", [1, 32, 1024])
@pytest.mark.parametrize("work", list(_WORK))
@pytest.mark.parametrize("spec", _SPECS, ids=lambda spec: spec.type)
def test_detector(benchmark: BenchmarkFixture, size: Size, spec: DetectorSpec, work: str, batch: int) -> None:
    """256 rows, or one call of 1,024, each time in a detector that has seen 24 rounds; `n` says how many rows."""
    rows, truth = attacked(World(seed=8, subjects=size(64, max(batch, 256))).round())
    feed = _cut(rows, truth, batch)
    blob = _trained(spec)

    def run(detector: Detector) -> Detector:
        _WORK[work](detector, feed)
        return detector

    detector = fresh(benchmark, lambda: build(spec, FEATURES, Bundle.open(blob)), run)
    untouched = build(spec, FEATURES, Bundle.open(blob))
    _still_knows(spec, untouched, feed, rows, truth)
    if work == "score":
        assert whole(detector) == blob, "scoring changed the state"
    elif spec.learns:
        assert whole(detector) != blob, "nothing was learned"
        after = detector.score(rows)
        assert np.isfinite(after).all()
    probe = World(seed=9, subjects=64).round()
    tell(
        benchmark,
        per="row",
        n=len(rows),
        result=fingerprint(untouched.score(rows), detector.score(probe)),
        detector=spec.type,
        work=work,
        batch=batch,
        features=len(FEATURES),
    )


def _still_knows(spec: DetectorSpec, detector: Detector, feed: list[Rows], rows: Rows, truth: F64) -> None:
    """A score is the row's own, however rows are cut into calls, and planted attacks are at the top."""
    score = detector.score(rows)
    assert np.allclose(np.concatenate([detector.score(part) for part in feed]), score, rtol=1e-12)
    if not spec.declared:
        assert ranking(score, truth) > 0.9
    else:
        x = dict(zip((f.name for f in FEATURES), rows.x.T, strict=True))
        alone = (x["top_share"] > 0.9) & (x["searches"] <= 1)
        by_hand = [
            np.where(x["play_time_ratio"] > 2, 9.0, 0),
            np.where(alone, 5.0, 0),
            np.where(x["gap_cv"] < 0.05, 4.0, 0),
        ]
        assert np.allclose(score, np.max(by_hand, axis=0))
        assert (score[truth > 0] == 9.0).all()


@pytest.mark.benchmark(group="waves")
@pytest.mark.parametrize("broken", [0.0, 0.1], ids=["quiet", "wave"])
def test_wave(benchmark: BenchmarkFixture, size: Size, broken: float) -> None:
    """Rules look at a round for what many of its subjects break."""
    rules = next(spec for spec in _SPECS if isinstance(spec, RulesSpec))
    rng = np.random.default_rng(6)
    x = rng.random((size(64, 1024), len(FEATURES)))
    column = next(i for i, feature in enumerate(FEATURES) if feature.name == rules.rules[0].feature)
    x[: round(broken * len(x)), column] = 3.0
    rows, detector = rows_of(x), rules.build(FEATURES)
    wave = benchmark(detector.wave, rows)
    share = 0.0 if wave is None else wave.share
    assert share >= round(broken * len(x)) / len(x)
    tell(benchmark, per="row", n=len(x), result=fingerprint(share), broken=broken)
