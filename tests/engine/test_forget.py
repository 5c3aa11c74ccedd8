"""A subject is forgotten in saved state, and the run goes on."""

import contextlib
import re
import zlib
from pathlib import Path

import numpy as np
import orjson
import pytest
from xxhash import xxh3_64_intdigest

from detectors.features.hashing import mix
from flows.drive.worker import CONFIG_NOTE
from flows.engine.lock import held_by_run
from flows.forget.state import forget_in_state
from flows.savepoint.copy import create
from flows.savepoint.look import opened
from flows.savepoint.manifest import damaged, read
from flows.sources.files import FilesSpec
from state.errors import SnapshotError
from tests.engine.interrupted import run_until
from tests.engine.scenarios import Told, lines_of, run_bytewax, write_files
from tests.engine.test_savepoints import NAME, config, half, job, options, reference  # noqa: F401 - fixtures

ID = xxh3_64_intdigest(b"hot")
HASHES = [ID.to_bytes(8, "little"), mix(np.array([ID], np.uint64)).tobytes()]
"""Of the id, and as samples have it."""


def holding(place: Path, text: bytes) -> list[str]:
    """Files that have these bytes."""
    return [
        str(file.relative_to(place)) for file in sorted(place.rglob("*")) if file.is_file() and text in content(file)
    ]


def content(file: Path) -> bytes:
    """What is in a file, and in the frames in it that are squeezed."""
    bytes_ = file.read_bytes()
    parts = [bytes_]
    for at in re.finditer(b"DRFZ", bytes_):
        with contextlib.suppress(zlib.error):
            parts.append(zlib.decompressobj().decompress(bytes_[at.end() :]))
    return b"".join(parts)


def chunks_of_models(state: Path) -> list[bytes]:
    return [content(file) for file in sorted(state.glob("chunks/population*/*"))]


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    """The state directory of a run that was stopped when models and calibration had begun to answer."""
    state = tmp_path / "state"
    run_until(13, job(), write_files(NAME, 2, tmp_path), tmp_path / "out", options(state))
    (state / CONFIG_NOTE).write_text(config().to_toml())
    return state


def test_nothing_is_left_in_the_files(learned: Path) -> None:
    """The name is gone from all files, and so is the hash of the id."""
    with opened(learned, config()) as look:
        before = look.describe()
        assert look.look_up("hot") is not None
    assert all(holding(learned, text) for text in (b"hot", *HASHES))
    assert sum(chunk.count(HASHES[1]) for chunk in chunks_of_models(learned)) > 1  # calibration has it too
    found = forget_in_state(learned, "hot", config())
    assert found["users"] == 1
    assert found["subject.rows"] > 0
    assert [holding(learned, text) for text in (b"hot", *HASHES)] == [[], [], []]
    with opened(learned, config()) as look:
        after = look.describe()
        assert look.look_up("hot") is None
    assert after["users"] == before["users"] - 1
    waiting = [sum(group["rows_waiting"] for group in told["groups"].values()) for told in (before, after)]
    assert waiting[0] - waiting[1] == found["subject.rows"]
    assert forget_in_state(learned, "hot", config())["users"] == 0


def test_the_run_goes_on(half: Path, tmp_path: Path, reference: Told) -> None:  # noqa: F811
    """Every line is accounted for, the subject begins anew, and the others' windows are as they were."""
    files = write_files(NAME, 2, tmp_path)
    forget_in_state(half, "hot", config())
    records, totals = run_bytewax(job(), files, tmp_path / "out", options(half))
    _, whole_totals = reference
    assert totals["balanced"]
    assert totals["read"] == whole_totals["read"]
    assert totals["accepted"] == whole_totals["accepted"]

    def windows(told: Told) -> set[tuple[str, str, str]]:
        return {(r["subject"], r["window"], r["end"]) for r in map(orjson.loads, told[0]["scores"])}

    others = {window for window in windows(reference) if window[0] != "hot"}
    assert {window for window in windows((records, totals)) if window[0] != "hot"} == others
    assert len(windows((records, totals)) - others) < len(windows(reference) - others)


def test_a_savepoint(half: Path, tmp_path: Path) -> None:  # noqa: F811
    """It is whole afterwards, and of the same date."""
    create(half, tmp_path / "copy")
    before = read(tmp_path / "copy")
    assert forget_in_state(tmp_path / "copy", "hot", config())["users"] == 1
    after = read(tmp_path / "copy")
    assert list(damaged(tmp_path / "copy", after)) == []
    assert (after.created, after.epoch, after.read) == (before.created, before.epoch, before.read)
    assert holding(tmp_path / "copy", b"hot") == []


def test_cut_off(half: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Before the rows are replaced nothing has changed; the next try does it."""

    def fail(*_: object) -> None:
        raise OSError("killed")

    with opened(half, config()) as look:
        before = look.describe()
    with monkeypatch.context() as patch:
        patch.setattr("flows.forget.state.replace_states", fail)
        with pytest.raises(OSError, match="killed"):
            forget_in_state(half, "hot", config())
    with opened(half, config()) as look:
        assert {k: v for k, v in look.describe().items() if k in ("users", "read", "epoch")} == {
            k: before[k] for k in ("users", "read", "epoch")
        }
    assert forget_in_state(half, "hot", config())["users"] == 1
    assert holding(half, b"hot") == []


def test_not_while_a_run_uses_it(half: Path) -> None:  # noqa: F811
    """It would write what it knows again."""
    with held_by_run(half), pytest.raises(SnapshotError, match="another run is using it; stop that one first"):
        forget_in_state(half, "hot", config())


def test_what_waits_because_it_is_dated_ahead(tmp_path: Path) -> None:
    """It goes too, and every line is still accounted for."""
    lines = [line.replace(b'"hot"', b'"card1"') for line in lines_of(NAME)[:600]]
    later = [
        b'{"tx": %d, "at": {"s": 1800000000}, "card": "%s", "amount": 1}' % p for p in ((-1, b"hot"), (-2, b"cold"))
    ]
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join([*lines[:398], *later, *lines[398:]]))
    source, state = FilesSpec((str(file),), "per_file"), tmp_path / "state"
    run_until(2, job(), source, tmp_path / "out", options(state))
    (state / CONFIG_NOTE).write_text(config().to_toml())

    def waiting() -> list[int]:
        with opened(state, config()) as look:
            return [partition["waiting"] for partition in look.describe()["partitions"].values()]

    assert waiting() == [2]
    assert holding(state, b"hot")
    found = forget_in_state(state, "hot", config())
    assert (found["ingest.rows"], waiting()) == (1, [1])
    assert holding(state, b"hot") == []
    assert holding(state, b"cold")
    _, totals = run_bytewax(job(), source, tmp_path / "out", options(state))
    assert (totals["read"], totals["balanced"]) == (602, True)
