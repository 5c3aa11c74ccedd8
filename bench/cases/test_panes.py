"""Panes: rows filed until the watermark passes, put in order, without duplicates, and cut where a subject floods."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import Size, feature_rows, fingerprint, fresh, messages, stream, subject_stage, tell
from detectors.features.declare import FeatureDecl, FeatureKind
from flows.event_stream import WindowFeatures
from flows.job import Job
from state.batch import MicroBatch
from state.closed import Closed
from state.dedup import Dedup
from state.panes import PaneLog
from state.schema import EVENT_TIME, SUBJECT, SUBJECT_NAME
from state.types import HOUR_US, MINUTE_US, SECOND_US

_PANE_US = 5 * MINUTE_US
_BUDGET = 64


def _no_surplus(_: MicroBatch) -> NoReturn:
    pytest.fail("nobody floods here")


def _log() -> PaneLog:
    return PaneLog(_PANE_US, Dedup(HOUR_US), 4096, _no_surplus)


def _close_all(log: PaneLog) -> list[Closed]:
    closed: list[Closed] = []
    while (end_us := log.first_end_us()) is not None:
        closed.append(log.close([end_us]))
    return closed


def _is_everything_in_order(closed: Sequence[Closed], batch: MicroBatch) -> None:
    """The rows of the closed panes are all rows, in (pane, subject, event time, event key) order."""
    order = np.lexsort((batch.event_key, batch.event_time_us, batch.subject, batch.event_time_us // _PANE_US))
    found = MicroBatch.concat([c.batch for c in closed])
    assert [n for c in closed for n in c.names(np.arange(len(c.batch)))] == batch.subject_name[order].tolist()
    for name in batch.columns.keys() - {SUBJECT_NAME}:
        values = batch[name][order]
        assert np.array_equal(found[name], values, equal_nan=values.dtype.kind == "f")


@pytest.mark.benchmark(group="panes")
@pytest.mark.parametrize("disorder_s", [0, 30])
def test_append(benchmark: BenchmarkFixture, size: Size, job: Job, disorder_s: int) -> None:
    """Messages of 512 rows filed under their panes; with disorder most messages touch two of them near a boundary."""
    batch = stream(job.stream.schema, size(4_000, 65_536), size(200, 3_200))
    late_us = np.random.default_rng(2).integers(0, disorder_s * SECOND_US + 1, len(batch))
    arriving = batch.take(np.argsort(batch.event_time_us + late_us, kind="stable"))
    parts = messages(arriving)

    def append(log: PaneLog) -> PaneLog:
        for part in parts:
            log.add(part)
        return log

    log = fresh(benchmark, _log, append)
    assert log.rows == len(batch)
    closed = _close_all(log)
    _is_everything_in_order(closed, batch)
    tell(
        benchmark,
        per="row",
        n=len(batch),
        result=fingerprint(*(c.batch.event_key for c in closed)),
        disorder_s=disorder_s,
        columns=len(batch.columns),
    )


@pytest.mark.benchmark(group="panes")
def test_close(benchmark: BenchmarkFixture, size: Size, job: Job) -> None:
    """Panes taken out, sorted by subject and time, and looked through for duplicates."""
    batch = stream(job.stream.schema, size(4_000, 65_536), size(200, 3_200))
    parts = messages(batch)

    def filled() -> PaneLog:
        log = _log()
        for part in parts:
            log.add(part)
        return log

    closed = fresh(benchmark, filled, _close_all)
    _is_everything_in_order(closed, batch)
    keys = fingerprint(*(c.batch.event_key for c in closed))
    tell(benchmark, per="row", n=len(batch), result=keys, panes=len(closed), columns=len(batch.columns))


@pytest.mark.benchmark(group="dedup")
@pytest.mark.parametrize("repeat_share", [0.0, 0.01])
def test_dedup(benchmark: BenchmarkFixture, size: Size, repeat_share: float) -> None:
    """Event keys of 24 panes through a memory of an hour; some keys come again up to two panes later."""
    panes, rows = 24, size(200, 8_192)
    rng = np.random.default_rng(3)
    keys = rng.integers(1, 2**64, (panes, rows), np.uint64)
    for pane in range(1, panes):
        at = rng.choice(rows, round(repeat_share * rows), replace=False)
        keys[pane, at] = keys[max(pane - 1 - pane % 2, 0), at]

    def judge(dedup: Dedup) -> list[int]:
        fresh_rows = []
        for pane in range(panes):
            first = dedup.fresh(pane * _PANE_US, keys[pane])
            fresh_rows.append(rows if first is None else int(first.sum()))
        return fresh_rows

    found = fresh(benchmark, lambda: Dedup(HOUR_US), judge)
    assert found == _first_seen(keys.tolist())
    tell(
        benchmark,
        per="key",
        n=keys.size,
        result=fingerprint(found),
        repeat_share=repeat_share,
        rows_per_pane=rows,
    )


def _first_seen(panes: list[list[int]]) -> list[int]:
    """How many keys of each pane were in none before; nothing here repeats later than the horizon."""
    seen: set[int] = set()
    counts = []
    for keys in panes:
        counts.append(len(set(keys) - seen))
        seen |= set(keys)
    return counts


@pytest.mark.benchmark(group="row budget")
@pytest.mark.parametrize("flood", [False, True])
def test_budget(benchmark: BenchmarkFixture, size: Size, job: Job, flood: bool) -> None:
    """The subject stage with two features and a budget of 64 rows; flood: one subject makes half of all rows."""
    counting = job.with_judgement(detectors=()).with_stream(
        state=replace(job.stream.state, rows_per_pane_max=_BUDGET),
        sequences=(),
        features=(FeatureDecl("events", FeatureKind.COUNT), FeatureDecl("capped", FeatureKind.CAPPED)),
        windows=(WindowFeatures(job.stream.windows[0].window, ("events", "capped")),),
    )
    batch = stream(job.stream.schema, size(4_000, 65_536), size(200, 3_200))
    if flood:
        hot = np.arange(len(batch)) % 2 == 0
        one = {SUBJECT: batch.subject[0], SUBJECT_NAME: batch.subject_name[0]}
        batch = MicroBatch(batch.columns | {name: np.where(hot, one[name], batch[name]) for name in one})
    parts = messages(batch)
    rows = fresh(benchmark, lambda: subject_stage(counting), lambda stage: feature_rows(stage, parts))
    pane = batch[EVENT_TIME] // _PANE_US
    _, events = np.unique(np.stack([pane.view(np.uint64), batch.subject]), axis=1, return_counts=True)
    found = np.concatenate([r.x for r in rows])
    assert np.array_equal(found[:, 0], events), "a flooding subject is counted exactly"
    assert np.array_equal(found[:, 1], np.maximum(events - _BUDGET, 0))
    assert bool(found[:, 1].any()) == flood
    tell(
        benchmark,
        per="row",
        n=len(batch),
        result=fingerprint(found),
        flood=flood,
        stage="panes, order, duplicates, two features",
        rows_beyond_budget=int(found[:, 1].sum()),
    )
