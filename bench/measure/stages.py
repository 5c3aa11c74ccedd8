"""Where an event's microsecond goes: samples of the whole flow, told apart by stage, as a table and as a flame graph.

`python -m bench.measure.stages SCENARIO [EVENTS]` prints the table.

Pyinstrument samples the stack about every millisecond, at the next call or return; the time since the last sample
counts for the frame that was running, C functions included. A sample belongs to the stage of its innermost frame that
is mapped; what has none is "other". The collector's pauses count where they happened, and once more as `collector`.
"""

import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pyinstrument import Profiler

_DETECTORS: Final = ("baseline", "ecod", "extremes", "half_space.trees", "half_space.twin", "river_model", "rules")

STAGES: Final[dict[str, tuple[str, ...]]] = {
    "read": ("flows.sources", "bench.pipeline:read"),
    "parse json": ("flows.wire.parse",),
    "column extraction": ("flows.wire",),
    "ids to hashes": ("flows.wire.hashing", "flows.wire.xxh3", "detectors.features.hashing:pair"),
    "lateness, routing": (
        "flows.operators.ingest.operator",
        "flows.operators.ingest.route",
        "flows.operators.ingest.aside",
        "flows.operators.ingest.shares",
        "flows.operators.ingest.data_fault",
        "flows.operators.ingest.filled",
        "state.ahead",
        "state.watermark",
        "state.keygroup",
    ),
    "panes append": ("state.panes:add", "state.panes:_file"),
    "panes close": ("state.panes", "state.closed", "state.budget"),
    "dedup": ("state.dedup",),
    "users to slots": ("state.slots",),
    "windows fire, merge": (
        "flows.operators.subject.operator",
        "flows.operators.subject.counting",
        "flows.operators.subject.closing",
        "flows.operators.subject.borrowing",
        "flows.operators.subject.lending",
        "state.window_builders",
        "state.grid_windows",
        "state.session_windows",
        "state.active",
        "state.spans",
        "state.blocks",
        "state.counted",
        "state.frequencies",
        "state.side_by_side",
        "state.cells:merge",
        "state.cells:where",
    ),
    "features": (
        "detectors.features",
        "flows.operators.subject.counting:_cells",
        "flows.operators.subject.closing:_work",
    ),
    "rounds": (
        "flows.operators.population.operator",
        "flows.operators.population.watched",
        "flows.operators.rows",
        "flows.operators.rounds",
        "flows.operators.population.verdict",
        "flows.operators.faults",
    ),
    "detectors score": (
        "flows.operators.population.model:score",
        "flows.operators.subject.own",
        *(f"detectors.{d}:score" for d in _DETECTORS),
    ),
    "detectors learn": (
        "flows.operators.population.window_models:learn",
        "flows.operators.population.model:learn",
        "flows.operators.population.model:take_lesson",
        "flows.operators.population.operator:_to_hear",
        "flows.operators.population.lately",
        "flows.operators.population.succession",
        "detectors.profile",
        *(f"detectors.{d}:learn" for d in _DETECTORS),
    ),
    "calibration": ("detectors.calibrate", "flows.operators.population.model:tail"),
    "combine": ("detectors.combine", "flows.operators.population.window_models:judge"),
    "drift monitors": ("detectors.drift", "flows.operators.population.reactions"),
    "alerts": (
        "detectors.alerting",
        "flows.operators.alerts.operator",
        "flows.operators.population.window_models:shares",
        "flows.operators.population.candidates",
    ),
    "campaigns": ("detectors.campaigns", "flows.operators.coaction", "flows.operators.campaigns"),
    "sinks": (
        "flows.sinks",
        "flows.sinks.outputs",
        "flows.counters",
        "flows.operators.population.verdict:score_records",
    ),
    "set-up": (
        "flows.config",
        "flows.drive.assembly",
        "flows.drive.local:__init__",
        "flows.job_stages",
        "flows.operators.subject.operator:__init__",
    ),
}
"""Stage -> its places: a module or package, or "module:function" for the functions and methods of that name.

Of several places that fit a frame the longest counts, a function before its module.
"""
OTHER: Final = "other"
_INTERVAL_S: Final = 0.001
_PRUNE: Final = 0.001


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the time of one call went.

    shares: stage -> share of the time, adding up to 1, in the order of STAGES, then "other".  flame: nested {"name",
    "value", "children"}, values as shares of the time.  collector: share in the cyclic garbage collector.  covered:
    share of the samples, not of their time, that have a stage: a busy machine does not change it.
    """

    shares: dict[str, float]
    flame: dict[str, Any]
    collector: float
    covered: float

    def table(self, event_ns: float) -> list[dict[str, Any]]:
        """Records of stage, share and ns_per_event.  event_ns: what an event costs in all."""
        return [{"stage": s, "share": x, "ns_per_event": x * event_ns} for s, x in self.shares.items()]


def profile(work: Callable[[], object], interval_s: float = _INTERVAL_S) -> Profile:
    """Samples one call of `work`."""
    profiler = Profiler(interval=interval_s, async_mode="disabled")
    pauses = _Pauses()
    gc.collect()
    gc.callbacks.append(pauses)
    started_s = time.perf_counter()
    try:
        with profiler:
            work()
    finally:
        took_s = time.perf_counter() - started_s
        gc.callbacks.remove(pauses)
    session = profiler.last_session
    assert session is not None
    modules = {file: name for name, found in list(sys.modules.items()) if (file := getattr(found, "__file__", None))}
    frames = {text: _frame(text, modules) for stack, _ in session.frame_records for text in stack}
    samples = [([frames[text] for text in stack], seconds) for stack, seconds in session.frame_records]
    return Profile(
        shares=shares_of(samples),
        flame=_flame([(_inside(stack), seconds) for stack, seconds in samples]),
        collector=pauses.total_s / took_s,
        covered=1 - shares_of([(stack, 1.0) for stack, _ in samples])[OTHER],
    )


Frame = tuple[str, str, str]
"""Module ("" for a C function's), class ("" outside of one), function."""


def shares_of(samples: Sequence[tuple[Sequence[Frame], float]]) -> dict[str, float]:
    """Each stage's share of the samples' seconds.  Stacks are from the outermost frame to the innermost."""
    taken = dict.fromkeys((*STAGES, OTHER), 0.0)
    for stack, seconds in samples:
        found = (stage_of(module, function) for module, _, function in reversed(stack))
        taken[next(filter(None, found), OTHER)] += seconds
    total = sum(taken.values()) or 1.0
    return {stage: seconds / total for stage, seconds in taken.items()}


@cache
def stage_of(module: str, function: str) -> str | None:
    """The stage of a frame by itself; None where it has none."""
    best = [
        (function_too, len(name), stage)
        for stage, places in STAGES.items()
        for name, function_too, wanted in map(_place, places)
        if (module == name or (not function_too and module.startswith(f"{name}.")))
        and (not function_too or function == wanted)
    ]
    return max(best)[2] if best else None


def _place(place: str) -> tuple[str, bool, str]:
    module, colon, function = place.partition(":")
    return module, bool(colon), function


class _Pauses:
    """Adds up the collector's pauses."""

    def __init__(self) -> None:
        self.total_s = self._start_s = 0.0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        del info
        now_s = time.perf_counter()
        if phase == "start":
            self._start_s = now_s
        else:
            self.total_s += now_s - self._start_s


def _frame(text: str, modules: dict[str, str]) -> Frame:
    """From pyinstrument's text: function, file, first line, then attributes, of which "c" is the class."""
    identifier, *attributes = text.split("\x01")
    function, file, _ = identifier.split("\x00")
    owner = next((a[1:] for a in attributes if a.startswith("c")), "")
    return ("" if file.startswith("<") else modules.get(file, file)), owner, function


def _inside(stack: Sequence[Frame]) -> Sequence[Frame]:
    """The stack without what called `profile`."""
    at = [i for i, frame in enumerate(stack) if frame[0] == __name__ and frame[2] == "profile"]
    return stack[at[-1] + 1 :] if at else stack


def _flame(samples: Sequence[tuple[Sequence[Frame], float]]) -> dict[str, Any]:
    total = sum(seconds for _, seconds in samples) or 1.0
    root: dict[str, Any] = {"name": "whole", "value": 0.0, "children": {}}
    for stack, seconds in samples:
        node = root
        node["value"] += seconds / total
        for frame in stack:
            name = _label(frame)
            node = node["children"].setdefault(name, {"name": name, "value": 0.0, "children": {}})
            node["value"] += seconds / total
    return _pruned(root)


def _label(frame: Frame) -> str:
    module, owner, function = frame
    return ".".join(filter(None, (module, owner, function))) if module else function


def _pruned(node: dict[str, Any]) -> dict[str, Any]:
    """Children as a list, largest first, without those that nobody would see."""
    kept = sorted((c for c in node["children"].values() if c["value"] >= _PRUNE), key=lambda c: -c["value"])
    return {"name": node["name"], "value": node["value"], "children": [_pruned(c) for c in kept]}


def main(scenario_id: str, events: str = "") -> None:
    """Prints the table of a scenario that runs in memory."""
    from bench.pipeline import whole
    from bench.scenarios import SCENARIOS

    scenario = SCENARIOS[scenario_id]
    job, lines = scenario.job(), scenario.lines(int(events) if events else None)
    start_s = time.process_time()
    whole(job, lines)
    event_ns = (time.process_time() - start_s) / len(lines) * 1e9
    found = profile(lambda: whole(job, lines))
    for row in sorted(found.table(event_ns), key=lambda row: -row["share"]):
        print(f"{row['stage']:20} {row['share']:6.1%} {row['ns_per_event']:8.0f} ns")
    print(f"{'all':20} {1:6.1%} {event_ns:8.0f} ns, of it {found.collector:.1%} in the garbage collector")


if __name__ == "__main__":
    main(*sys.argv[1:])
