"""Bytes of strangers: savepoints, stores, commands, labels and configurations that anybody may have written.  Whatever
is in them, the only thing that comes out is an error of ours.
"""

import json
import shutil
import sqlite3
from contextlib import closing, suppress
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import state.snapshot
from flows.cli.alerts import alert_view, list_view
from flows.cli.options import text_console
from flows.config import loads
from flows.config.saved import load_saved
from flows.drive.assembly import Assembly
from flows.drive.local import LocalDriver
from flows.drive.worker import work
from flows.engine.plan import Options
from flows.savepoint.copy import create
from flows.savepoint.look import opened
from flows.savepoint.manifest import NAME, describe, read
from flows.sinks.store import AlertStore
from flows.wire.reject import BadLineError
from flows.wire.told import read_command, read_label
from state.errors import SnapshotError
from state.snapshot import unpack
from tests.property.edits import FEW, MANY, Edits, edited, edits, only_ours, values
from tests.small import BASE, SMALL

JOB: Final = (
    BASE
    + """
users = 200
duration = "1h"
[detectors.loda]
type = "river"
params = { warmup = 64 }
[detectors.own]
type = "history_baseline"
"""
)


@pytest.fixture(scope="module")
def savepoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("savepoint")
    work(Assembly(loads(JOB)), Options(state_dir=place / "state", epoch_s=0.1))
    create(place / "state", place / "whole")
    return place / "whole"


@pytest.fixture
def checksums_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes frames writes their checksums too."""

    class Fits(int):
        def __ne__(self, _: object) -> bool:
            return False

        __hash__ = None  # type: ignore[assignment]

    known = {name: getattr(state.snapshot.zlib, name) for name in ("compress", "decompressobj", "error")}
    monkeypatch.setattr(state.snapshot, "zlib", SimpleNamespace(crc32=lambda *_: Fits(), **known))


def test_the_savepoint_is_whole(savepoint: Path) -> None:
    """What the tests below change can be read, and has what is interesting in it."""
    with opened(savepoint) as look:
        told = look.describe()
    assert told["users"] > 10
    assert told["cohorts"]["all"]["windows"]["w5m"]["model.loda.detector"] > 1000
    assert told["cohorts"]["all"]["windows"]["w5m"]["drift"] > 100


@FEW
@given(which=st.floats(0, 1, exclude_max=True), changes=edits)
def test_savepoints(savepoint: Path, tmp_path: Path, checksums_fit: None, which: float, changes: Edits) -> None:
    """A file is changed, and the manifest says that it is so."""
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(savepoint, copy)
    names = sorted(read(savepoint).files)
    file = copy / names[int(which * len(names))]
    file.write_bytes(edited(file.read_bytes(), changes))
    describe(copy, 1, {}).write(copy)
    with only_ours(), opened(copy) as look:
        look.describe()


@FEW
@given(changes=edits)
def test_manifests(savepoint: Path, tmp_path: Path, changes: Edits) -> None:
    """The manifest itself is changed."""
    copy = tmp_path / "copy"
    copy.mkdir(exist_ok=True)
    (copy / NAME).write_bytes(edited((savepoint / NAME).read_bytes(), changes))
    with only_ours(), opened(copy):
        raise AssertionError("the files are not there")


@FEW
@given(table=st.dictionaries(st.sampled_from(["created", "versions", "epoch", "read", "alerts", "files"]), values))
def test_manifests_of_other_values(tmp_path: Path, table: dict[str, Any]) -> None:
    """JSON, but no manifest."""
    (tmp_path / NAME).write_bytes(json.dumps({"format": 1, **table}).encode())
    with pytest.raises(SnapshotError):
        read(tmp_path)


@MANY
@given(data=st.binary(max_size=200))
@example(b"DRFT" + bytes(18))
def test_frames(data: bytes) -> None:
    """Bytes that are no frame."""
    with pytest.raises(SnapshotError):
        unpack(data, "thing", (1,))


@FEW
@given(changes=edits)
def test_frames_that_are_changed(checksums_fit: None, changes: Edits) -> None:
    """A frame with a table of contents that lies."""
    import numpy as np

    frame = state.snapshot.pack("thing", 1, {"a": 1}, {"x": np.arange(3.0), "names": np.array(["a", "b"], object)})
    with only_ours():
        unpack(edited(frame, changes), "thing", (1,))


@MANY
@given(line=st.binary(max_size=120) | values.map(lambda value: json.dumps(value).encode()))
def test_lines(line: bytes) -> None:
    """Labels and commands that are neither."""
    with pytest.raises(BadLineError):
        read_label(line)
    with pytest.raises(BadLineError):
        read_command(line, "control/0", 0)


COMMAND: Final = {"command": "tune", "detector": "d", "at": 1, "settings": {"weight": 2}, "by": "ann", "reason": "x"}
LABEL: Final = {"subject": "u1", "label": "fraud", "at": "2026-03-09T10:00:00Z", "since": 5}


@MANY
@given(changed=st.dictionaries(st.sampled_from([*COMMAND, *LABEL]), values, max_size=3), changes=edits)
def test_lines_that_are_nearly_right(changed: dict[str, Any], changes: Edits) -> None:
    """Members of other types, and bytes that are changed."""
    for right, read_line in ((COMMAND, lambda line: read_command(line, "c/0", 0)), (LABEL, read_label)):
        line = json.dumps(right | {k: v for k, v in changed.items() if k in right}).encode()
        for text in (line, edited(line, changes)):
            with suppress(BadLineError):
                read_line(text)


def alert_of(place: Path) -> dict[str, Any]:
    """An alert as a run writes it."""
    assembly = Assembly(loads(SMALL.replace('path = "driftnet.db"', f'path = "{place}"')))
    partitions, _ = assembly.inputs()
    sinks = assembly.sinks()
    LocalDriver(assembly.config.job(), partitions, sinks).run()
    for sink in (s for of_stream in sinks.values() for s in of_stream):
        sink.close()
    assembly.record()
    return AlertStore(place).list_alerts()[0]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    place = tmp_path_factory.mktemp("store") / "alerts.db"
    alert = alert_of(place)
    with closing(sqlite3.connect(place)) as db, db:
        db.execute("DELETE FROM alerts WHERE id <> ?", [alert["alert_id"]])
    return place, alert


@FEW
@given(changed=st.dictionaries(st.integers(0, 20), values, min_size=1, max_size=2), changes=edits | st.just([]))
@example(changed={}, changes=[])
def test_stores(store: tuple[Path, dict[str, Any]], changed: dict[int, Any], changes: Edits) -> None:
    """Records with members of other types, and with bytes that are changed, in a list, a view and a search."""
    place, alert = store
    members = list(alert)
    record = alert | {members[i % len(members)]: value for i, value in changed.items()}
    text = edited(json.dumps(record).encode(), changes)
    for value in (text.decode(errors="replace"), text):
        with closing(sqlite3.connect(place)) as db, db:
            db.execute("UPDATE alerts SET record = ?", [value])
        with only_ours():
            (found,) = AlertStore(place).list_alerts()
            AlertStore(place).run_of(found)
            text_console().print(list_view([found]), *alert_view(found))


SHIPPED: Final = files("flows").joinpath("defaults.toml").read_bytes()
OWN: Final = loads("")


@MANY
@given(changes=edits)
def test_configurations(changes: Edits) -> None:
    """The shipped one with changed bytes."""
    with only_ours():
        load_saved(edited(SHIPPED, changes).decode(errors="replace"), "saved", OWN, ()).job()


@MANY
@given(
    section=st.sampled_from(sorted(OWN.to_table())),
    key=st.sampled_from(sorted({key for table in OWN.to_table().values() for key in table})),
    value=values,
)
@example(section="event", key="columns", value={"\r": 0})
def test_configurations_of_other_values(section: str, key: str, value: Any) -> None:
    """TOML, but no configuration."""
    from flows.config.toml import dumps

    try:
        toml = dumps({section: {key: value}})
    except (TypeError, ValueError, AttributeError):
        return  # not a value of TOML
    with only_ours():
        load_saved(toml, "saved", OWN, ()).job()
