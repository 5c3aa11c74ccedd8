"""The state directory: created whole, locked, and refused to a job that it does not belong to."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.engine.recovery import locked_state
from state.errors import SnapshotError
from tests.engine.fakes import SHAPE, stages

PARTS = ("p0", "p1")
EVENTS = {"event ids": {"present": "True"}, "window a": {"size_us": "5"}}
FEWER = {"cohorts": ["left", "other"], "cohort_numbers": {"left": 0, "other": 1}}


def shape(layout: dict[str, Any], replaceable: dict[str, Any] | None = None) -> dict[str, Any]:
    return {**SHAPE, "layout": layout, "replaceable": replaceable or {}}


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
        ({"shape": shape(EVENTS) | {"key_groups": 7}}, "key_groups was 5, is 7"),
        (
            {"shape": shape(EVENTS) | FEWER},
            r"cohorts were \['left', 'right', 'other'\], are \['left', 'other'\]",
        ),
        ({"shape": shape(EVENTS | {"event ids": {"present": "False"}})}, "event ids: present was True, is False;"),
        ({"shape": shape({**EVENTS, "window c": {}})}, "window c is new;"),
    ],
)
def test_other_shape(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """State of other key groups or cohorts, or without event ids, is refused, with both values and what to do; and so
    are other windows where state does not say what it is made of.  The state stays as it was.
    """
    use(tmp_path, PARTS, shape=shape(EVENTS))
    before = (tmp_path / "shape.json").read_bytes()
    with pytest.raises(SnapshotError, match=f"{message}.*run the job as it was"):
        use(tmp_path, PARTS, **{"shape": shape(EVENTS)} | changes)
    assert (tmp_path / "shape.json").read_bytes() == before
    assert use(tmp_path, PARTS, shape=shape(EVENTS))


def test_what_starts_cold_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A detector that is new, gone or set otherwise is named."""
    use(tmp_path, PARTS, shape=shape({}, {"detector a": {"type": "Ecod"}, "detector b": {}, "drift": {}}))
    now = {"detector a": {"type": "Ecod", "warmup": "9"}, "detector c": {}, "drift": {}}
    use(tmp_path, PARTS, shape=shape({}, now))
    assert caplog.messages == [
        "detector a: warmup was as by default, is 9: it starts cold",
        "detector b is gone: its state is dropped",
        "detector c is new: it starts cold",
    ]
    caplog.clear()
    use(tmp_path, PARTS, shape=shape({}, now))
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("content", "message"),
    [('{"format": 1, "key_', "is damaged"), ('{"format": 2}', "state of format 2, this build reads 1")],
)
def test_shape_that_cannot_be_read(tmp_path: Path, content: str, message: str) -> None:
    """A torn file, or one of a newer build, is named and left as it is."""
    use(tmp_path)
    (tmp_path / "shape.json").write_text(content)
    with pytest.raises(SnapshotError, match=message):
        use(tmp_path)
    assert (tmp_path / "shape.json").read_text() == content


def test_partitions_may_come_but_not_go(tmp_path: Path) -> None:
    """New partitions are welcome; one that was read and is gone is named."""
    use(tmp_path, ("p0",))
    use(tmp_path, ("p0", "p1"))
    with pytest.raises(SnapshotError, match="does not have: p0;"):
        use(tmp_path, ("p1",))
