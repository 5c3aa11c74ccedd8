"""What the layer cases share: how a body is run, what is told about it, and rows that need no decoding."""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from detectors.alerting.alert import Candidate, Part, Reason
from detectors.features.hashing import mix
from flows.evolution.layout import form_of
from flows.job import Job
from flows.operators.messages import CohortInput, GroupInput
from flows.operators.rows import FeatureRows
from flows.operators.subject.operator import SubjectOperator
from flows.simulate.config import MONDAY_US
from state.batch import MicroBatch
from state.schema import EVENT_KEY, EVENT_TIME, SUBJECT, SUBJECT_NAME, Column, Kind, Schema
from state.types import DAY_US, END_OF_TIME_US, I64, MINUTE_US, Values

Size = Callable[[int, int], int]
"""The fixture `size`: the smoke size or the real one."""
State = TypeVar("State")
Result = TypeVar("Result")

MESSAGE_ROWS: Final = 512
"""What a key group gets of 8,192 lines that are spread over 16 groups."""
SENDER: Final = "memory"
_ROUNDS_MAX: Final = 100
_CATALOGUE: Final = 30_000
_PERSONAL: Final = ("device", "ip", "country")
"""Id columns of which a subject has a few values of its own; of the others everybody draws from one catalogue."""


def fresh(
    benchmark: BenchmarkFixture,
    make: Callable[[], State],
    body: Callable[[State], Result],
    rounds: int | None = None,
) -> Result:
    """Times `body`, each round on a state of its own: for bodies that change it.  Making the state is not timed.

    rounds: None for as many as pytest-benchmark's own options ask for.  Returns the last round's result.
    """
    if rounds is None:
        rounds = _rounds(benchmark, make, body) if benchmark.enabled else 1
    result: Result = benchmark.pedantic(  # type: ignore[no-untyped-call]
        body, setup=lambda: ((make(),), {}), rounds=rounds
    )
    return result


def _rounds(benchmark: BenchmarkFixture, make: Callable[[], State], body: Callable[[State], Result]) -> int:
    """By --benchmark-min-rounds and --benchmark-max-time, as for bodies without a state; warms up on the way."""
    state = make()
    started_s = time.perf_counter()
    body(state)
    affordable = int(benchmark._max_time / (time.perf_counter() - started_s))
    return max(benchmark._min_rounds, min(affordable, _ROUNDS_MAX))


def tell(benchmark: BenchmarkFixture, *, per: str, n: int, result: str, **params: Any) -> None:
    """Writes down what the report needs.  n: units (`per`) that one call handles.  result: equal on every run."""
    about = {"kind": "layer", "layer": benchmark.group, "per": per, "n": n, "params": params, "result": result}
    benchmark.extra_info.update(about)


def fingerprint(*results: Any) -> str:
    """16 hexadecimal digits that tell results apart: arrays, texts, numbers.

    Integers and texts count to the last bit; of floats the places of nan and six digits of weighted sums, so that
    another order of adding up leaves the fingerprint alone.
    """
    digest = hashlib.blake2b(digest_size=8)
    for result in results:
        array = np.asarray(result)
        digest.update(f"{array.shape}".encode())
        if array.dtype.kind == "f":
            flat = array.astype(np.float64).ravel()
            known = np.isfinite(flat)
            digest.update(np.packbits(known).tobytes())
            weight = 1.0 + (np.arange(len(flat)) % 1009) / 1009
            for side in (np.maximum(flat, 0.0), np.maximum(-flat, 0.0)):
                digest.update(f"{np.where(known, side, 0.0) @ weight:.6g};".encode())
        elif array.dtype.kind in "OU":
            digest.update("\0".join(map(str, array.ravel().tolist())).encode())
        else:
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def stream(schema: Schema, rows: int, users: int, span_us: int = 30 * MINUTE_US, seed: int = 1) -> MicroBatch:
    """Rows of one key group in the order of time, spread evenly over the span; a function of the arguments.

    Of enum columns four in five rows have the first word; numbers are whole, so that sums are exact in any order; one
    value in sixteen is missing from every column but the enums.
    """
    rng = np.random.default_rng(seed)
    user = rng.integers(0, users, rows)
    time_us = np.sort(MONDAY_US + rng.integers(0, span_us, rows))
    names = np.array([f"u{u}" for u in range(users)], object)
    columns: dict[str, Values] = {
        EVENT_TIME: time_us,
        EVENT_KEY: mix(np.arange(1, rows + 1, dtype=np.uint64)),
        SUBJECT: mix(np.arange(1, users + 1, dtype=np.uint64))[user],
        SUBJECT_NAME: names[user],
    }
    return MicroBatch(columns | {c.name: _column(c, user, time_us, rng) for c in schema.columns})


def _column(column: Column, user: I64, time_us: I64, rng: np.random.Generator) -> Values:
    rows = len(user)
    there = rng.random(rows) >= 1 / 16
    match column.kind:
        case Kind.ENUM:
            return np.where(rng.random(rows) < 0.8, 0, rng.integers(0, len(column.values), rows)).astype(np.int16)
        case Kind.NUMBER:
            return np.where(there, rng.integers(0, 300_000, rows), np.nan)
        case Kind.TIME:
            return np.where(there, (time_us - user % 400 * DAY_US - 1).astype(np.float64), np.nan)
        case Kind.ID:
            own = user * 3 + (3 * rng.random(rows) ** 8).astype(np.int64)
            shared = (_CATALOGUE * rng.random(rows) ** 3).astype(np.int64)
            value = own if column.name in _PERSONAL else shared
            return np.where(there, mix((value + 1).astype(np.uint64)), np.uint64(0))


def messages(batch: MicroBatch, rows: int = MESSAGE_ROWS) -> list[MicroBatch]:
    """The rows cut as they reach a key group."""
    return [batch.take(slice(start, start + rows)) for start in range(0, len(batch), rows)]


def subject_stage(job: Job) -> SubjectOperator:
    """One key group of the job, for `feature_rows`."""
    return SubjectOperator(job.stream, job.judgement.audience, form_of(job), 0, (SENDER,))


def feature_rows(operator: SubjectOperator, parts: Sequence[MicroBatch]) -> list[FeatureRows]:
    """Everything that comes out of these rows, which are in the order of time, and of the end of the input."""
    last_us = int(parts[-1].event_time_us[-1])
    inputs = [GroupInput(SENDER, int(part.event_time_us[-1]), part) for part in parts]
    out: list[FeatureRows] = []
    for message in (*inputs, GroupInput(SENDER, END_OF_TIME_US, last_us=last_us)):
        for item in operator.process(message):
            if isinstance(item, tuple) and isinstance(item[1], CohortInput):
                out += item[1].rows
    return out


def candidate(subject: int, end_us: int, tail_probability: float) -> Candidate:
    """One of subject's five-minute windows, with four verdicts and six reasons."""
    return Candidate(
        subject=subject,
        name=f"u{subject}",
        cohort="all",
        group=subject % 16,
        window="w5m",
        start_us=end_us - 5 * MINUTE_US,
        stop_us=end_us,
        end_us=end_us,
        since_us=end_us - 5 * MINUTE_US,
        until_us=end_us + DAY_US,
        tail_probability=tail_probability,
        parts=tuple(Part(f"detector{i}", 1, 3.5 + i, tail_probability) for i in range(4)),
        reasons=tuple(Reason(f"feature{i}", 123.4 + i, 1.5, 2.5, 1 / 6, "detector0") for i in range(6)),
        rules=("more_music_than_time",),
    )
