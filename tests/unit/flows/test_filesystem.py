"""SQLite and network file systems."""

import logging
from pathlib import Path

import pytest

from flows.engine.recovery import locked_state
from flows.filesystem import network_type
from flows.job_stages import JobStages
from flows.sinks.sqlite import connect
from state.errors import SinkError
from tests.engine.scenarios import SCENARIOS


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


def test_state_is_warned_of(mounted: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Clusters of several hosts have no other place."""
    stages = JobStages(SCENARIOS["hot_card"].job(), ("a",)).stages()
    with caplog.at_level(logging.WARNING), locked_state(mounted / "state", stages, ("a",)):
        pass
    assert "on a network file system (nfs4)" in caplog.text
