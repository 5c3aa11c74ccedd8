"""Lines from a pipe."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.sources.stdin import WAIT_S, PipePartition, StdinSpec


@pytest.fixture
def pipe() -> Iterator[tuple[PipePartition, int]]:
    """A partition that reads a pipe, and the pipe's other end."""
    reading, writing = os.pipe()
    partition = PipePartition("in", reading)
    yield partition, writing
    partition.close()
    os.close(reading)


def test_standard_input_is_one_partition() -> None:
    """It has a name that positions can be stored under."""
    assert StdinSpec().partition_names() == ["stdin"]


def test_a_read_gives_what_is_there_without_waiting_for_more(pipe: tuple[PipePartition, int]) -> None:
    """Whole lines at once; half a line waits for its other half; None after the writer has closed."""
    partition, writing = pipe
    os.write(writing, b"a\nb\nha")
    read = partition.read(100)
    assert read is not None
    assert (list(read.lines), list(read.offsets), read.source) == ([b"a", b"b"], [0, 1], "in")
    os.write(writing, b"lf\nlast")
    os.close(writing)
    read = partition.read(100)
    assert read is not None
    assert (list(read.lines), list(read.offsets)) == ([b"half", b"last"], [2, 3])
    assert partition.read(100) is None
    assert partition.read(100) is None


def test_blank_lines_are_none(pipe: tuple[PipePartition, int]) -> None:
    """They only have numbers."""
    partition, writing = pipe
    os.write(writing, b"\na\n \r\n\nb\n")
    os.close(writing)
    read = partition.read(100)
    assert read is not None
    assert (list(read.lines), list(read.offsets)) == ([b"a", b"b"], [1, 4])
    assert partition.position() == 5
    assert partition.read(100) is None


def test_a_silent_pipe_is_not_waited_for(pipe: tuple[PipePartition, int]) -> None:
    """An empty read comes back within the promised time, also after half a line."""
    partition, writing = pipe
    for sent in (b"", b"half"):
        os.write(writing, sent)
        started = time.monotonic()
        read = partition.read(10)
        assert read is not None
        assert not read.lines
        assert time.monotonic() - started < WAIT_S + 0.2  # the promise, and room for a busy machine
    os.close(writing)


def test_no_read_gives_more_than_asked(pipe: tuple[PipePartition, int]) -> None:
    """The rest waits, in order, and without the writer having to write again."""
    partition, writing = pipe
    os.write(writing, b"".join(b"%d\n" % i for i in range(7)))
    os.close(writing)
    sizes, lines = [], []
    while (read := partition.read(3)) is not None:
        sizes.append(len(read.lines))
        lines += read.lines
    assert sizes == [3, 3, 1]
    assert lines == [b"%d" % i for i in range(7)]


def test_a_restart_goes_on_counting(pipe: tuple[PipePartition, int]) -> None:
    """A pipe cannot go back, but line numbers stay unique."""
    partition, writing = pipe
    partition.seek(41)
    os.write(writing, b"a\n")
    read = partition.read(5)
    assert read is not None
    assert list(read.offsets) == [41]
    assert partition.position() == 42
    os.close(writing)


def test_a_redirected_file_is_read_like_a_pipe(tmp_path: Path) -> None:
    """`driftnet replay - < events.jsonl` works."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"a\nb\n")
    with path.open("rb") as file:
        partition = PipePartition("in", file.fileno())
        read = partition.read(10)
        assert read is not None
        assert list(read.lines) == [b"a", b"b"]
        assert partition.read(10) is None
        partition.close()
