"""What being watched costs: of CPU while a job works, and how fast /metrics answers while workers take all there is.

python -m bench.watching [--events N] [--scrapes N]

The scenario zipf runs once, on Bytewax in one process, and all that is called because somebody listens is timed in that
run, by the CPU clock of the thread that calls it: two runs, one with and one without, differ by more than this costs.
Then a run of the shipped job with a process for each core is asked for its metrics, five times a second, as Prometheus
asks: for OpenMetrics, over a connection that is kept; and as curl does, over a new one each time.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import wraps
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final

import numpy as np

from bench.scenarios import SCENARIOS
from flows.drive.assembly import Assembly
from flows.drive.worker import plan
from flows.engine.member import run_member
from flows.engine.observe import Observer, Timed
from flows.engine.plan import Options, Plan
from flows.engine.shutdown import Stop
from flows.engine.watch import FirstError, Report
from flows.metrics.overview import Overview
from flows.metrics.page import Page

_EVERY_S: Final = 0.2
_ACCEPT: Final = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


class Scales:
    """Time of calls, less what reading the clock takes."""

    def __init__(self) -> None:
        self.ns = self.calls = 0
        began_ns = time.thread_time_ns()
        for _ in range(10_000):
            time.thread_time_ns()
        self._clock_ns = (time.thread_time_ns() - began_ns) / 10_000

    def add(self, since_ns: int) -> None:
        self.ns += time.thread_time_ns() - since_ns
        self.calls += 1

    @property
    def seconds(self) -> float:
        return max(self.ns - self.calls * self._clock_ns, 0.0) / 1e9

    @property
    def own_seconds(self) -> float:
        """What weighing took: two readings each."""
        return 2 * self.calls * self._clock_ns / 1e9


def _weighed(method: Callable[..., Any]) -> Any:
    @wraps(method)
    def call(self: "Weighed", *args: Any, **more: Any) -> Any:
        began_ns = time.thread_time_ns()
        try:
            return method(self, *args, **more)
        finally:
            self.scales.add(began_ns)

    return call


class WeighedWatch(Timed):
    """Also the little that is there without anybody who listens is weighed with it."""

    __slots__ = ("scales",)

    def __init__(self, stage: str, where: str, report: Report, scales: Scales) -> None:
        super().__init__(stage, where, report)
        self.scales = scales

    def __enter__(self) -> None:
        began_ns = time.thread_time_ns()
        super().__enter__()
        self.scales.add(began_ns)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        began_ns = time.thread_time_ns()
        super().__exit__(kind, error, trace)
        self.scales.add(began_ns)


class Weighed(Observer):
    """An observer of which every call is timed."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.scales = Scales()

    def watch(self, stage: str, where: str, report: Report) -> Timed:
        watch = WeighedWatch(stage, where, report, self.scales)
        self._watches.append((stage, watch))
        return watch

    lines = _weighed(Observer.lines)
    routed = _weighed(Observer.routed)
    wrote = _weighed(Observer.wrote)
    checkpoint = _weighed(Observer.checkpoint)
    paced = _weighed(Observer.paced)
    look = _weighed(Observer.look)


def _plan(events: int, folder: Path) -> Plan:
    scenario = SCENARIOS["zipf"]
    file = folder / "events.jsonl"
    file.write_bytes(b"".join(line + b"\n" for line in scenario.lines(events)))
    source = f'sources.main={{kind = "files", paths = ["{file}"]}}'
    sink = f'sinks.alerts=[{{kind = "sqlite", path = "{folder / "driftnet.db"}"}}]'
    return plan(Assembly(scenario.config(source, sink)), Options(state_dir=folder / "state"))


def cost(events: int) -> dict[str, Any]:
    """Of watching, as a share of the CPU that a run takes."""
    with TemporaryDirectory() as place:
        planned = _plan(events, Path(place))
        facts, overview = planned.facts, Overview()
        overview.begin(facts, {}, None, lambda: None)
        overview.start()
        observer = Weighed(0, 1, facts.stages, facts.partitions)
        began_s = time.process_time()
        with observer.telling(lambda seen: overview.take(0, seen)):
            run_member(planned, None, Stop(), FirstError(), lambda _: None, observer=observer)
        spent_s = time.process_time() - began_s - observer.scales.own_seconds
    page = Page(overview.numbers)
    page.text(_ACCEPT)
    began_s = time.thread_time()
    for _ in range(100):
        page.text(_ACCEPT)
    return {
        "events": events,
        "cpu_s": round(spent_s, 2),
        "watching_s": round(observer.scales.seconds, 3),
        "share": round(observer.scales.seconds / spent_s, 5),
        "calls": observer.scales.calls,
        "scrape_cpu_ms": round((time.thread_time() - began_s) / 100 * 1e3, 2),
    }


def latency(scrapes: int) -> dict[str, Any]:
    """Of /metrics, while the processes of the shipped job take every core."""
    cores = os.cpu_count() or 1
    with TemporaryDirectory() as place:
        job = Path(place) / "job.toml"
        job.write_text('[sources.main]\nkind = "simulator"\nusers = 20000\nduration = "60d"\n')
        command = [sys.executable, "-m", "flows.cli", "run", "job.toml", "--processes", str(cores), "--listen", "0"]
        log = Path(place) / "log"
        with (
            log.open("wb") as out,
            subprocess.Popen([*command, "--no-print"], stdout=out, stderr=out, cwd=place) as run,
        ):
            try:
                return {"processes": cores, **_asked(_address(log), scrapes)}
            finally:
                run.terminate()


def _address(log: Path) -> str:
    until_s = time.monotonic() + 60.0
    while time.monotonic() < until_s:
        if found := re.search(r"http://(\S+)/metrics", log.read_text()):
            return found[1]
        time.sleep(0.2)
    sys.exit(f"the run does not listen: {log.read_text()}")


def _asked(address: str, scrapes: int) -> dict[str, Any]:
    kept, read = HTTPConnection(address, timeout=30), b""
    took_ms: dict[str, list[float]] = {"kept": [], "new": []}
    while b"driftnet_ready 1" not in read:
        read = _ask(kept)
        time.sleep(1.0)
    for _ in range(scrapes):
        for name, connection in (("kept", kept), ("new", HTTPConnection(address, timeout=30))):
            began_s = time.perf_counter()
            read = _ask(connection)
            took_ms[name].append((time.perf_counter() - began_s) * 1e3)
            if connection is not kept:
                connection.close()
            time.sleep(_EVERY_S / 2)
    series = sum(line[:1] != b"#" for line in read.splitlines())
    return {"scrapes": scrapes, "series": series, **{f"{name}_ms": _spread(took) for name, took in took_ms.items()}}


def _ask(connection: HTTPConnection) -> bytes:
    connection.request("GET", "/metrics", headers={"Accept": _ACCEPT})
    return connection.getresponse().read()


def _spread(took_ms: list[float]) -> dict[str, float]:
    percentiles = {f"p{q}": round(float(np.percentile(took_ms, q)), 1) for q in (50, 90, 99)}
    return {**percentiles, "max": round(max(took_ms), 1)}


def main() -> None:
    """Measures, and prints one JSON object."""
    parser = argparse.ArgumentParser(description="What being watched costs.")
    parser.add_argument("--events", type=int, default=SCENARIOS["zipf"].events, help="of zipf")
    parser.add_argument("--scrapes", type=int, default=200)
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    told = {"cost": cost(chosen.events), "metrics": latency(chosen.scrapes)}
    print(json.dumps({**told, "load_before": round(load, 1), "load_after": round(os.getloadavg()[0], 1)}))


if __name__ == "__main__":
    main()
