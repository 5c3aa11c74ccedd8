"""Savepoints at URLs, by the command line: created, listed, looked into, started from; half of one is none."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.objects import Objects, ObjectsError, Tag
from flows.savepoint.manifest import KEY, NAME
from flows.savepoint.remote import create_at
from state.errors import SnapshotError
from tests.objects.running import S3, Bucket
from tests.small import SMALL
from tests.unit.cli.conftest import Cli, cli

__all__ = ["cli"]


@pytest.fixture
def ran(cli: Cli, bucket: Bucket, tmp_path: Path) -> Path:
    """The state directory of a run that came to its end, in the current directory."""
    (tmp_path / "small.toml").write_text(SMALL)
    assert cli("run", "small.toml", "--state-dir", "state", "--json").code == 0
    return tmp_path / "state"


def test_from_creation_to_start(cli: Cli, ran: Path, bucket: Bucket) -> None:
    """All that works with a path works with a URL, and says the same."""
    url = bucket.url("copies", "first")
    cli("savepoint", "create", "state", "local")
    made = cli("savepoint", "create", "state", url)
    assert made.code == 0
    assert f"{url}: epoch" in made.out
    assert not list((ran / "savepoints").glob(".upload-*"))
    listed = json.loads(cli("savepoint", "list", bucket.url("copies"), "--json").out)
    assert [entry["name"] for entry in listed] == ["first"]
    assert "first" in cli("savepoint", "list", bucket.url("copies")).out
    assert f"{url} is whole" in cli("savepoint", "verify", url).out
    inspected = cli("savepoint", "inspect", url, "--json")
    assert inspected.out == cli("savepoint", "inspect", "state/savepoints/local", "--json").out
    assert "the state is the same" in cli("savepoint", "diff", url, "state").out
    assert cli("config", "check", "small.toml", "--against", url).code == 0
    for _ in range(2):
        done = cli("run", "small.toml", "--from-savepoint", url, "--state-dir", "state2", "--json")
        assert done.code == 0
    assert "was started from savepoint" in done.err
    assert json.loads(done.out)["summary"]["read"] == json.loads(inspected.out)["read"]
    again = cli("savepoint", "create", "state", url)
    assert again.code == 2
    assert "a savepoint there already; choose another name" in again.err


def test_half_of_one_is_none(ran: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    """Savepoint.json comes last. What was left of an upload that was killed is neither taken for a savepoint nor
    written over; one that fails takes back what it has written.
    """
    put, seen = Objects.put, list[str]()

    def fails(self: Objects, name: str, data: Any, **how: Any) -> Tag:
        seen.append(name)
        if name == NAME:
            raise ObjectsError("gone")
        return put(self, name, data, **how)

    monkeypatch.setattr(Objects, "put", fails)
    with pytest.raises(ObjectsError, match="gone"):
        create_at(ran, bucket.url("x"))
    assert seen[-1] == NAME
    assert len(seen) > 5
    assert bucket.objects("x").names() == {}
    monkeypatch.setattr(Objects, "put", put)
    bucket.objects("x").put("chunks/subject-0/1.seg", b"half")
    made = cli("savepoint", "create", "state", bucket.url("x"))
    assert made.code == 2
    assert "1 objects that are no whole savepoint" in made.err
    started = cli("run", "small.toml", "--from-savepoint", bucket.url("x"), "--state-dir", "state2")
    assert started.code == 2
    assert "is no savepoint and no archive" in started.err
    assert not Path("state2").exists()


def test_two_that_are_made_at_one_place(ran: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other one has written is not written over, and what this one has written is taken back."""
    objects, names = bucket.objects("x"), Objects.names
    objects.put(NAME, b"of the other one")
    monkeypatch.setattr(Objects, "names", lambda self: {})
    with pytest.raises(SnapshotError, match="is somebody else making a savepoint there"):
        create_at(ran, bucket.url("x"))
    monkeypatch.setattr(Objects, "names", names)
    assert list(objects.names()) == [NAME]
    assert objects.get(NAME) == b"of the other one"


def test_damage_is_found(ran: Path, bucket: Bucket, cli: Cli) -> None:
    """What was changed, is missing, or does not belong there is named, by the URL."""
    url, objects = bucket.url("x"), bucket.objects("x")
    cli("savepoint", "create", "state", url)
    segment = min(name for name in objects.names() if name.endswith(".seg"))
    data = objects.get(segment)
    objects.put("stray", b"")
    objects.put(segment, data[:-1] + bytes([data[-1] ^ 1]))
    told = json.loads(cli("savepoint", "verify", url, "--json").out)
    assert told == {
        "whole": False,
        "wrong": [f"{segment} was changed: its checksum differs", "stray does not belong there"],
    }
    objects.delete([segment])
    started = cli("run", "small.toml", "--from-savepoint", url, "--state-dir", "state2")
    assert started.code == 2
    assert f"savepoint {url} is damaged: {segment} is missing; stray does not belong there" in started.err
    assert not [path for path in Path().iterdir() if path.name.startswith("state2")]


def test_seals_hold_there_too(ran: Path, bucket: Bucket, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was not sealed with the key is not read."""
    url = bucket.url("x")
    cli("savepoint", "create", "state", url)
    monkeypatch.setenv(KEY, "a key of more than sixteen bytes")
    assert f"savepoint {url} was written without a key" in cli("savepoint", "inspect", url).err
    cli("savepoint", "create", "state", bucket.url("sealed"))
    assert cli("savepoint", "verify", bucket.url("sealed")).code == 0


def test_where_nothing_is(cli: Cli, ran: Path, bucket: Bucket, s3: S3) -> None:
    """No savepoint, no bucket, and no store are told apart."""
    assert (
        f"{bucket.url('x')} is no savepoint and no archive: seen nothing"
        in cli("savepoint", "inspect", bucket.url("x")).err
    )
    assert "there is no such bucket" in cli("savepoint", "create", "state", "s3://no-such-bucket/x").err
    assert "allowed: s3://BUCKET/PREFIX" in cli("savepoint", "list", "ftp://x/y").err
    s3.stop()
    done = cli("savepoint", "create", "state", bucket.url("x"))
    assert done.code == 2
    assert bucket.url("x") in done.err


def test_an_archive_goes_before_a_savepoint(cli: Cli, ran: Path, bucket: Bucket) -> None:
    """The same command on an empty disk goes on with what is archived; another savepoint is refused, with what to do.
    An archive's last checkpoint can be looked into, and started from, as a savepoint is.
    """
    url = bucket.url("archive")
    cli("savepoint", "create", "state", "one")
    cli("savepoint", "create", "state", "two")
    two = Path("state/savepoints/two") / NAME
    two.write_text(json.dumps(json.loads(two.read_text()) | {"created": "2026-01-01T00:00:00Z"}))
    command = ("run", "small.toml", "--archive", url, "--archive-every", "1s", "--json")
    assert cli(*command, "--from-savepoint", "state/savepoints/one", "--state-dir", "a").code == 0
    again = cli(*command, "--from-savepoint", "state/savepoints/one", "--state-dir", "b")
    assert again.code == 0
    assert "nothing is in b, the last checkpoint is fetched" in again.err
    assert "these outputs are files of this host, and are not archived: alerts: driftnet.db" in again.err
    other = cli(*command, "--from-savepoint", "state/savepoints/two", "--state-dir", "c")
    assert other.code == 2
    assert f"name an empty one and, as {url} goes before a savepoint, another --archive" in other.err
    assert f"{url} is whole" in cli("savepoint", "verify", url).out
    done = cli("run", "small.toml", "--from-savepoint", url, "--state-dir", "d", "--json")
    assert done.code == 0
    assert f"d starts from savepoint {url}" in done.err
