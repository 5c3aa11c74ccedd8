"""Who holds a state directory: one run, and none of its processes that starts after its end."""

from pathlib import Path

import pytest

from flows.engine.lock import held_by_member, held_by_run, run_holding
from state.errors import SnapshotError


@pytest.mark.parametrize("host", [None, 0])
def test_a_process_that_starts_late_sees_that_another_run_has_begun(tmp_path: Path, host: int | None) -> None:
    """A process whose parent was killed before it had its lock does not work beside the next run."""
    with held_by_run(tmp_path, host):
        first = run_holding(tmp_path, host)
        with held_by_member(tmp_path, 0, first, host):
            pass
    with (
        held_by_run(tmp_path, host),
        pytest.raises(SnapshotError, match="another run has taken it over"),
        held_by_member(tmp_path, 0, first, host),
    ):
        pass


def test_a_run_waits_for_the_processes_of_the_one_before(tmp_path: Path) -> None:
    """And says which one does not end."""
    with held_by_run(tmp_path):
        name = run_holding(tmp_path)
    with (
        held_by_member(tmp_path, 1, name),
        pytest.raises(SnapshotError, match=r"has not stopped \(member-1.lock is held\)"),
        held_by_run(tmp_path, patience_s=0.2),
    ):
        pass


def test_there_is_one_run_at_a_time(tmp_path: Path) -> None:
    """On one host, and as each host of a cluster."""
    with (
        held_by_run(tmp_path),
        pytest.raises(SnapshotError, match="another run is using it"),
        held_by_run(tmp_path),
    ):
        pass
    with (
        held_by_run(tmp_path, 0),
        held_by_run(tmp_path, 1),
        pytest.raises(SnapshotError, match="as host 1"),
        held_by_run(tmp_path, 1),
    ):
        pass
