"""A few subjects' rows computed slowly and obviously, by the oracle of the tests: what the fast ones must equal."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from flows.job import Job
from flows.operators.rows import FeatureRows
from state.batch import MicroBatch
from state.schema import Column, Kind
from state.types import NO_CODE, NO_ID
from tests.oracle.stream import Declared, Event, Key, run


def check(job: Job, batch: MicroBatch, found: Sequence[FeatureRows], subjects: int = 8) -> None:
    """Asserts that some subjects' feature rows are the oracle's, all of them and no other.

    batch: all rows of the stream, in the order of time.  found: what came out of it.
    """
    expected = _expected(job, batch, _chosen(batch, subjects))
    seen = _seen(job, found, {subject for _, _, subject in expected})
    assert seen.keys() == expected.keys()
    for key, values in expected.items():
        for name, value in values.items():
            assert _close(seen[key][name], value), f"{key} {name}: found {seen[key][name]}, expected {value}"


def _chosen(batch: MicroBatch, subjects: int) -> list[int]:
    # With the last row's subject the oracle sees the same end of the input.
    return [int(batch.subject[-1]), *np.unique(batch.subject)[: subjects - 1].tolist()]


def _expected(job: Job, batch: MicroBatch, subjects: list[int]) -> dict[Key, dict[str, float]]:
    rows = batch.take(np.isin(batch.subject, np.array(subjects, np.uint64)))
    declared = Declared(
        job.stream.sequences,
        job.stream.features,
        tuple((w.window, w.features) for w in job.stream.windows),
        dedup_horizon_us=job.stream.time.dedup_horizon_us,
        rows_per_pane_max=job.stream.state.rows_per_pane_max,
    )
    outcome = run(declared, [_events(job, rows)])
    names = {w.window.name: w.features for w in job.stream.windows}
    return {key: {name: values[name] for name in names[key[0]]} for key, values in outcome.rows.items()}


def _events(job: Job, rows: MicroBatch) -> list[Event]:
    system = {name: rows[name].tolist() for name in ("event_time_us", "event_key", "subject")}
    own = {c.name: [_plain(c, value) for value in rows[c.name].tolist()] for c in job.stream.schema.columns}
    columns: dict[str, list[Any]] = system | own
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _plain(column: Column, value: Any) -> Any:
    match column.kind:
        case Kind.ID:
            return None if value == NO_ID else value
        case Kind.ENUM:
            return None if value == NO_CODE else column.values[value]
        case _:
            return None if math.isnan(value) else value


def _seen(job: Job, found: Sequence[FeatureRows], subjects: set[int]) -> dict[Key, dict[str, float]]:
    names = {w.window.name: w.features for w in job.stream.windows}
    return {
        (rows.window, rows.end_us, subject): dict(zip(names[rows.window], rows.x[i].tolist(), strict=True))
        for rows in found
        for i, subject in enumerate(rows.subject.tolist())
        if subject in subjects
    }


def _close(seen: float, value: float) -> bool:
    # The variance of equal gaps comes out as rounding error, whose root is about 1e-8 of the mean.
    return (math.isnan(seen) and math.isnan(value)) or math.isclose(seen, value, rel_tol=1e-9, abs_tol=1e-7)
