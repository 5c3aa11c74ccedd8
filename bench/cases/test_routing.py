"""Routing: decoded rows through lateness to their key groups, everything that ingest does beside decoding."""

from collections.abc import Sequence

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import SENDER, Size, fingerprint, fresh, tell
from bench.scenarios import SCENARIOS
from flows.job import Job
from flows.operators.ingest.operator import Emitted, Ingest
from flows.sources.base import Lines
from flows.wire.decode import Decoded, Decoder
from flows.wire.spec import WireSpec
from state.batch import MicroBatch
from state.keygroup import key_group

_BATCH = 8192


class _Prepared:
    """A decoder that has done its work before."""

    def __init__(self, decoder: Decoder, decoded: Sequence[Decoded]) -> None:
        self._decoder = decoder
        self._next = iter(decoded)

    def decode(self, lines: Sequence[bytes], columns: frozenset[str] | None = None) -> Decoded:
        return next(self._next) if lines else self._decoder.decode(lines, columns)


@pytest.mark.benchmark(group="routing")
@pytest.mark.parametrize("groups", [8, 16, 128])
def test_split(benchmark: BenchmarkFixture, size: Size, job: Job, monkeypatch: pytest.MonkeyPatch, groups: int) -> None:
    """Batches of 8,192 rows, each split into so many key groups."""
    lines = SCENARIOS["uniform"].lines(size(16_384, 131_072))
    inputs = [Lines(lines[at : at + _BATCH], range(at, at + _BATCH), SENDER) for at in range(0, len(lines), _BATCH)]
    decoder = Decoder(job.stream.wire)
    decoded = [decoder.decode(part.lines, job.columns) for part in inputs]

    def prepared(_: WireSpec, named: frozenset[str]) -> _Prepared:
        assert not named
        return _Prepared(decoder, decoded)

    monkeypatch.setattr("flows.operators.ingest.operator.Decoder", prepared)
    routed = job.with_stream(key_groups=groups)

    def route(ingest: Ingest) -> list[Emitted]:
        return [emitted for part in inputs for emitted in ingest.process(part)]

    emitted = fresh(benchmark, lambda: Ingest(routed.stream, routed.columns, SENDER), route)
    parts: dict[int, list[MicroBatch]] = {}
    for item in emitted:
        if isinstance(item, tuple) and item[1].batch is not None:
            parts.setdefault(item[0], []).append(item[1].batch)
    of_group = {group: MicroBatch.concat(found) for group, found in sorted(parts.items())}
    everything = MicroBatch.concat([d.batch for d in decoded])
    group = key_group(everything.subject, groups)
    assert len(of_group) == groups
    for number, rows in of_group.items():
        assert np.array_equal(rows.event_key, everything.event_key[group == number]), "rows lost, added or turned"
    tell(
        benchmark,
        per="event",
        n=len(lines),
        result=fingerprint(*(rows.event_key for rows in of_group.values())),
        groups=groups,
    )
