"""Archives of real state: copied as it grows, put together again, taken by one run at a time."""

import json
import logging
import shutil
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import pytest

from flows.archive.archive import Archive, ArchiveOptions
from flows.archive.claim import Claim, TakenOverError
from flows.archive.copier import Copier
from flows.archive.head import HEAD, Head, read_head
from flows.archive.note import read_note
from flows.archive.restore import assemble, latest
from flows.config import loads
from flows.config.models import Config
from flows.engine.plan import Options
from flows.engine.recovery import locked_state
from flows.engine.store import read_checkpoint
from flows.evolution.saved_job import CONFIG_NOTE
from flows.job_stages import JobStages
from flows.objects import Objects, ObjectTakenError, Tag
from flows.savepoint.copy import create
from flows.savepoint.manifest import KEY, NAME, read
from flows.sources.files import FilesSpec
from state.errors import SnapshotError
from tests.engine.interrupted import run_until
from tests.engine.scenarios import SCENARIOS, Told, run_bytewax, run_local, same, write_files
from tests.objects.running import S3, Bucket

SCENARIO = "hot_card"


@cache
def config() -> Config:
    return loads(SCENARIOS[SCENARIO].config, "scenario")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Told:
    place = tmp_path_factory.mktemp("reference")
    return run_local(config().job(), write_files(SCENARIO, 2, place), place / "out", 8192)


class Growing:
    """A state directory that goes on a little at a time."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.directory = place / "state"
        self.source: FilesSpec = write_files(SCENARIO, 2, place)

    def grow(self, reads: int = 3) -> None:
        options = Options(batch_lines=200, epoch_s=0.0, state_dir=self.directory)
        run_until(reads, config().job(), self.source, self.place / "out", options)
        (self.directory / CONFIG_NOTE).write_text(config().to_toml())

    def finish(self, directory: Path) -> Told:
        return run_bytewax(config().job(), self.source, self.place / "out", Options(state_dir=directory))


@pytest.fixture
def growing(tmp_path: Path) -> Growing:
    return Growing(tmp_path)


def claim(objects: Objects, directory: str = "one", **more: Any) -> Claim:
    return Claim(objects, **{"directory": directory, "job": "job", "run": f"run of {directory}", "renew_s": 0.2} | more)


def taken(objects: Objects, **more: Any) -> Claim:
    made = claim(objects, **more)
    made.take(fetches=False)
    return made


def fetched(objects: Objects, target: Path) -> dict[str, bytes]:
    """The last checkpoint, file by file."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    found = latest(objects)
    assert found is not None
    assemble(objects, found, target)
    return contents(target)


def contents(directory: Path) -> dict[str, bytes]:
    files = (file for file in sorted(directory.rglob("*")) if file.is_file() and file.name != NAME)
    return {str(file.relative_to(directory)): file.read_bytes() for file in files}


def test_what_is_archived_is_what_a_savepoint_has(
    bucket: Bucket, growing: Growing, tmp_path: Path, reference: Told
) -> None:
    """Checkpoint after checkpoint, of which each is written as what is new in it; a run from the last one says what one
    run over everything says.
    """
    objects = bucket.objects("job")
    copier = None
    for i in range(5):
        growing.grow()
        copier = copier or Copier(objects, taken(objects), growing.directory, keep=2)
        copier.doubt()
        entry = copier.copy()
        assert entry is not None
        assert copier.copy() is None
        assert not (growing.directory / "archive.new").exists()
        create(growing.directory, tmp_path / f"copy{i}")
        assert fetched(objects, tmp_path / "fetched") == contents(tmp_path / f"copy{i}")
        assert (entry.epoch, entry.read) == (read(tmp_path / f"copy{i}").epoch, read(tmp_path / f"copy{i}").read)
    same(growing.finish(tmp_path / "fetched"), reference)


def test_only_what_is_new_is_written(bucket: Bucket, growing: Growing, tmp_path: Path) -> None:
    """Of a segment what it has grown by; nothing is read twice either, but after doubt."""
    objects = bucket.objects()
    growing.grow()
    copier = Copier(objects, taken(objects), growing.directory, keep=1)
    segment = growing.directory / "chunks" / "subject-0" / "99.seg"
    segment.write_bytes(bytes(2_000_000))
    copier.copy()
    written, first = [], copier.bytes
    for _ in range(3):
        with segment.open("ab") as file:
            file.write(b"x" * 1000)
        before, copier._last_epoch = copier.bytes, None
        copier.copy()
        written.append(copier.bytes - before)
    assert first > 2_000_000
    assert max(written) < first - 1_900_000
    assert fetched(objects, tmp_path / "fetched")["chunks/subject-0/99.seg"] == segment.read_bytes()


def test_what_no_checkpoint_needs_is_deleted(bucket: Bucket, growing: Growing) -> None:
    """After each copy so many checkpoints are there, and their packs, and nothing else; another run knows as much."""
    objects = bucket.objects()
    for run in range(2):
        copier = Copier(objects, taken(objects), growing.directory, keep=2)
        for _ in range(3):
            growing.grow(2)
            copier.doubt()
            copier.copy()
        found = read_head(objects)
        assert found is not None
        assert [entry.number for entry in found[0].checkpoints] == [3 * run + 2, 3 * run + 3]
        names = set(objects.names())
        kept = {name for name in names if name.startswith("checkpoints/")}
        needed = {pack for name in kept for pack in json.loads(objects.get(name))["packs"]}
        assert len(kept) == 2
        assert names == {HEAD, *kept, *needed}
        objects.put("checkpoints/00000009-0000000001.json", b"of a run that was killed")
        objects.put("packs/00000009-0000000001", b"of the same")


def test_outputs_in_the_directory_are_none_of_the_state(bucket: Bucket, growing: Growing, tmp_path: Path) -> None:
    """A store of alerts that somebody has put there would be copied as a whole each time."""
    objects = bucket.objects()
    growing.grow()
    for name in ("driftnet.db", "driftnet.db-wal", "scores.jsonl"):
        (growing.directory / name).write_bytes(b"x")
    (growing.directory / "parquet").mkdir()
    (growing.directory / "parquet" / "part.json").write_text("{}")
    Copier(objects, taken(objects), growing.directory, keep=1).copy()
    names = {name.split("/")[0] for name in fetched(objects, tmp_path / "fetched")}
    assert names == {"beginnings.json", "chunks", "config.toml", "shape.json", "store"}


def test_segments_of_another_life_are_not_taken_for_known(bucket: Bucket, growing: Growing, tmp_path: Path) -> None:
    """A number may be used again after a restart, for other bytes."""
    objects = bucket.objects()
    growing.grow()
    copier = Copier(objects, taken(objects), growing.directory, keep=1)
    copier.copy()
    segment = growing.directory / "chunks" / "subject-0" / "99.seg"
    for content in (b"one life", b"another life, and longer", b"third"):
        segment.write_bytes(content)
        copier.doubt()
        copier._last_epoch = None
        copier.copy()
        assert fetched(objects, tmp_path / "fetched")["chunks/subject-0/99.seg"] == content


@pytest.mark.parametrize("goes_wrong", range(1, 5))
def test_half_a_checkpoint_is_none(
    bucket: Bucket, growing: Growing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goes_wrong: int
) -> None:
    """Whichever write fails, the archive has the checkpoint before; the next attempt completes it."""
    objects = bucket.objects()
    growing.grow()
    copier = Copier(objects, taken(objects), growing.directory, keep=2)
    copier.copy()
    before = fetched(objects, tmp_path / "before")
    growing.grow(2)
    copier.doubt()
    put, left = Objects.put, goes_wrong

    def failing(self: Objects, name: str, data: Any, **how: Any) -> Tag:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError("the network is gone")
        return put(self, name, data, **how)

    monkeypatch.setattr(Objects, "put", failing)
    with pytest.raises(OSError, match="the network is gone"):
        copier.copy()
    assert fetched(objects, tmp_path / "then") == before
    copier.copy()
    create(growing.directory, tmp_path / "copy")
    assert fetched(objects, tmp_path / "fetched") == contents(tmp_path / "copy")


@pytest.mark.parametrize("why", ["another key", "damage", "gone"])
def test_a_checkpoint_of_no_use_is_not_built_upon(
    bucket: Bucket, growing: Growing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """The run goes on, and writes all of the next one; who changes the key that seals need not change the URL."""
    objects = bucket.objects()
    monkeypatch.setenv(KEY, "the first key of two")
    growing.grow()
    Copier(objects, taken(objects), growing.directory, keep=2).copy()
    (name,) = objects.names("checkpoints")
    if why == "another key":
        monkeypatch.setenv(KEY, "the second key of two")
    elif why == "damage":
        objects.put(name, b"{")
    else:
        objects.delete([name])
    again = Copier(objects, taken(objects), growing.directory, keep=2)
    again.copy()
    create(growing.directory, tmp_path / "copy")
    assert fetched(objects, tmp_path / "fetched") == contents(tmp_path / "copy")
    assert again.bytes > sum(map(len, contents(tmp_path / "copy").values()))


def test_damage_is_found(bucket: Bucket, growing: Growing, tmp_path: Path) -> None:
    """A pack that was changed, or is gone, is named with what it makes of the files."""
    objects = bucket.objects()
    growing.grow()
    Copier(objects, taken(objects), growing.directory, keep=1).copy()
    pack = min(objects.names("packs"))
    data = objects.get(pack)
    objects.put(pack, data[:-9] + b"something")
    with pytest.raises(SnapshotError, match=r"is damaged: chunks/.* was changed"):
        fetched(objects, tmp_path / "fetched")
    objects.delete([pack])
    with pytest.raises(SnapshotError, match=f"{pack}: there is no such object"):
        fetched(objects, tmp_path / "fetched")


def test_one_run_at_a_time(bucket: Bucket) -> None:
    """A second one is refused while the first shows that it is there, and takes over when it does not; then the first
    finds out with its next write.
    """
    objects = bucket.objects()
    first = taken(objects)
    second = claim(objects, "two")
    with pytest.raises(SnapshotError, match=r"is being written by run run of one on host .*stop that one first"):
        _while_renewing(first, lambda: second.take(fetches=True))
    second.take(fetches=True)
    assert second.head.generation == 2
    with pytest.raises(TakenOverError, match="was taken over by run run of two"):
        first.commit(())
    second.release()
    began_s = time.monotonic()
    third = claim(objects, "three", renew_s=60.0)
    third.take(fetches=True)
    assert time.monotonic() - began_s < 10, "one that was released is not waited for"


def _while_renewing(one: Claim, act: Callable[[], object]) -> None:
    over = Event()

    def renew() -> None:
        while not over.wait(0.05):
            one.commit(())

    thread = Thread(target=renew)
    thread.start()
    try:
        act()
    finally:
        over.set()
        thread.join()


def test_the_same_directory_goes_on_at_once(bucket: Bucket) -> None:
    """A run that was killed is started again where it was; nothing is waited for."""
    objects = bucket.objects()
    taken(objects, renew_s=600.0)
    again = taken(objects, renew_s=600.0)
    assert again.head.generation == 2


def test_an_answer_that_was_lost(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written, and is refused when it is tried again, is there."""
    objects = bucket.objects()
    mine = taken(objects)
    put = Objects.put

    def twice(self: Objects, name: str, data: Any, **how: Any) -> Tag:
        put(self, name, data, **how)
        return put(self, name, data, **how)

    monkeypatch.setattr(Objects, "put", twice)
    mine.commit(())
    monkeypatch.setattr(Objects, "put", put)
    mine.commit(())
    assert mine.head.renewed == 2


def test_a_store_without_conditions_is_refused(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs could write to one archive there, and neither would know."""
    put = Objects.put
    monkeypatch.setattr(Objects, "put", lambda self, name, data, **how: put(self, name, data))
    with pytest.raises(SnapshotError, match=r"although it is told not to \(If-None-Match\)"):
        claim(bucket.objects()).take(fetches=True)


def test_whose_archive_it_is(bucket: Bucket, growing: Growing) -> None:
    """Another job's, and one with state that this directory has not, are refused with what to do."""
    objects = bucket.objects()
    growing.grow()
    Copier(objects, taken(objects), growing.directory, keep=1).copy()
    with pytest.raises(SnapshotError, match=r"is of the job 'job', this one is 'other'.*--from-savepoint s3://"):
        claim(objects, job="other").take(fetches=True)
    with pytest.raises(SnapshotError, match=r"has other state than the state directory.*name an empty --state-dir"):
        claim(objects, "two").take(fetches=False)


def archive(bucket: Bucket, directory: Path, **more: Any) -> Archive:
    options = ArchiveOptions(bucket.url("job"), **{"every_s": 0.2} | more)
    return Archive(options, directory, job="hot_card", run="run")


def wait_until(test: Callable[[], bool], seconds: float = 30.0) -> None:
    until_s = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_a_directory_that_is_empty_goes_on(bucket: Bucket, growing: Growing, tmp_path: Path, reference: Told) -> None:
    """And is another one from then on: the first must not go on beside it."""
    growing.grow()
    with archive(bucket, growing.directory).held() as held:
        assert not held.restore()
        with held.running():
            pass
    note = read_note(growing.directory)
    assert note is not None
    assert (note["url"], note["error"]) == (bucket.url("job"), "")
    other = tmp_path / "other"
    (other / "chunks").mkdir(parents=True)
    (other / "chunks" / "left over").write_text("")
    with archive(bucket, other).held() as held:
        assert held.restore()
        with held.running():
            assert not (other / "chunks" / "left over").exists()
            with pytest.raises(SnapshotError, match="has other state than the state directory"):
                archive(bucket, growing.directory)._take(fetches=False)
    assert (read_note(other) or {})["directory"] != note["directory"]
    shutil.rmtree(growing.directory)
    same(growing.finish(other), reference)


def test_a_directory_without_a_checkpoint_is_empty(bucket: Bucket, growing: Growing, tmp_path: Path) -> None:
    """What was begun there, and was killed before it had saved anything, does not stand for the archive."""
    growing.grow()
    with archive(bucket, growing.directory).held() as held, held.running():
        pass
    other = tmp_path / "other"
    stages = JobStages(config().job(), tuple(growing.source.partition_names())).stages()
    partitions = tuple(growing.source.partition_names())
    with locked_state(other, stages, partitions), archive(bucket, other).held() as held:
        assert not held.restore(), "somebody is at work there"
        with pytest.raises(SnapshotError, match="has other state than the state directory"):
            held._take(fetches=False)
    with archive(bucket, other).held() as held:
        assert held.restore()
    assert read_checkpoint(other / "store") is not None


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    bucket: Bucket, growing: Growing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Loudly.  Where there is none before, the damage is the error, and the directory stays empty."""
    objects = bucket.objects("job")
    mine = taken(objects, job="hot_card")
    copier = Copier(objects, mine, growing.directory, keep=2)
    for _ in range(2):
        growing.grow()
        copier.doubt()
        copier.copy()
    mine.release()
    last, before = (json.loads(objects.get(name)) for name in sorted(objects.names("checkpoints"), reverse=True))
    (pack, *_) = last["packs"].keys() - before["packs"].keys()
    objects.put(pack, b"")
    other = tmp_path / "other"
    with archive(bucket, other).held() as held:
        assert held.restore()
    assert "the one before it is tried" in caplog.text
    assert (other / "store").is_dir()
    head = read_head(objects)
    assert head is not None
    assert [entry.number for entry in head[0].checkpoints] == [1], "nothing is built upon what is damaged"
    for pack in objects.names("packs"):
        objects.put(pack, b"")
    with archive(bucket, tmp_path / "third").held() as held, pytest.raises(SnapshotError, match="is damaged"):
        held.restore()
    assert not list((tmp_path / "third").iterdir())


def test_while_the_store_is_away_the_run_goes_on(
    bucket: Bucket, s3: S3, growing: Growing, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, counts what fails, tells how old the last checkpoint is; and catches up."""
    caplog.set_level(logging.INFO)
    growing.grow()
    with archive(bucket, growing.directory).held() as held, held.running():
        wait_until(lambda: held._known.last is not None)
        names = [key[0] for key in held.numbers()]
        s3.stop()
        growing.grow(2)
        before = held._known.done_s
        wait_until(lambda: held._known.errors >= 2)
        told = dict(zip(names, held.numbers().values(), strict=True))
        assert told["archived_checkpoint_timestamp_seconds"] == before
        assert told["archive_errors"] >= 2
        assert (read_note(growing.directory) or {})["errors"] >= 1
        held.check()
        s3.start()
        wait_until(lambda: held._known.done_s > before)
    assert caplog.text.count("cannot be written now") == 1
    assert "is written again" in caplog.text
    found = read_head(bucket.objects("job"))
    assert found is not None
    assert found[0].released


def test_a_run_that_was_taken_over_is_told(bucket: Bucket, growing: Growing) -> None:
    """Also where it has nothing to copy."""
    growing.grow()
    objects = bucket.objects("job")
    with archive(bucket, growing.directory, every_s=1.0).held() as held, held.running():
        found = read_head(objects)
        assert found is not None
        stolen: Head = msgspec.structs.replace(found[0], generation=found[0].generation + 1, run="thief")
        while True:
            try:
                objects.put(HEAD, stolen.to_bytes(), instead_of=found[1])
            except ObjectTakenError:
                found = read_head(objects)
                assert found is not None
                continue
            break

        def over() -> bool:
            try:
                held.check()
            except TakenOverError as error:
                return "run thief" in str(error)
            return False

        wait_until(over)
    after = read_head(objects)
    assert after is not None
    assert after[0].run == "thief"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.archive.archive._PAUSE_S", 0.1)
