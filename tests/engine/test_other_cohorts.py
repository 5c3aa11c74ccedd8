"""A job that goes on with other cohorts: those of the same word keep what they have learned."""

import json
import shutil
import zlib
from functools import cache
from pathlib import Path

import pytest

from flows.config import loads
from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.engine.store import read_checkpoint
from flows.evolution.saved_job import numbered_cohorts
from flows.job import Job
from flows.job_stages import JobStages
from flows.sources.base import Source
from flows.sources.files import FilesSpec
from state.errors import SnapshotError
from tests.engine.evolving import evolved_locally
from tests.engine.interrupted import run_until
from tests.engine.scenarios import SCENARIOS, Told, bytewax_plan, lines_of, openers, same, told

REGIONS = ("east", "north", "south", "west")


def config(words: tuple[str, ...], column: str = "region") -> str:
    text = SCENARIOS["hot_card"].config.replace("[job]", f'[job]\ncohorts = {{ column = "{column}" }}')
    declared = f'path = "region"\nkind = "enum"\nvalues = {list(words)}\n'
    columns = "".join(f"[event.columns.{name}]\n{declared}" for name in ("region", "place"))
    return text.replace("[time]", f"{columns}[time]")


@cache
def job(words: tuple[str, ...], column: str = "region") -> Job:
    return loads(config(words, column), "cohorts").job()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("events")
    files: list[list[str]] = [[], []]
    for line in lines_of("hot_card"):
        event = json.loads(line)
        where = zlib.crc32(event["card"].encode())
        event["region"] = REGIONS[where // 7 % 4]
        files[where % 2].append(json.dumps(event))
    for i, lines in enumerate(files):
        (folder / f"events-{i}.jsonl").write_text("\n".join(lines))
    return FilesSpec(tuple(str(folder / f"events-{i}.jsonl") for i in range(2)), "per_file")


@pytest.fixture(scope="module")
def place(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("before")
    options = Options(batch_lines=200, epoch_s=0.02, state_dir=place / "state")
    run_until(8, job(("north", "south")), source, place / "out", options)
    return place


def go_on(job_: Job, source: Source, out: Path, options: Options) -> Told:
    names = partitions_of([source])
    stages = JobStages(job_, tuple(names), cohort_numbers=numbered_cohorts(options.state_dir, job_)).stages()
    return told(out, execute(Plan(stages, names, openers(out), options)))


@pytest.mark.parametrize(
    "after",
    [job(("east", "south", "north")), job(("south",)), job(("north", "south"), "place")],
    ids=["one more", "one less", "another column"],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_as_without_an_engine(source: Source, place: Path, tmp_path: Path, after: Job, workers: int) -> None:
    """Cohorts find their state whatever their place among the words."""
    checkpoint = read_checkpoint(place / "state" / "store")
    assert checkpoint is not None
    read = {name: state["position"] for name, state in checkpoint.of_step("ingest").items()}
    expected = evolved_locally(job(("north", "south")), after, source, read, tmp_path / "local")
    shutil.copytree(place, tmp_path / "copy")
    options = Options(workers=workers, batch_lines=300, epoch_s=0.02, state_dir=tmp_path / "copy" / "state")
    same(go_on(after, source, tmp_path / "copy" / "out", options), expected)


def test_back_again_after_it_was_gone(
    source: Source, place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its state was dropped, and is not found again; the others never notice."""
    shutil.copytree(place, tmp_path / "copy")
    options = Options(workers=2, batch_lines=200, epoch_s=0.02, state_dir=tmp_path / "copy" / "state")
    less, more = job(("south",)), job(("north", "south"))
    names = partitions_of([source])
    assert options.state_dir is not None
    stages = JobStages(less, tuple(names), cohort_numbers=numbered_cohorts(options.state_dir, less)).stages()
    assert stages.shape["cohort_numbers"] == {"south": 1, "other": 2}
    found = go_on(less, source, tmp_path / "copy" / "out", options)
    assert found[1]["balanced"]
    assert "cohort north is gone: its state is dropped" in caplog.messages
    assert numbered_cohorts(options.state_dir, more) == {"north": 3, "south": 1, "other": 2}
    checkpoint = read_checkpoint(options.state_dir / "store")
    assert checkpoint is not None
    assert {who for who, _ in checkpoint.of_step("population").values()} == {"south", "other"}


def test_numbers_that_are_not_those_of_the_state_are_refused(source: Source, place: Path, tmp_path: Path) -> None:
    """A cohort would be given the state of another one."""
    shutil.copytree(place, tmp_path / "copy")
    options = Options(state_dir=tmp_path / "copy" / "state")
    with pytest.raises(SnapshotError, match=r"cohorts were .*nothing was changed"):
        execute(bytewax_plan(job(("south",)), source, tmp_path / "copy" / "out", options))
