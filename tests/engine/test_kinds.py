"""Further kinds of subjects: the same events under other keys, loans between them, alerts of their own."""

import json
import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from flows.config import loads
from flows.config.models import Config
from flows.counters import FATES
from flows.drive.explain import explain
from flows.engine.plan import Options
from flows.engine.store import read_checkpoint
from flows.evolution.fates import FateKind
from flows.evolution.saved_job import CONFIG_NOTE, fates_against
from flows.forget.state import forget_in_state
from flows.job import Job
from flows.job_stages import JobStages, entries_of
from flows.operators.messages import CohortInput
from flows.savepoint.look import opened
from flows.sources.base import Partition, Source
from flows.sources.files import FilesSpec
from flows.stages import Stage, Stages, addressed
from flows.steps import Step
from state.errors import DriftnetError
from tests.engine.evolving import evolved_locally
from tests.engine.interrupted import run_until
from tests.engine.scenarios import SCENARIOS, Told, lines_of, run_bytewax, run_local, same, write_files

NAME: Final = "company"
SHOPS: Final = """
[subjects.place]
key = "shop"
alerts = true
features = { n = { kind = "count" } }
windows = { h = { kind = "tumbling", size = "1h" } }
detectors = { own = { type = "history_baseline" } }
"""


@cache
def config(text: str = "") -> Config:
    return loads(SCENARIOS[NAME].config + text, "kinds")


def job() -> Job:
    return config().job()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return write_files(NAME, 2, tmp_path_factory.mktemp("events"))


@pytest.fixture(scope="module")
def reference(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return run_local(job(), source, tmp_path_factory.mktemp("reference") / "out", 8192)


@pytest.fixture(scope="module")
def half(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that stopped in the middle; tests take copies."""
    place = tmp_path_factory.mktemp("half")
    run_until(8, job(), source, place / "out", Options(batch_lines=200, epoch_s=0.02, state_dir=place / "state"))
    (place / "state" / CONFIG_NOTE).write_text(config().to_toml())
    return place


def records(told: Told, stream: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told[0][stream]]


def test_every_kind_says_its_own(reference: Told) -> None:
    """Rows of all kinds are judged, and two are alerted; each record says of which kind its subject is."""
    scores, alerts = records(reference, "scores"), records(reference, "alerts")
    assert {r["kind"] for r in scores} == {"user", "net", "artist", "holder"}
    assert {r["kind"] for r in alerts} == {"user", "artist"}
    assert {r["cohort"].partition(":")[0] for r in alerts if r["kind"] == "artist"} == {"artist"}
    assert len({r["alert_id"] for r in alerts}) == len(alerts)


def test_those_who_borrow_nothing_see_no_difference(source: Source, tmp_path: Path) -> None:
    """The stream's own subjects say what they say alone, and a kind what a job says whose subjects they are."""
    name = "hot_card"
    files, cards = write_files(name, 2, tmp_path), SCENARIOS[name].config.replace("[event]", '[event]\nkind = "card"')
    alone = run_local(loads(cards).job(), files, tmp_path / "alone", 500)
    beside = run_local(loads(cards + SHOPS.replace("alerts = true", "")).job(), files, tmp_path / "b", 500)
    cut = {"config_digest": None}
    assert [r | cut for r in records(beside, "alerts")] == [r | cut for r in records(alone, "alerts")]
    assert [r for r in records(beside, "scores") if r["kind"] == "card"] == records(alone, "scores")
    assert {c.name: c.total(beside[1]) for c in FATES} == {c.name: c.total(alone[1]) for c in FATES}
    # The same declared for a stream whose subjects are the shops.
    of_shops = cards.replace('subject = "card"', 'subject = "shop"')
    head, tail = of_shops[: of_shops.index("[features.count]")], of_shops[of_shops.index("[calibration]") :]
    declared = SHOPS[SHOPS.index("features =") :] + head.replace("capacity = 24", "").replace('ttl = "90m"', "")
    one = run_local(loads(declared.replace("rows_per_pane_max = 40", "") + tail).job(), files, tmp_path / "shops", 500)
    cut = {"kind": "place", "cohort": "place:all"}
    mine = [r for r in records(beside, "scores") if r["kind"] == "place"]
    assert mine == [r | cut for r in records(one, "scores")]
    assert len(mine) > 20


@pytest.mark.parametrize("workers", [(1, 2, 4, 1), (2, 1, 3, 2)])
def test_stops_and_other_numbers_of_workers(
    source: Source, reference: Told, tmp_path: Path, workers: tuple[int, ...]
) -> None:
    """Four lives on different numbers of workers say what one says."""
    for n in workers[:-1]:
        options = Options(workers=n, batch_lines=150, epoch_s=0.02, state_dir=tmp_path / "state")
        run_until(5, job(), source, tmp_path / "out", options)
    last = Options(workers=workers[-1], batch_lines=150, epoch_s=0.02, state_dir=tmp_path / "state")
    same(run_bytewax(job(), source, tmp_path / "out", last), reference)


def test_looked_up_and_forgotten(half: Path, tmp_path: Path) -> None:
    """Each kind has its own stages; a subject of one is found under KIND:ID, and forgotten by it."""
    shutil.copytree(half / "state", tmp_path / "state")
    with opened(tmp_path / "state", config()) as look:
        told = look.describe()
        assert told["artist groups"].keys() == told["net groups"].keys() == told["groups"].keys()
        name = json.loads(lines_of(NAME)[0])["artist_id"]
        found, user = look.look_up(f"artist:{name}"), look.look_up(name)
    assert found is not None
    assert (found["kind"], found["user"], user) == ("artist", name, None)
    removed = forget_in_state(tmp_path / "state", f"artist:{name}", config())
    assert removed["users"] == 1
    with opened(tmp_path / "state", config()) as look:
        assert look.look_up(f"artist:{name}") is None


def test_alerts_of_a_kind_are_explained(source: Source, reference: Told) -> None:
    """To the bit."""
    alert = next(r for r in records(reference, "alerts") if r["kind"] == "artist")
    partitions = [source.open(name) for name in source.partition_names()]
    assert explain(job(), partitions, alert).reproduced


def test_kinds_come_and_go(half: Path, source: Source, tmp_path: Path) -> None:
    """A kind that is new starts cold, one that is gone is dropped; the others go on."""
    more = '\n[subjects.device]\nkey = "device"\nfeatures = { n = { kind = "count" } }\n'
    more += 'windows = { h = { kind = "tumbling", size = "1h" } }\n'
    after = loads(SCENARIOS[NAME].config + more, "kinds")
    said = {f.why: f.kind for f in fates_against(half / "state", after)}
    assert said["subjects of kind device are new: they start cold"] is FateKind.COLD
    gone = SCENARIOS[NAME].config
    for name in ("subjects.holder", "holder_artists_users", "holder_surge"):
        gone = gone.replace(name, name.replace("holder", "label"))
    dropped = [f.why for f in fates_against(half / "state", loads(gone, "kinds")) if f.kind is FateKind.DROPPED]
    assert "subjects of kind holder are gone: their state is dropped" in dropped
    shutil.copytree(half, tmp_path / "half")
    state = tmp_path / "half" / "state"
    checkpoint = read_checkpoint(state / "store")
    assert checkpoint is not None
    at = {name: s["position"] for name, s in checkpoint.of_step(Step.INGEST).items()}
    options = Options(batch_lines=200, epoch_s=0.02, state_dir=state)
    found = run_bytewax(after.job(), source, tmp_path / "half" / "out", options)
    same(found, evolved_locally(job(), after.job(), source, at, tmp_path / "local"))
    assert any(r["kind"] == "device" for r in records(found, "scores"))


def test_another_key_is_another_kind(half: Path) -> None:
    """What is known of addresses says nothing of devices."""
    text = SCENARIOS[NAME].config.replace('key = "ip"', 'key = "device"')
    (refused,) = [f.why for f in fates_against(half / "state", loads(text)) if f.kind is FateKind.REFUSED]
    assert refused == "subjects of kind net went by 'ip', go by 'device'; give them a new name"


def test_stages_that_do_not_fit_together() -> None:
    """Each name once, each message for a stage that comes later; a message that goes nowhere is named."""
    stages: Stages = JobStages(SCENARIOS["hot_card"].job(), ("p",)).stages()
    subject, population, alerts = stages.keyed
    for keyed, message in (
        ((subject, subject, population, alerts), "stage subject: seen twice"),
        ((subject, alerts), "stage subject: sends to 'population', expected one of the stages after it: .'alerts'"),
        ((population, subject, alerts), "stage subject: sends to 'population', expected"),
    ):
        with pytest.raises(DriftnetError, match=message):
            replace(stages, keyed=keyed)
    with pytest.raises(DriftnetError, match=r"stage shop: seen in a message, expected one of .'subject'"):
        stages.stage("shop")
    deaf: Stage = replace(subject, sends={})
    with pytest.raises(DriftnetError, match=r"stage subject: gave a CohortInput, expected one of \[\]"):
        addressed(deaf, ("all", CohortInput(0, 0)))
    names = [entry.name for entry in entries_of(job())]
    assert names.index("net_subject") < names.index("artist_subject") < names.index("holder_subject")
    assert names.index("holder_subject") < names.index("subject")


@dataclass
class EndsForGood:
    """A source, a partition of which can get no more."""

    source: Source
    name: str

    def partition_names(self) -> list[str]:
        return self.source.partition_names()

    def open(self, name: str) -> Partition:
        partition = self.source.open(name)
        partition.ends_for_good = name == self.name  # type: ignore[misc]
        return partition


def test_a_new_kind_does_not_wait_for_a_partition_that_has_ended(tmp_path: Path) -> None:
    """It is told that there will be no more of it; else it would never close a window while others go on."""
    name, lines = "hot_card", lines_of("hot_card")
    for part, its in (("short", lines[:20]), ("long", lines[20:])):
        (tmp_path / part).write_bytes(b"\n".join(its))
    files = FilesSpec((str(tmp_path / "short"), str(tmp_path / "long")), "per_file")
    short, _ = files.partition_names()
    options = Options(batch_lines=100, epoch_s=0.02, state_dir=tmp_path / "state", finish=False)
    before = SCENARIOS[name].config.replace("[event]", '[event]\nkind = "card"')
    ending = EndsForGood(files, short)
    run_until(4, loads(before).job(), ending, tmp_path / "out", options)
    checkpoint = read_checkpoint(tmp_path / "state" / "store")
    assert checkpoint is not None
    assert checkpoint.of_step(Step.INGEST)[short]["done"]
    found = run_bytewax(loads(before + SHOPS).job(), ending, tmp_path / "out", options)
    assert [r for r in records(found, "scores") if r["kind"] == "place"]
