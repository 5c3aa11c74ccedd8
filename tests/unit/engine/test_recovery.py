"""The state directory: created whole, locked, and refused to a job that it does not belong to."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.engine.recovery import locked_state
from state.errors import SnapshotError
from tests.engine.fakes import stages

PARTS = ("p0", "p1")


def use(directory: Path, partitions: tuple[str, ...] = PARTS, **changes: Any) -> list[str]:
    with locked_state(directory, replace(stages(partitions), **changes), partitions) as store:
        return sorted(p.name for p in store.iterdir())


def test_created_once(tmp_path: Path) -> None:
    """The store's files are made on first use and found again later."""
    first = use(tmp_path / "a" / "b")
    assert first == [f"part-{i}.sqlite3" for i in range(4)]
    assert use(tmp_path / "a" / "b") == first


def test_half_created_is_created_again(tmp_path: Path) -> None:
    """A kill while the store was being made leaves nothing that the next run trips over."""
    (tmp_path / "store.new").mkdir()
    (tmp_path / "store.new" / "part-0.sqlite3").write_bytes(b"half")
    assert len(use(tmp_path)) == 4


def test_locked(tmp_path: Path) -> None:
    """Two runs cannot hold one directory; afterwards it is free."""
    with locked_state(tmp_path, stages(PARTS), PARTS), pytest.raises(SnapshotError, match="another run is using it"):
        use(tmp_path)
    assert use(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": 7}, "saved with key_groups 5, this job has 7"),
        ({"cohorts": ("left", "other")}, r"saved with cohorts \['left', 'right', 'other'\]"),
    ],
)
def test_other_shape(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """State of other key groups or cohorts is refused, with both values and what to do."""
    use(tmp_path)
    with pytest.raises(SnapshotError, match=message):
        use(tmp_path, PARTS, **changes)
    assert use(tmp_path)


def test_partitions_may_come_but_not_go(tmp_path: Path) -> None:
    """New partitions are welcome; one that was read and is gone is named."""
    use(tmp_path, ("p0",))
    use(tmp_path, ("p0", "p1"))
    with pytest.raises(SnapshotError, match="does not have: p0;"):
        use(tmp_path, ("p1",))
