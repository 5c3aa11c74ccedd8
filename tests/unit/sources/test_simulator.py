"""A simulation as a source."""

from collections.abc import Iterator

from flows.sources.base import Partition
from flows.sources.simulator import SimulatorPartition, SimulatorSpec


class Metronome:
    """Two partitions of ten lines, one event a second, in uneven pieces; the fourth line is damaged."""

    def partitions(self) -> list[str]:
        return ["even", "odd"]

    def lines(self, partition: str) -> Iterator[list[bytes]]:
        lines = [b'{"event_time": %d, "of": "%s"}' % (1000 * second, partition.encode()) for second in range(10)]
        lines[3] = b"?"
        yield from ([], lines[:4], [], lines[4:5], lines[5:])


def read_all(partition: Partition, max_lines: int) -> list[bytes]:
    lines: list[bytes] = []
    while (read := partition.read(max_lines)) is not None:
        assert list(read.offsets) == list(range(len(lines), len(lines) + len(read.lines)))
        lines += read.lines
    return lines


def test_every_partition_is_read_to_its_end() -> None:
    """All lines, in order, whatever the batch size."""
    spec = SimulatorSpec(Metronome())
    assert spec.partition_names() == ["simulator-0", "simulator-1"]
    for max_lines in (1, 3, 100):
        lines = read_all(spec.open("simulator-1"), max_lines)
        assert len(lines) == 10
        assert lines[9] == b'{"event_time": 9000, "of": "odd"}'


def test_on_a_timetable_lines_come_when_their_time_has_come() -> None:
    """At speed 2, two seconds of events a second; a damaged line comes along with its neighbours."""
    now = 100.0
    partition = SimulatorPartition("p", lambda: Metronome().lines("even"), speed=2.0, clock=lambda: now)
    got = []
    for elapsed in (0.0, 0.4, 0.5, 2.0, 4.0, 4.0, 9.0):
        now = 100.0 + elapsed
        read = partition.read(100)
        assert read is not None
        got.append(list(read.offsets))
    assert got == [[0], [], [1], [2, 3], [4], [5, 6, 7, 8], [9]]
    assert partition.read(100) is None


def test_a_reader_can_go_on_from_any_position() -> None:
    """The simulation is run again up to there."""
    whole = read_all(SimulatorSpec(Metronome()).open("simulator-0"), 3)
    for stop in range(11):
        partition = SimulatorSpec(Metronome()).open("simulator-0")
        partition.seek(stop)
        assert partition.position() == stop
        rest = []
        while (read := partition.read(3)) is not None:
            rest += read.lines
        assert rest == whole[stop:]
