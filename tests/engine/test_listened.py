"""Runs that are listened to: records are the same, totals are told, health is answered while detection hangs."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from flows.counters import ACCEPTED, CATALOGUE, FATES, READ, Kind
from flows.engine.names import key_name
from flows.engine.plan import Options
from flows.engine.run import execute
from flows.engine.supervise import Restarts
from flows.metrics import catalogue as c
from flows.metrics.facts import Facts
from flows.metrics.overview import Overview
from flows.metrics.server import serving
from flows.metrics.traces import Span, Traces
from flows.operators.messages import CohortInput, Leaving, PolicyInput
from flows.stages import Stages
from flows.streams import Stream
from state.chunks import Saved
from tests.engine import fakes
from tests.engine.fakes import Numbers, Population
from tests.engine.interrupted import AtRead, die
from tests.engine.scenarios import SCENARIOS, Told, bytewax_plan, run_local, same, told, write_files

JOB = cache(SCENARIOS["hot_card"].job)
STAGES = ("ingest", "subject", "population", "alerts", "sinks")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Told:
    place = tmp_path_factory.mktemp("reference")
    return run_local(JOB(), write_files("hot_card", 2, place), place / "out", 8192)


def facts(options: Options, partitions: list[str], **more: Any) -> Facts:
    reads = dict.fromkeys(partitions, "events")
    return Facts(partitions=reads, processes=options.members, stages=STAGES, **more)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("dies", [False, True])
def test_the_records_are_the_same_and_the_totals_are_told(
    tmp_path: Path, reference: Told, processes: int, dies: bool
) -> None:
    """Also where processes die: then what is done again is counted once, and the restarts are."""
    source = write_files("hot_card", 2, tmp_path)
    options = Options(
        processes=processes, batch_lines=400, epoch_s=0.02, state_dir=tmp_path / "state",
        restarts=Restarts(20, pause_s=0.01, pause_s_max=0.01),
    )  # fmt: skip
    plan = bytewax_plan(JOB(), AtRead(source, 5, die) if dies else source, tmp_path / "out", options)
    plan = replace(plan, facts=facts(options, list(plan.sources), kinds={"card": ("w1h",)}))
    spans: list[Span] = []
    overview = Overview(traces=Traces("r", spans.append))
    summary = execute(plan, overview=overview)
    same(told(tmp_path / "out", summary), reference)
    numbers = overview.numbers()
    for counter in CATALOGUE.values():
        key = c.OF_COUNTERS[counter.name].key
        kind = ("card",) if counter.by_kind else ()
        if counter.kind is Kind.COUNTER and not counter.labels:
            assert numbers[key(*kind)] == summary.total(counter), counter.name
        elif counter.kind is Kind.COUNTER and not counter.ids:
            assert {v: n for v, n in summary.by_label(counter).items() if numbers[key(*kind, v)] != n} == {}
    assert numbers[c.UNACCOUNTED.key()] == 0
    assert (numbers[c.RESTARTS.key()] > 0) == dies
    assert numbers[c.CHECKPOINTS.key()] > 0
    assert time.time() - numbers[c.CHECKPOINT_DONE.key()] < 60
    wrote = sum(n for key, n in numbers.items() if key[0] == c.CHECKPOINT_BYTES.name)
    checkpoints = [span.attributes for span in spans if span.name == "checkpoint"]
    assert sum(int(told["driftnet.checkpoint.bytes"]) for told in checkpoints) <= wrote
    assert wrote > 1_000
    assert all(told["driftnet.processes"] <= processes for told in checkpoints)
    assert len(checkpoints) > 0
    assert bool([span for span in spans if span.name == "restore" and not span.error]) == dies
    traced = {span.attributes["driftnet.alert.id"] for span in spans if span.name == "alert"}
    raised = {json.loads(line)["alert_id"] for line in (tmp_path / "out" / "alerts.jsonl").read_text().splitlines()}
    assert traced <= raised
    assert traced == raised or dies, "what was told in the last second before a kill is lost with it"
    assert numbers[c.STATE_BYTES.key("subject")] > 0
    assert numbers[c.SUBJECTS.key("subject")] > 0
    records = sum(n for key, n in numbers.items() if key[0] == c.SOURCE_RECORDS.name)
    assert dies or records == summary.read
    told_of = {
        metric.name: [n for key, n in numbers.items() if key[0] == metric.name] for metric in c.CATALOGUE.values()
    }
    assert sum(told_of[c.ROUNDS.name]) > 0
    assert sum(told_of[c.DETECTOR_ROWS.name]) > 0
    assert max(told_of[c.DETECTOR_SCORE.name]) > 0
    assert sum(n for key, n in numbers.items() if key[0] == c.DETECTOR_STATE.name and key[-1] == "on") > 0
    assert len(told_of[c.CPU.name]) == len(told_of[c.MEMORY.name]) == processes
    assert min(told_of[c.MEMORY.name]) > 10_000_000


def test_a_second_run_starts_from_nothing(tmp_path: Path) -> None:
    """What earlier runs on the same state had counted is theirs."""
    source = Numbers(count=100)
    options = Options(state_dir=tmp_path / "state", finish=False)
    restored = []
    for count, fresh in ((100, 100), (160, 60)):
        plan = fakes.plan(replace(source, count=count), tmp_path / "out", options)
        overview = Overview()
        overview.start = lambda saved, start=overview.start: (restored.append(saved), start(saved))[1]  # type: ignore[method-assign]
        summary = execute(replace(plan, facts=facts(options, ["p0"])), overview=overview)
        assert summary.read == count
        assert overview.numbers()[c.OF_COUNTERS[READ.name].key()] == fresh
        assert overview.numbers()[c.UNACCOUNTED.key()] == 0
        assert overview._last[0].built >= restored[-1]
    stages = plan.stages.keyed
    assert restored == [frozenset(), {(stage.name, key_name(n)) for stage in stages for n in stage.keys.values()}]


class Hanging(Population):
    """Works on no more than a few rows until a file is there."""

    def __init__(self, until: Path, cohort: str, *, resume: Saved | None) -> None:
        super().__init__("", cohort, resume=resume)
        self.until = until

    def process(self, message: CohortInput) -> list[PolicyInput | Leaving]:
        while self.seen > 20 and not self.until.exists():
            time.sleep(0.02)
        return super().process(message)


def hanging(until: Path) -> Stages:
    ordinary = fakes.stages(["p0"])
    subject, population, alerts = ordinary.keyed
    return replace(ordinary, keyed=(subject, replace(population, build=partial(Hanging, until)), alerts))


def ask(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


def wait_for(what: Callable[[], bool], patience_s: float = 60.0) -> None:
    until_s = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < until_s, "nothing came of it"
        time.sleep(0.05)


def test_health_while_detection_hangs(tmp_path: Path) -> None:
    """One process is supervised too; /livez answers, and says what is at work since when; ready is about the start."""
    options = Options(batch_lines=10)
    until = tmp_path / "go"
    sinks = {"file": Stream.ALERTS}
    plan = replace(fakes.plan(Numbers(), tmp_path / "out", options), facts=facts(options, ["p0"], sinks=sinks))
    plan = replace(plan, stages=hanging(until))
    overview, ended = Overview(), list[Any]()
    run = threading.Thread(target=lambda: ended.append(execute(plan, overview=overview)), daemon=True)
    with ExitStack() as stack:
        address = stack.enter_context(serving("0", overview))
        assert ask(f"http://{address}/readyz") == (503, {"ready": False, "reasons": ["the run is not started yet"]})
        run.start()
        stack.callback(until.touch)
        wait_for(lambda: ask(f"http://{address}/readyz")[0] == 200)
        wait_for(lambda: ask(f"http://{address}/livez")[1]["stages"]["population"]["working_for_s"] > 1.0)
        status, health = ask(f"http://{address}/livez")
        assert (status, health["alive"]) == (200, True)
        assert health["stages"]["ingest"]["moved"] is not None
        assert health["stages"]["population"]["seconds_ago"] > 1.0
    run.join(60)
    assert overview.unready() == ["the run is not started yet"]
    (summary,) = ended
    assert summary.read == summary.total(ACCEPTED) == 100
    assert READ not in FATES
    assert len(fakes.found(tmp_path / "out")) == 300
