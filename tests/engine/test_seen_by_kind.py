"""Kinds of subjects and campaigns as a run's metrics have them."""

import json
from dataclasses import replace
from operator import itemgetter
from pathlib import Path

import pytest

from flows import counters
from flows.engine.plan import Options
from flows.engine.run import execute
from flows.metrics import catalogue as c
from flows.metrics.facts import Facts
from flows.metrics.overview import Overview
from flows.summary import Summary
from tests.engine.scenarios import bytewax_plan, write_files
from tests.engine.test_campaigns import NAME, job


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


@pytest.fixture(scope="module")
def run(place: Path) -> tuple[Summary, Overview, Facts]:
    """With kinds that lend and are judged, and with campaigns; it pauses at the end of its input."""
    options = Options(epoch_s=0.2, state_dir=place / "state", finish=False)
    plan = bytewax_plan(job(), write_files(NAME, 2, place), place / "out", options)
    facts = Facts.of_job(
        job(),
        run="r",
        version="1",
        live=False,
        partitions=dict.fromkeys(plan.sources, "events"),
        processes=options.members,
        stages=tuple(stage.name for stage in plan.stages.keyed),
        sinks={name: stream for name, (stream, _) in plan.openers.items()},
        elsewhere=False,
    )
    overview = Overview()
    return execute(replace(plan, facts=facts), overview=overview), overview, facts


def test_totals_of_kinds_are_told_by_kind(run: tuple[Summary, Overview, Facts]) -> None:
    """As the summary has them: of the stream's own, and of each further kind."""
    summary, overview, facts = run
    own, *further = facts.kinds
    assert sorted(further) == sorted(summary.kinds)
    numbers = overview.numbers()
    for kind, of in {own: summary, **summary.kinds}.items():
        for counter in (each for each in counters.CATALOGUE.values() if each.by_kind):
            metric = c.OF_COUNTERS[counter.name]
            found = {k: n for k, n in numbers.items() if k[:2] == (metric.name, kind)}
            assert sum(found.values()) == of.total(counter), (kind, counter.name)
        assert {k[2] for k in numbers if k[:2] == ("rows", kind)} == set(facts.kinds[kind])
        assert sum(n for k, n in numbers.items() if k[:2] == ("rows", kind)) > 0


def test_lines_are_counted_once(run: tuple[Summary, Overview, Facts]) -> None:
    """Though each kind counts them for itself."""
    summary, overview, _ = run
    numbers = overview.numbers()
    assert numbers[c.OF_COUNTERS["accepted"].key()] == summary.total(counters.ACCEPTED) > 0
    assert all(told.total(counters.ACCEPTED) > 0 for told in summary.kinds.values())
    assert numbers[c.UNACCOUNTED.key()] == 0


def test_every_stage_says_what_it_remembers(run: tuple[Summary, Overview, Facts]) -> None:
    """How many, and how many bytes were saved of it; no series came up that was not there from the start."""
    _, overview, facts = run
    numbers = overview.numbers()
    for stage in facts.stages:
        if stage.endswith(("subject", "coaction")):
            assert numbers[c.SUBJECTS.key(stage)] > 0, stage
        if stage not in ("ingest", "sinks"):
            assert numbers[c.STATE_BYTES.key(stage)] > 0, stage
    assert {key for key in numbers if key[0] != c.RUN_INFO.name} == overview._nothing.keys()


def test_campaigns_that_go_on(run: tuple[Summary, Overview, Facts], place: Path) -> None:
    """And the accounts in them, as the last record of each says."""
    _, overview, _ = run
    records = map(json.loads, (place / "out" / "campaigns.jsonl").read_text().splitlines())
    last = {record["campaign_id"]: record for record in sorted(records, key=itemgetter("at"))}
    going_on = [record for record in last.values() if record["change"] not in ("merged", "ended")]
    numbers = overview.numbers()
    assert numbers[c.CAMPAIGNS.key()] == len(going_on) > 0
    assert numbers[c.SUBJECTS.key("campaigns")] == sum(record["size"] for record in going_on)
