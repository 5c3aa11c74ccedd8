"""A second subject stage, keyed by another column, is one more entry: drivers and tools do the rest."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from flows.config import loads
from flows.counters import ACCEPTED, FATES, ROWS, SCORED
from flows.drive.local import LocalDriver
from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.evolution.saved_job import CONFIG_NOTE
from flows.job_stages import CATALOGUE, Entry, JobStages
from flows.operators.ingest.operator import Ingest
from flows.operators.messages import CohortInput, PolicyInput
from flows.savepoint.look import opened
from flows.sources.base import Source
from flows.stages import Stage, Stages, addressed
from flows.steps import Step
from flows.summary import Summary
from state.errors import ConfigError, DriftnetError
from tests.engine.interrupted import run_until
from tests.engine.scenarios import SCENARIOS, openers, write_files

SHOPS: Final = Entry("shop", Step.SUBJECT, "shops", {CohortInput: "shop_population"}, "shop")
MODELS: Final = Entry("shop_population", Step.POPULATION, "shop_cohorts", {PolicyInput: None})
subject, population, alerts = CATALOGUE
ENTRIES: Final = (subject, SHOPS, population, MODELS, alerts)
NAME: Final = "hot_card"
Found = tuple[dict[str, list[str]], dict[str, int]]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return write_files(NAME, 2, tmp_path)


def found(out: Path, summary: Summary) -> Found:
    """Records by stream, sorted, and all totals, but how many partitions had values."""
    assert summary.balanced
    texts = {file.stem: sorted(file.read_text().splitlines()) for file in out.glob("*.jsonl")}
    return texts, {key: n for key, n in summary.totals.items() if n and not key.startswith("filled.")}


def local(
    source: Source, out: Path, entries: tuple[Entry, ...] = ENTRIES, config: str = SCENARIOS[NAME].config
) -> Found:
    sinks = {stream: [opener()] for stream, opener in openers(out).values()}
    partitions = [source.open(name) for name in source.partition_names()]
    summary = LocalDriver(loads(config).job(), partitions, sinks, 500, entries=entries).run()
    for opened_sinks in sinks.values():
        opened_sinks[0].close()
    return found(out, summary)


def bytewax(source: Source, out: Path, options: Options) -> Found:
    sources = partitions_of([source])
    stages = JobStages(SCENARIOS[NAME].job(), tuple(sources), entries=ENTRIES).stages()
    return found(out, execute(Plan(stages, sources, openers(out), options)))


def test_it_works_beside_the_others(source: Source, tmp_path: Path) -> None:
    """The first stages say what they say without it; its rows are those of a job whose subjects are the shops."""
    (alone, of_first), (beside, totals) = (
        local(source, tmp_path / str(n), e) for n, e in ((1, CATALOGUE), (2, ENTRIES))
    )
    assert beside["alerts"] == alone["alerts"]
    assert len(alone["alerts"]) > 100
    assert set(alone["scores"]) < set(beside["scores"])
    assert {name: counter.total(totals) for name, counter in ((c.name, c) for c in (*FATES, ROWS, SCORED))} == {
        counter.name: counter.total(of_first) for counter in (*FATES, ROWS, SCORED)
    }
    config = SCENARIOS[NAME].config.replace('subject = "card"', 'subject = "shop"').replace("[features.shops]", "#")
    _, of_shops = local(
        source, tmp_path / "shops", CATALOGUE, config.replace('#\nkind = "nunique"\ncolumn = "shop"\n', "")
    )
    for counter in (ACCEPTED, ROWS, SCORED):
        keys = [key for key in of_shops if key == counter.name or key.startswith(f"{counter.name}.")]
        assert {key: totals[f"{MODELS.name if counter is SCORED else SHOPS.name}/{key}"] for key in keys} == {
            key: of_shops[key] for key in keys
        }


@pytest.mark.parametrize("workers", [1, 2])
def test_on_bytewax(source: Source, tmp_path: Path, workers: int) -> None:
    """To the bit what the local driver says."""
    assert bytewax(source, tmp_path / "out", Options(workers=workers, batch_lines=300)) == local(source, tmp_path / "l")


@pytest.fixture
def with_shops(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the entries stood in the catalogue."""
    for module in ("tests.engine.scenarios", "flows.savepoint.look", "flows.forget.state"):
        monkeypatch.setattr(f"{module}.JobStages", partial(JobStages, entries=ENTRIES))


@pytest.mark.usefixtures("with_shops")
def test_its_state_is_saved_and_looked_into(source: Source, tmp_path: Path) -> None:
    """It goes on from where it was, and what looks into state has it under its name."""
    options = Options(batch_lines=200, epoch_s=0.0, state_dir=tmp_path / "state")
    run_until(8, SCENARIOS[NAME].job(), source, tmp_path / "out", options)
    (tmp_path / "state" / CONFIG_NOTE).write_text(loads(SCENARIOS[NAME].config).to_toml())
    with opened(tmp_path / "state", loads(SCENARIOS[NAME].config)) as look:
        told = look.describe()
    assert told["shops"].keys() == told["groups"].keys() == {"0", "1", "2"}
    assert sum(group["users"] for group in told["shops"].values()) > 3
    assert told["users"] == sum(group["users"] for group in told["groups"].values())
    assert told["shop_cohorts"]["all"]["bytes"] > 1000
    assert bytewax(source, tmp_path / "out", options) == local(source, tmp_path / "l")


def test_keys_are_ids(source: Source) -> None:
    """A column of numbers names nobody."""
    found = SCENARIOS[NAME].job()
    with pytest.raises(ConfigError, match=r"event.columns.amount.kind: seen 'number', allowed: 'id'"):
        Ingest(found.stream, found.columns, "p", routes=(("shop", "amount"),))


def test_stages_that_do_not_fit_together(source: Source) -> None:
    """Each name once, each message for a stage that comes later; a message that goes nowhere is named."""
    job = JobStages(SCENARIOS[NAME].job(), ("p",))
    for entries, message in (
        ((subject, subject, population, alerts), "stage subject: seen twice"),
        ((subject, alerts), "stage subject: sends to 'population', expected one of the stages after it: .'alerts'"),
        ((population, subject, alerts), "stage subject: sends to 'population', expected"),
    ):
        with pytest.raises(DriftnetError, match=message):
            replace(job, entries=entries).stages()
    stages: Stages = job.stages()
    with pytest.raises(DriftnetError, match=r"stage shop: seen in a message, expected one of .'subject'"):
        stages.stage("shop")
    deaf: Stage = replace(stages.stage("subject"), sends={})
    with pytest.raises(DriftnetError, match=r"stage subject: gave a CohortInput, expected one of \[\]"):
        addressed(deaf, ("all", CohortInput(0, 0)))
