"""Features: the subject stage with each kind of feature alone, with each sequence alone, and with 12 and 40 together.

A case is the whole stage for one key group (panes, order, duplicates, slots, cells, windows), because what features
share is shared there: what a kind costs by itself is its case less that of `count`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import Size, feature_rows, fingerprint, fresh, messages, stream, subject_stage, tell
from bench.scenarios import SCENARIOS
from detectors.features.declare import Condition, FeatureDecl, FeatureKind, SequenceDecl, SequenceKind
from detectors.features.running import KINDS, Running, RunningFeature
from flows.config.load import load
from flows.event_stream import WindowFeatures
from flows.job import Job
from flows.operators.rows import FeatureRows
from state.batch import MicroBatch
from state.types import HOUR_US, MINUTE_US
from state.windows import WindowKind, WindowSpec

_HAS_ORACLE = (Path(__file__).parents[2] / "tests" / "oracle").is_dir()
"""An installed wheel brings the benchmarks and not the tests."""
_WINDOW = WindowSpec("w5m", WindowKind.TUMBLING, 5 * MINUTE_US)
_PLAYS = (Condition("type", words=("play",)),)
_PAID = (*_PLAYS, Condition("ms_played", low=30_000, high=45_000))
_SKIPS = (Condition("type", words=("skip",)),)
_SIGN_UP = (Condition("type", words=("sign_up",)),)

_SEQUENCES = (
    SequenceDecl("play_gap", SequenceKind.GAP, where=_PLAYS, cap_us=30 * MINUTE_US),
    SequenceDecl("track_before", SequenceKind.PREVIOUS, "track", where=_PLAYS),
    SequenceDecl("track_pair", SequenceKind.TRANSITION, "track", where=_PLAYS),
    SequenceDecl("overlap_ms", SequenceKind.OVERLAP, "ms_played", where=_PLAYS),
    SequenceDecl("age_days", SequenceKind.AGE, "account_created", sign_up=_SIGN_UP),
    SequenceDecl("new_device", SequenceKind.NOVEL, "device"),
)
_READERS = {
    SequenceKind.PREVIOUS: FeatureKind.NUNIQUE,
    SequenceKind.TRANSITION: FeatureKind.NUNIQUE,
}
"""What looks at a sequence in its own case; a sum looks at the others."""

_FEATURES = (
    FeatureDecl("count", FeatureKind.COUNT, where=_PLAYS),
    FeatureDecl("capped", FeatureKind.CAPPED),
    FeatureDecl("duplicates", FeatureKind.DUPLICATES),
    FeatureDecl("rejects", FeatureKind.REJECTS),
    FeatureDecl("sum", FeatureKind.SUM, "ms_played", where=_PLAYS),
    FeatureDecl("mean", FeatureKind.MEAN, "ms_played", where=_PLAYS),
    FeatureDecl("min", FeatureKind.MIN, "ms_played", where=_PLAYS),
    FeatureDecl("max", FeatureKind.MAX, "ms_played", where=_PLAYS),
    FeatureDecl("share", FeatureKind.SHARE, where=_PAID, of=_PLAYS),
    FeatureDecl("ratio", FeatureKind.RATIO, where=_SKIPS, of=_PLAYS),
    FeatureDecl("nunique", FeatureKind.NUNIQUE, "track", where=_PLAYS),
    FeatureDecl("distinct_share", FeatureKind.DISTINCT_SHARE, "ms_played", where=_PLAYS, resolution=1_000.0),
    FeatureDecl("repeat_share", FeatureKind.REPEAT_SHARE, "track", where=_PLAYS),
    FeatureDecl("top_share", FeatureKind.TOP_SHARE, "artist", where=_PLAYS),
    FeatureDecl("entropy", FeatureKind.ENTROPY, "rights_holder", where=_PLAYS),
    FeatureDecl("gap_mean", FeatureKind.GAP_MEAN, sequence="play_gap"),
    FeatureDecl("gap_cv", FeatureKind.GAP_CV, sequence="play_gap"),
    FeatureDecl("gap_top_share", FeatureKind.GAP_TOP_SHARE, sequence="play_gap"),
    FeatureDecl("active_hours", FeatureKind.ACTIVE_HOURS, where=_PLAYS),
    FeatureDecl("per_active_hour", FeatureKind.PER_ACTIVE_HOUR, where=_PLAYS),
    FeatureDecl("time_ratio", FeatureKind.TIME_RATIO, "ms_played", where=_PLAYS),
    FeatureDecl("age_min", FeatureKind.AGE_MIN, sequence="age_days"),
    FeatureDecl("per_age_day", FeatureKind.PER_AGE_DAY, where=_PLAYS, sequence="age_days"),
)


def test_every_kind_has_its_case() -> None:
    """A new kind of feature or sequence comes with its benchmark; those that go on from window to window have one of
    their own.
    """
    there = {declared.kind for declared in (*_FEATURES, *_SEQUENCES)} | KINDS
    assert [kind.value for kind in (*FeatureKind, *SequenceKind) if kind not in there] == []


@pytest.mark.benchmark(group="features")
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_running(benchmark: BenchmarkFixture, size: Size, kind: FeatureKind) -> None:
    """A value that is made of others, or goes on from the window before, of subjects that have had one."""
    n = size(1_000, 100_000)
    running = Running([RunningFeature(0, FeatureDecl("f", kind, feature="n", half_life_us=HOUR_US), source=0, by=0)])
    slot, x = np.arange(n), np.random.default_rng(5).poisson(3.0, (n, 1)).astype(np.float64)
    running.go_on(HOUR_US, slot, x)
    found = benchmark(running.go_on, 2 * HOUR_US, slot, x)
    assert found.shape == x.shape
    never = kind in (FeatureKind.SINCE, FeatureKind.STREAK)  # one in twenty has had none
    assert np.isfinite(found).mean() > (0.9 if never else 0.999_999)


@pytest.mark.benchmark(group="features")
@pytest.mark.parametrize("feature", _FEATURES, ids=lambda feature: feature.name)
def test_feature(benchmark: BenchmarkFixture, size: Size, smoke: bool, feature: FeatureDecl) -> None:
    """One feature alone, in five-minute windows of about three rows a subject."""
    _measure(benchmark, _alone(feature), size(2_000, 65_536), smoke, kind=feature.name)


@pytest.mark.benchmark(group="sequences")
@pytest.mark.parametrize("sequence", _SEQUENCES, ids=lambda sequence: sequence.kind)
def test_sequence(benchmark: BenchmarkFixture, size: Size, smoke: bool, sequence: SequenceDecl) -> None:
    """One sequence alone, and the cheapest feature that looks at it."""
    reader = _READERS.get(sequence.kind, FeatureKind.SUM)
    feature = FeatureDecl(sequence.name, reader, sequence=sequence.name)
    _measure(benchmark, _alone(feature), size(2_000, 65_536), smoke, kind=str(sequence.kind), read_by=str(reader))


@pytest.mark.benchmark(group="features")
@pytest.mark.parametrize("scenario", ["uniform", "wide"])
def test_together(benchmark: BenchmarkFixture, size: Size, smoke: bool, scenario: str) -> None:
    """All features of a scenario's job: the 12 of the canonical one, and 40."""
    job = SCENARIOS[scenario].job()
    together = len(job.stream.windows[0].features)
    _measure(benchmark, job.with_judgement(detectors=()), size(2_000, 65_536), smoke, kind=f"{together} together")


def _alone(feature: FeatureDecl) -> Job:
    """The events of the shipped configuration, and one feature."""
    job = load(None, environ={}).job()
    windows = (WindowFeatures(_WINDOW, (feature.name,)),)
    alone = job.with_stream(sequences=_SEQUENCES, features=(feature,), windows=windows)
    return alone.with_judgement(detectors=())


def _measure(benchmark: BenchmarkFixture, job: Job, rows: int, smoke: bool, **params: str) -> None:
    batch = stream(job.stream.schema, rows, rows // 20)
    wanted = MicroBatch(
        {name: v for name, v in batch.columns.items() if name not in job.stream.schema or name in job.columns}
    )
    parts = messages(wanted)
    found = fresh(benchmark, lambda: subject_stage(job), lambda stage: feature_rows(stage, parts))
    _has_every_window(found, job, batch)
    if smoke and _HAS_ORACLE:
        from bench.cases.oracle import check

        check(job, batch, found)
    tell(
        benchmark,
        per="row",
        n=rows,
        result=fingerprint(*(part for r in found for part in (r.end_us, r.subject, r.x))),
        window_rows=sum(map(len, found)),
        stage="panes, order, duplicates, features",
        **params,
    )


def _has_every_window(found: Sequence[FeatureRows], job: Job, batch: MicroBatch) -> None:
    """One row per subject and window in which it has an event."""
    size_us = job.stream.windows[0].window.size_us
    assert job.stream.windows[0].window.kind is WindowKind.TUMBLING
    pairs = np.stack([batch.subject, (batch.event_time_us // size_us).view(np.uint64)])
    assert sum(map(len, found)) == np.unique(pairs, axis=1).shape[1]
    assert all(rows.x.shape == (len(rows), len(job.stream.windows[0].features)) for rows in found)
