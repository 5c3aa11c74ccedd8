"""A point of a curve: CPU of a run or of its later part, memory in a process of its own, and how it is written down."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import orjson
from pytest_benchmark.fixture import BenchmarkFixture

from bench.growth.streams import Stream, steady
from bench.measure.memory import Footprint, measure
from bench.measure.turns import Turns
from bench.pipeline import BATCH_LINES, Memory, decode_only, reference, total, windows_only
from flows.drive.local import LocalDriver, Progress
from flows.job import Job

_SAMPLE: Final = 50_000
"""Lines that tell how fast the machine parses at the moment."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Run:
    """counts: the totals.  cpu_s: of the lines that count, `events` of them.  loads_us: of `orjson.loads` on one line.

    stages: "decode_s" and "windows_s", CPU seconds up to the end of decoding and of the subject stage, where asked for.
    All are the smallest of the rounds, taken in turns.
    """

    counts: Mapping[str, int]
    cpu_s: float
    events: int
    loads_us: float
    stages: Mapping[str, float] = field(default_factory=dict)

    @property
    def result(self) -> str:
        """The same on every run."""
        return blake2b(orjson.dumps(dict(self.counts), option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()

    @property
    def metrics(self) -> dict[str, float]:
        """CPU in seconds, per event, and in lines that could have been parsed; window rows of the whole run.

        A machine that is slower for a while parses slower too: the last figure is what curves are fitted to.
        """
        costs = {"cpu_s": self.cpu_s, "cpu_us_per_event": self.cpu_s / self.events * 1e6}
        costs["cpu_in_parsed_lines"] = self.cpu_s / self.loads_us * 1e6
        sizes = {"events": self.events, "rows": total(self.counts, "rows"), "loads_us": self.loads_us}
        return {**costs, **sizes, **self.stages}


@dataclass(frozen=True, slots=True)
class Point:
    """Measures one point under pytest-benchmark.  smoke: sizes are small, and all stays in this process."""

    benchmark: BenchmarkFixture
    smoke: bool

    def size(self, real: int, least: int = 1, factor: int = 500) -> int:
        """The real size; for smoke a small part of it, at least `least`."""
        return max(least, real // factor) if self.smoke else real

    @property
    def batch_lines(self) -> int:
        """Lines read at a time."""
        return BATCH_LINES // 64 if self.smoke else BATCH_LINES

    def run(
        self,
        job: Job,
        lines: list[bytes],
        stream: Stream | None = None,
        *,
        rounds: int | None = None,
        skip: int = 0,
        stages: bool = False,
    ) -> Run:
        """Runs the job over the lines, and checks the window rows against the stream.

        rounds: as many as take a second or two, if None.  skip: whole batches of lines at the beginning whose CPU does
        not count.  stages: measures decoding alone and windows alone too, in turns with the whole.
        """
        assert skip % self.batch_lines == 0
        taken: list[float] = []

        def whole() -> dict[str, int]:
            driver = LocalDriver(job, [Memory(lines)], {}, batch_lines=self.batch_lines)
            marks = [] if skip else [time.process_time()]

            def mark(progress: Progress) -> None:
                if not marks and progress.read >= skip:
                    marks.append(time.process_time())

            summary = driver.run(mark)
            taken.append(time.process_time() - marks[0])
            assert summary.balanced, "lines were lost"
            return dict(driver.outputs.counts)

        rows: set[int] = set()
        sample = (lines * (_SAMPLE // len(lines) + 1))[: self.size(_SAMPLE)]
        beside: dict[str, Callable[[], object]] = {"loads": lambda: reference(sample)}
        if stages:
            beside |= {
                "decode_s": lambda: decode_only(job, lines),
                "windows_s": lambda: rows.add(windows_only(job, lines)),
            }
        turns = Turns(beside, whole)
        counts: dict[str, int] = self.benchmark.pedantic(  # type: ignore[no-untyped-call]
            turns.main,
            setup=turns.before,
            teardown=turns.after,
            rounds=1 if self.smoke else rounds or max(1, min(5, 400_000 // len(lines))),
        )
        _check(counts, turns.results, stream, job)
        assert rows <= {total(counts, "rows")}
        fastest = {name: min(turns.cpu_s[name]) for name in beside}
        loads_us = fastest.pop("loads") / len(sample) * 1e6
        return Run(counts, min(taken), len(lines) - skip, loads_us, fastest)

    def memory(self, job: Job, lines: list[bytes], directory: Path) -> Footprint:
        """What the job holds after the last line, in a process that does nothing else.  Timed: that process."""
        file = directory / "events.jsonl"
        file.write_bytes(b"\n".join(lines) + b"\n")
        return self.once(measure if self.smoke else _measure_apart, job, file)

    def once(self, work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Times one call, and returns its result."""
        result: R = self.benchmark.pedantic(work, args, kwargs)  # type: ignore[no-untyped-call]
        return result

    def tell(
        self,
        curve: str,
        axis: str,
        x: float,
        result: str,
        metrics: Mapping[str, float],
        *,
        fit: str = "cpu_in_parsed_lines",
        expect: float = 1.0,
    ) -> None:
        """Writes the point down.  fit: the metric that the curve shows.  expect: the exponent that is right for it."""
        about = {"curve": curve, "axis": axis, "x": x, "fit_metric": fit, "expect": expect}
        self.benchmark.extra_info.update({"kind": "growth", "result": result, **about, "metrics": dict(metrics)})


def footprint_metrics(found: Footprint) -> dict[str, float]:
    """All of it but the hash, and what one user takes of it."""
    plain: dict[str, float] = {name: value for name, value in asdict(found).items() if name != "digest"}
    plain["rss_bytes"] = found.peak_rss_bytes - found.baseline_rss_bytes
    return plain | {f"{n}_per_user": plain[n] / found.users for n in ("state_bytes", "snapshot_bytes", "rss_bytes")}


@lru_cache(maxsize=1)
def steady_lines(events: int, users: int, span_us: int) -> tuple[Stream, list[bytes]]:
    """`streams.steady` and its lines; the last one is kept for the next point."""
    stream = steady(events, users, span_us)
    return stream, stream.lines()


def _check(counts: Mapping[str, int], results: Sequence[object], stream: Stream | None, job: Job) -> None:
    """All rounds alike, every event counted, every row of every window on the grid there."""
    assert all(result == counts for result in results)
    if stream is None:
        return
    assert counts["accepted"] == len(stream)
    for window in (w.window for w in job.stream.windows if w.window.slide_us):
        assert counts[f"rows.{window.name}"] == stream.rows(window.size_us, window.slide_us)


def _measure_apart(job: Job, file: Path) -> Footprint:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, job, file).result()
