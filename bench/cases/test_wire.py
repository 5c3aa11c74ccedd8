"""Wire: lines to columns, for each set of columns that a job may want, with and without bad lines."""

from collections.abc import Callable
from itertools import cycle

import numpy as np
import orjson
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from xxhash import xxh3_64_intdigest

from bench.cases.layers import Size, fingerprint, tell
from bench.scenarios import SCENARIOS
from flows.config.load import load
from flows.job import Job
from flows.simulate.bad_lines import BAD_KINDS
from flows.wire.decode import Decoded, Decoder
from state.batch import MicroBatch

_BATCH = 8192
_BAD = ("not_json", "not_an_object", "missing_field", "wrong_type", "time_out_of_range")
"""Kinds of bad lines that are rejected whatever columns are asked for."""


_COLUMNS: dict[str, Callable[[Job], tuple[Job, frozenset[str] | None]]] = {
    "system": lambda job: (job, frozenset()),
    "canonical": lambda job: (job, job.columns),
    "default": lambda _: (load(None, environ={}).job(), None),
}
"""Time, event id and subject alone; what the canonical job reads; every column of the shipped configuration."""


@pytest.mark.benchmark(group="wire")
@pytest.mark.parametrize("bad_share", [0.0, 0.01])
@pytest.mark.parametrize("columns", list(_COLUMNS))
def test_decode(benchmark: BenchmarkFixture, size: Size, job: Job, columns: str, bad_share: float) -> None:
    """Lines to a batch and rejects, 8,192 at a time."""
    good = SCENARIOS["uniform"].lines(size(4_000, 100_000))
    bad = dict(zip(range(50, len(good), round(1 / bad_share)), cycle(_BAD), strict=False)) if bad_share else {}
    lines = [BAD_KINDS[bad[i]](line) if i in bad else line for i, line in enumerate(good)]
    owner, wanted = _COLUMNS[columns](job)
    decoder = Decoder(owner.stream.wire)

    def decode() -> list[Decoded]:
        return [decoder.decode(lines[at : at + _BATCH], wanted) for at in range(0, len(lines), _BATCH)]

    decoded = benchmark(decode)
    batch = MicroBatch.concat([d.batch for d in decoded])
    rejects = [(_BATCH * i + reject.row, reject.reason.value) for i, d in enumerate(decoded) for reject in d.rejects]
    assert dict(rejects) == bad
    kept = [line for i, line in enumerate(good) if i not in bad]
    assert len(batch) == len(kept)
    _same_as_json(batch, kept[: size(4_000, 2_000)])
    tell(
        benchmark,
        per="event",
        n=len(lines),
        result=fingerprint(*(batch[name] for name in sorted(batch.columns)), repr(rejects)),
        columns=columns,
        bad_share=bad_share,
    )


def _hash(text: str) -> int:
    return xxh3_64_intdigest(text.encode())


def _same_as_json(batch: MicroBatch, lines: list[bytes]) -> None:
    """The first rows are what orjson and xxhash make of their lines, one by one."""
    events = [orjson.loads(line) for line in lines]
    n = len(events)
    assert batch.event_time_us[:n].tolist() == [e["event_time"] * 1000 for e in events]
    assert batch.subject[:n].tolist() == [_hash(e["user_id"]) for e in events]
    assert list(batch.subject_name[:n]) == [e["user_id"] for e in events]
    assert len(np.unique(batch.event_key)) == len(batch)
    if "ms_played" in batch.columns:
        assert batch["ms_played"][:n].tolist() == [e["ms_played"] for e in events]
        assert batch["track"][:n].tolist() == [_hash(e["track_id"]) for e in events]
        assert (batch["type"][:n] == 0).all()
    if "device" in batch.columns:
        assert batch["device"][:n].tolist() == [_hash(e["device_id"]) for e in events]
        assert np.isnan(batch["account_created"]).all()
