"""SQLite and network file systems."""

import logging
from pathlib import Path

import pytest

from flows.engine.recovery import locked_state
from flows.filesystem import network_type
from flows.job_stages import JobStages
from flows.sinks.sqlite import connect
from state.errors import CheckpointError, SinkError
from tests.engine.scenarios import SCENARIOS

STAGES = JobStages(SCENARIOS["hot_card"].job(), ("a",)).stages()


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is said to be on NFS, with one in it that is on a disk."""
    place = tmp_path / "on nfs"
    (place / "disk").mkdir(parents=True)
    name = str(place).replace(" ", "\\040")
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"40 22 0:50 /exports {name} rw shared:9 master:2 - nfs4 server:/exports rw\n"
        f"41 40 8:2 / {name}/disk rw - xfs /dev/sdb rw\n"
    )
    monkeypatch.setattr("flows.filesystem._MOUNTS", mounts)
    return place


def test_types(mounted: Path, tmp_path: Path) -> None:
    """The innermost mount counts, also for what is not there yet, and through links."""
    assert network_type(mounted / "a" / "b.db") == "nfs4"
    assert network_type(mounted / "disk" / "b.db") is None
    assert network_type(tmp_path / "x.db") is None
    assert network_type(f"{mounted}-2/x.db") is None
    (tmp_path / "link").symlink_to(mounted)
    assert network_type(tmp_path / "link" / "x.db") == "nfs4"


def test_where_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems have no such file."""
    monkeypatch.setattr("flows.filesystem._MOUNTS", tmp_path / "none")
    assert network_type(tmp_path) is None


def test_a_store_is_refused(mounted: Path) -> None:
    """With the type, and with what to do."""
    with pytest.raises(SinkError, match=r"network file system \(nfs4\).*a disk of this machine"):
        connect(str(mounted / "driftnet.db"))
    assert not (mounted / "driftnet.db").exists()
    connect(str(mounted / "disk" / "driftnet.db")).close()


def on(kind: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    mounts = place / "mounts"
    mounts.write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 0:50 / {place}/there rw - {kind} where rw\n")
    monkeypatch.setattr("flows.filesystem._MOUNTS", mounts)
    return place / "there" / "state"


@pytest.mark.parametrize(
    ("kind", "host", "network", "message"),
    [
        ("nfs4", None, False, r"network file system \(nfs4\), which SQLite.*--archive s3://.*: --network-state"),
        ("fuse.sshfs", None, True, r"network file system \(fuse.sshfs\) without the locks.*--archive s3://"),
        ("cifs", None, True, "without the locks and the mapped memory"),
        ("nfs4", 0, True, "cannot be shared by several hosts.*Allowed for --addresses: gfs2 and ocfs2"),
        ("ceph", 1, False, "cannot be shared by several hosts"),
    ],
)
def test_state_is_refused_where_it_cannot_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, host: int | None, network: bool, message: str
) -> None:
    """With the type, what to do in its place, and the way out where there is one; nothing is made there."""
    state = on(kind, tmp_path, monkeypatch)
    with pytest.raises(CheckpointError, match=message), locked_state(state, STAGES, ("a",), host, network=network):
        pass
    assert not state.exists()


@pytest.mark.parametrize(("kind", "host", "network"), [("nfs", None, True), ("ocfs2", 0, False), ("gfs2", None, False)])
def test_state_where_it_can_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    host: int | None,
    network: bool,
) -> None:
    """On one host that says that it is alone, which is warned of; and where memory is that of all hosts."""
    state = on(kind, tmp_path, monkeypatch)
    with caplog.at_level(logging.WARNING), locked_state(state, STAGES, ("a",), host, network=network) as store:
        assert store.is_dir()
    assert ("only as long as no other host" in caplog.text) == network
