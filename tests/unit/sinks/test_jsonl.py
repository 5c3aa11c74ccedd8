"""JSON Lines files: whole records, once each, whatever happened before."""

import errno
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from flows.sinks import JsonlSink, open_sink
from flows.sinks.base import Patience
from flows.sinks.jsonl import JsonlWriter
from state.errors import SinkError

IMPATIENT = Patience(tries=3, pause_s=0.0, buffer_max=5)


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def records(start: int, stop: int) -> list[dict[str, Any]]:
    return [{"n": n, "text": "é\n"} for n in range(start, stop)]


def test_records_become_lines_in_new_folders(tmp_path: Path) -> None:
    """Folders are made, each record is one line, and flush returns the bytes that are on the disk."""
    path = tmp_path / "a" / "b" / "alerts.jsonl"
    sink = open_sink(JsonlSink(str(path)), "alerts")
    sink.write(records(0, 2))
    sink.write([])
    sink.write(records(2, 3))
    assert sink.flush()["bytes"] == path.stat().st_size
    sink.close()
    sink.close()
    assert lines(path) == records(0, 3)


def test_a_fresh_run_appends_unless_told_to_overwrite(tmp_path: Path) -> None:
    """Yesterday's alerts stay; overwrite starts with an empty file."""
    path = tmp_path / "alerts.jsonl"
    for overwrite, expected in ((False, [0]), (False, [0, 1]), (True, [2])):
        sink = open_sink(JsonlSink(str(path), overwrite), "alerts")
        sink.write(records(expected[-1], expected[-1] + 1))
        sink.close()
        assert [r["n"] for r in lines(path)] == expected


def test_a_resumed_run_continues_at_its_position(tmp_path: Path) -> None:
    """What was written after the position is cut off and written again: each record stands there once."""
    path = tmp_path / "alerts.jsonl"
    sink = open_sink(JsonlSink(str(path), overwrite=True), "alerts")
    sink.write(records(0, 3))
    position = sink.flush()
    sink.write(records(3, 6))
    sink.close()
    sink = open_sink(JsonlSink(str(path), overwrite=True), "alerts", resume_position=position)
    assert lines(path) == records(0, 3)
    sink.write(records(3, 7))
    sink.close()
    assert lines(path) == records(0, 7)


@pytest.mark.parametrize("position", [{"bytes": -1}, {}, "7", {"bytes": "7"}])
def test_a_position_that_no_run_wrote_is_refused(tmp_path: Path, position: Any) -> None:
    """Nothing is cut."""
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(b'{"n":0}\n')
    with pytest.raises(SinkError, match="which no run wrote"):
        open_sink(JsonlSink(str(path)), "alerts", resume_position=position)
    assert path.read_bytes() == b'{"n":0}\n'


@pytest.mark.parametrize("before", [b"", b'{"n":0}\n', b'{"n":0}\n' * 20_000])
def test_a_line_torn_by_a_crash_is_removed_and_reported(
    tmp_path: Path, before: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A last line without an end is no record; it is removed, and the log says so."""
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(before + b'{"n":1,"te')
    with caplog.at_level(logging.WARNING):
        sink = open_sink(JsonlSink(str(path)), "alerts")
    sink.write(records(1, 2))
    sink.close()
    assert path.read_bytes().startswith(before + b'{"n":1,"text"')
    assert "cut short, 10 bytes" in caplog.text


@pytest.mark.parametrize("content", [b"[job]\nname = 'x'", b"x" * 200_000, b"{" + b"x" * 200_000])
def test_a_file_that_is_no_json_lines_is_left_alone(tmp_path: Path, content: bytes) -> None:
    """A wrong path must not cost somebody's file its last line."""
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(SinkError, match="left as it is"):
        open_sink(JsonlSink(str(path)), "alerts")
    assert path.read_bytes() == content


def test_two_writers_of_one_file_are_refused(tmp_path: Path) -> None:
    """A second sink on the same path would break the position of the first."""
    path = str(tmp_path / "alerts.jsonl")
    sink = open_sink(JsonlSink(path), "alerts")
    with pytest.raises(SinkError, match="another sink or process"):
        open_sink(JsonlSink(path), "drift")
    sink.close()
    open_sink(JsonlSink(path), "drift").close()


def test_places_that_cannot_be_written_say_so(tmp_path: Path) -> None:
    """A folder, a path below a file, a device: SinkError names the path."""
    (tmp_path / "file").touch()
    for bad in (tmp_path, tmp_path / "file" / "below", Path("/dev/null")):
        with pytest.raises(SinkError, match=str(bad)):
            open_sink(JsonlSink(str(bad)), "alerts")


class Disk:
    """`os.pwrite` on a disk that is full for some calls, after writing a few bytes."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.real = os.pwrite

    def pwrite(self, fd: int, data: memoryview, offset: int) -> int:
        if self.failures:
            self.failures -= 1
            self.real(fd, bytes(data[:5]), offset)
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.real(fd, data[:7], offset)  # short writes are normal


def test_a_disk_that_is_full_for_a_moment_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-written bytes are overwritten by the next attempt; flush brings everything home."""
    path = tmp_path / "alerts.jsonl"
    sink = JsonlWriter(str(path), patience=IMPATIENT)
    monkeypatch.setattr(os, "pwrite", Disk(2).pwrite)
    sink.write(records(0, 2))
    assert sink.waiting == 2
    sink.flush()
    sink.close()
    assert lines(path) == records(0, 2)


def test_a_disk_that_stays_full_is_an_error_that_can_be_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SinkError says what, where and what to do; the buffer is kept, and a later flush succeeds."""
    path = tmp_path / "alerts.jsonl"
    sink = JsonlWriter(str(path), patience=IMPATIENT)
    disk = Disk(10**6)
    monkeypatch.setattr(os, "pwrite", disk.pwrite)
    sink.write(records(0, 4))
    with pytest.raises(SinkError, match=r"alerts.jsonl: .* No space left .* 4 records wait .* free space"):
        sink.flush()
    with pytest.raises(SinkError):
        sink.write(records(4, 6))
    assert sink.waiting == 4
    disk.failures = 0
    sink.write(records(4, 6))
    sink.close()
    assert lines(path) == records(0, 6)
