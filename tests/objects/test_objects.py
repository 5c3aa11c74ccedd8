"""Object stores: what is written is read, conditions hold, and errors say what to do."""

import sys
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from flows.objects import MissingObjectError, Objects, ObjectsError, ObjectTakenError, is_url
from state.errors import ConfigError
from tests.objects.running import S3, Bucket


def test_written_and_read(bucket: Bucket, tmp_path: Path) -> None:
    """Bytes and files, with names of any kind; listed with their sizes, below a prefix or not; deleted."""
    objects = bucket.objects("a", "b")
    (tmp_path / "file").write_bytes(b"x" * 6_000_000)  # in several parts
    objects.put("one two.json", b"1")
    objects.put("deep/ü%2F#1", b"22")
    objects.put("deep/file", tmp_path / "file")
    assert objects.names() == {"one two.json": 1, "deep/ü%2F#1": 2, "deep/file": 6_000_000}
    assert objects.names("deep") == {"deep/ü%2F#1": 2, "deep/file": 6_000_000}
    assert objects.get("deep/ü%2F#1") == b"22"
    assert objects.folders() == ["deep"]
    objects.fetch("deep/file", tmp_path / "new" / "copy")
    assert (tmp_path / "new" / "copy").read_bytes() == b"x" * 6_000_000
    assert bucket.objects("a").get("b/one two.json") == b"1"
    objects.delete(["one two.json", "deep/file", "never there"])
    assert list(bucket.objects().names()) == ["a/b/deep/ü%2F#1"]
    with pytest.raises(MissingObjectError, match=r"a/b/one two\.json: there is no such object"):
        objects.get("one two.json")


def test_deleted_where_the_store_minds_what_is_gone() -> None:
    """Google's says so of an object that is not there, and leaves the others."""
    objects = Objects("gs://bucket/x")
    objects._store = MemoryStore()
    for name in "abc":
        objects.put(name, b"")
    objects.delete(["a", "gone", "b", "c"])
    assert objects.names() == {}


def test_conditions(bucket: Bucket) -> None:
    """One that must be new is not written over; one that must be a version is that version."""
    objects = bucket.objects()
    first = objects.put("head", b"1", fresh=True)
    with pytest.raises(ObjectTakenError):
        objects.put("head", b"2", fresh=True)
    second = objects.put("head", b"2", instead_of=first)
    with pytest.raises(ObjectTakenError):
        objects.put("head", b"3", instead_of=first)
    assert objects.get_tagged("head") == (b"2", second)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s4://bucket/x", "allowed: s3://BUCKET/PREFIX or gs://"),
        ("s3:///x", "allowed"),
        ("s3://key:pass@bucket/x", "credentials and options are taken from the environment"),
        ("s3://bucket/x?region=y", "from the environment"),
        ("s3://bucket/../x", "allowed"),
        ("s3://bucket/a b", "without blanks"),
    ],
)
def test_urls_that_are_none(url: str, message: str) -> None:
    """They are named, without what is secret in them."""
    with pytest.raises(ConfigError, match=message) as raised:
        Objects(url)
    assert "pass" not in str(raised.value)


def test_urls() -> None:
    """A URL is told from a path; both kinds of stores are known; what is not needed in one is dropped."""
    assert is_url("s3://bucket")
    assert not is_url("s3/bucket")
    assert not is_url("./s3:/bucket")
    assert Objects("S3://bucket//a/").url == "s3://bucket/a"
    assert Objects("gs://bucket/a").url == "gs://bucket/a"


def test_a_store_that_does_not_answer(bucket: Bucket, s3: S3) -> None:
    """It says so, and where; and so does one without the bucket."""
    with pytest.raises(ObjectsError, match=r"s3://no-such-bucket/x: there is no such bucket; make it"):
        Objects("s3://no-such-bucket").put("x", b"")
    s3.stop()
    with pytest.raises(ObjectsError, match=rf"^{bucket.url('x')}: .*(error sending|onnect)") as raised:
        bucket.objects().get("x")
    assert "\n" not in str(raised.value)


def test_an_endpoint_that_is_no_url(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panic of the library is an error as any other."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "Traceback (most recent")
    with pytest.raises(ObjectsError, match="look at AWS_ENDPOINT_URL"):
        bucket.objects().get("x")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and how to install it."""
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ConfigError, match=r'pip install "driftnet\[objects\]"'):
        Objects("s3://bucket/x")
