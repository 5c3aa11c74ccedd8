"""Windows: panes to windows, for each type, over the panes of one and the same run."""

from functools import cache
from unittest.mock import patch

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import Size, feature_rows, fingerprint, fresh, messages, stream, subject_stage, tell
from bench.scenarios import SCENARIOS
from flows.event_stream import WindowFeatures
from state.batch import MicroBatch
from state.cells import Cells
from state.spans import Spans
from state.types import DAY_US, HOUR_US, MINUTE_US
from state.window_builders import Fed, Kept, WindowBuilder
from state.windows import WindowKind, WindowSpec

_PANE_US = 5 * MINUTE_US
_SLIDING = WindowSpec("sliding 1h/5m", WindowKind.SLIDING, HOUR_US, 5 * MINUTE_US)
_SPECS = (
    WindowSpec("tumbling 5m", WindowKind.TUMBLING, 5 * MINUTE_US),
    _SLIDING,
    WindowSpec("sliding 24h/1h", WindowKind.SLIDING, DAY_US, HOUR_US),
    WindowSpec("session 30m", WindowKind.SESSION, gap_us=30 * MINUTE_US, max_us=DAY_US),
)

_TOGETHER = 4
"""So many panes close at once."""
Steps = list[tuple[int, Cells | None]]
"""What a builder is fed: pane boundaries, and the pane that ends there, if any."""


@cache
def _recorded(rows: int, users: int) -> tuple[MicroBatch, Steps]:
    """A stream of 30 hours, and what all builders of a job with these windows and 12 features are fed by it."""
    steps: Steps = []

    make = WindowSpec.build

    def recording(spec: WindowSpec, pane_us: int, kept: Kept | None = None) -> WindowBuilder:
        building = make(spec, pane_us, kept)
        if spec is _SLIDING:
            made = building.steps

            def noted(panes: Fed, after_us: int) -> list[Spans]:
                steps.extend(panes)
                return made(panes, after_us)

            building.steps = noted  # type: ignore[method-assign]
        return building

    job = SCENARIOS["uniform"].job()
    names = job.stream.windows[0].features
    job = job.with_stream(windows=tuple(WindowFeatures(spec, names) for spec in _SPECS)).with_judgement(detectors=())
    batch = stream(job.stream.schema, rows, users, 30 * HOUR_US)
    with patch.object(WindowSpec, "build", recording):
        feature_rows(subject_stage(job), messages(batch))
    return batch, steps


def test_every_kind_has_its_case() -> None:
    """A new kind of window comes with its benchmark."""
    assert {spec.kind for spec in _SPECS} == set(WindowKind)


@pytest.mark.benchmark(group="windows")
@pytest.mark.parametrize("spec", _SPECS, ids=lambda spec: spec.name)
def test_assemble(benchmark: BenchmarkFixture, size: Size, spec: WindowSpec) -> None:
    """Every pane of 30 hours merged into the windows that close."""
    batch, steps = _recorded(size(4_000, 200_000), size(200, 10_000))

    def built(building: WindowBuilder) -> list[Spans]:
        found, after_us = [], steps[0][0] - _PANE_US
        for start in range(0, len(steps), _TOGETHER):
            fed = steps[start : start + _TOGETHER]
            found += building.steps(fed, after_us)
            after_us = fed[-1][0]
        return found

    closed = fresh(benchmark, lambda: spec.build(_PANE_US), built)
    rows = sum(map(len, closed))
    assert rows == _obvious(spec, batch)
    about = (part for s in closed for part in (s.end_us, s.slot, s.cells.first_us, s.cells.last_us))
    tell(
        benchmark,
        per="window row",
        n=rows,
        result=fingerprint(*about),
        window=spec.name,
        panes=sum(pane is not None for _, pane in steps),
        features=12,
        events=len(batch),
    )


def _obvious(spec: WindowSpec, batch: MicroBatch) -> int:
    """How many windows hold a row, summed over subjects."""
    order = np.lexsort((batch.event_time_us, batch.subject))
    _, subject = np.unique(batch.subject[order], return_inverse=True)
    time_us = batch.event_time_us[order]
    if not spec.slide_us:
        return 1 + int(((np.diff(subject) != 0) | (np.diff(time_us) > spec.gap_us)).sum())
    ends = time_us[:, None] // spec.slide_us + np.arange(1, spec.size_us // spec.slide_us + 1)
    return len(np.unique((subject[:, None] << 32) + ends))
