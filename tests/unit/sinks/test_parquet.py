"""Parquet files by day: typed columns, each record once, nothing half-written under a finished name."""

import logging
import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from flows.sinks import ParquetSink, open_sink, parts
from flows.sinks.base import Patience, Sink
from flows.streams import STREAMS, Stream
from state.errors import SinkError

NAMES = {"features": ("plays", "gap"), "detectors": ("population",)}
IMPATIENT = Patience(tries=2, pause_s=0.0)


def row(n: int, at: str = "2026-03-02T10:00:00.000000Z") -> dict[str, Any]:
    return {
        "subject": f"u{n}", "window": "w1h", "start": at, "stop": at, "end": at, "cohort": "all",
        "tail_probability": None, "scores": {"population": float(n)}, "tails": {"population": None},
        "values": {"plays": float(n), "gap": None},
    }  # fmt: skip


def opened(
    folder: Path, position: Any = None, names: Any = NAMES, rows_max: int = 100, stream: str = "features"
) -> Sink:
    return open_sink(ParquetSink(str(folder), rows_max), stream, position, patience=IMPATIENT, names=names)


def subjects(folder: Path) -> list[str]:
    """What a reader of the folder finds, by file."""
    return [s for part in parts.finished(folder) for s in pq.read_table(part.file)["subject"].to_pylist()]


def test_columns_have_the_types_of_the_fields(tmp_path: Path) -> None:
    """A feature and a detector's score are columns of numbers, times are times, what there is not is null."""
    sink = opened(tmp_path)
    sink.write([row(1)])
    sink.close()
    sink.close()
    (file,) = (f for f in tmp_path.glob("**/*") if f.is_file())
    assert file == tmp_path / "day=2026-03-02" / "part-000001.parquet"
    moment, number, text = pa.timestamp("us", "UTC"), pa.float64(), pa.string()
    assert pq.read_schema(file) == pa.schema({
        "kind": text, "subject": text, "window": text, "start": moment, "stop": moment, "end": moment, "cohort": text,
        "tail_probability": number, "score.population": number, "tail.population": number, "plays": number,
        "gap": number,
    })  # fmt: skip
    (found,) = ds.dataset(tmp_path, partitioning="hive").to_table().to_pylist()
    assert found["day"] == "2026-03-02"
    assert found["end"] == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert (found["plays"], found["gap"], found["score.population"], found["tail.population"]) == (1.0, None, 1.0, None)


@pytest.mark.parametrize("stream", [s for s in STREAMS if "parquet" not in s.records.refuses])
def test_every_stream_with_a_time_has_columns(stream: Stream, tmp_path: Path) -> None:
    """Its schema is one that Parquet can hold, and a record that has but its time has nulls elsewhere."""
    sink = opened(tmp_path, stream=stream)
    sink.write([{stream.records.time: "2026-03-02T10:00:00.000000Z"}])
    sink.close()
    ((found,),) = [pq.read_table(part.file).to_pylist() for part in parts.finished(tmp_path)]
    assert {name for name, value in found.items() if value is not None} == {stream.records.time}


def test_objects_in_records_are_structs_and_texts(tmp_path: Path) -> None:
    """What has fields of its own keeps them; what may have any form is a text of JSON."""
    at = "2026-03-02T10:00:00.000000Z"
    sink = opened(tmp_path, stream="alerts")
    sink.write([{"raised": at, "evidence": [{"window": "w", "tail_probability": 0.5, "end": at}], "rules": ["r"]}])
    sink.close()
    (found,) = pq.read_table(parts.finished(tmp_path)[0].file).to_pylist()
    then = datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert found["evidence"] == [{"window": "w", "tail_probability": 0.5, "end": then}]
    assert found["rules"] == ["r"]
    sink = opened(tmp_path / "audit", stream="audit")
    sink.write([{"at": at, "before": {"weight": 1}, "offset": 7}])
    sink.close()
    (found,) = pq.read_table(parts.finished(tmp_path / "audit")[0].file).to_pylist()
    assert (found["before"], found["offset"]) == ('{"weight":1}', 7)


def test_rows_go_to_the_file_of_their_day(tmp_path: Path) -> None:
    """Whatever comes between; a file that has rows_max rows is followed by another one."""
    sink = opened(tmp_path, rows_max=2)
    for n, day in enumerate(["02", "03", "02", "02", "03"]):
        sink.write([row(n, f"2026-03-{day}T10:00:00.000000Z")])
    sink.close()
    found = {str(p.file.relative_to(tmp_path)): subjects_of(p.file) for p in parts.finished(tmp_path)}
    assert found == {
        "day=2026-03-02/part-000001.parquet": ["u0", "u2"],
        "day=2026-03-03/part-000002.parquet": ["u1", "u4"],
        "day=2026-03-02/part-000003.parquet": ["u3"],
    }


def subjects_of(file: Path) -> list[str]:
    return list(pq.read_table(file)["subject"].to_pylist())


def test_a_file_is_finished_when_its_day_is_over_and_a_checkpoint_says_so(tmp_path: Path) -> None:
    """One hour after the day, at the second flush: the first one's position is the proof that its rows are kept."""
    sink = opened(tmp_path)
    sink.write([row(1)])
    sink.write([row(2, "2026-03-03T00:59:59.999999Z")])
    for _ in range(3):
        sink.flush()
    assert parts.finished(tmp_path) == []
    sink.write([row(3, "2026-03-03T01:00:00.000000Z")])
    sink.flush()
    assert parts.finished(tmp_path) == []
    sink.flush()
    assert subjects(tmp_path) == ["u1"]
    sink.write([row(4)])
    sink.close()
    assert subjects(tmp_path) == ["u1", "u2", "u3", "u4"]


def test_a_resumed_run_goes_on_at_its_position(tmp_path: Path) -> None:
    """What was written after it is gone, finished or not, and comes again."""
    sink = opened(tmp_path)
    sink.write([row(1), row(2)])
    position = sink.flush()
    sink.write([row(3), row(4, "2026-03-03T10:00:00.000000Z")])
    sink.close()
    assert subjects(tmp_path) == ["u1", "u2", "u3", "u4"]
    sink = opened(tmp_path, position)
    assert subjects(tmp_path) == ["u1", "u2"]
    sink.write([row(3), row(4, "2026-03-03T10:00:00.000000Z")])
    sink.close()
    assert sorted(subjects(tmp_path)) == ["u1", "u2", "u3", "u4"]


def test_a_finished_file_stays_as_it_is(tmp_path: Path) -> None:
    """A run that was paused goes on in another file: what somebody has read is still true."""
    sink = opened(tmp_path)
    sink.write([row(1)])
    position = sink.flush()
    sink.close()
    (first,) = parts.finished(tmp_path)
    before = (first.file.stat().st_ino, first.file.read_bytes())
    sink = opened(tmp_path, position)
    sink.write([row(2)])
    sink.close()
    assert (first.file.stat().st_ino, first.file.read_bytes()) == before
    assert subjects(tmp_path) == ["u1", "u2"]


def test_another_job_begins_other_files(tmp_path: Path) -> None:
    """Rows of before keep their columns when the features are others after a restart."""
    sink = opened(tmp_path)
    sink.write([row(1)])
    position = sink.flush()
    killed(sink, tmp_path, random.Random(3))
    sink = opened(tmp_path, position, {**NAMES, "features": ("plays",)})
    sink.write([row(2)])
    sink.close()
    assert [pq.read_schema(p.file).names[-1] for p in parts.finished(tmp_path)] == ["gap", "plays"]


def test_kills_anywhere_leave_every_record_once(tmp_path: Path) -> None:
    """Runs that end without a word, between writes, checkpoints and the steps that make a file, and go on.

    A finished file that a reader saw between kills is there at the end, byte for byte.
    """
    rng = random.Random(5)
    days = [f"2026-03-{1 + n // 40:02d}T{n % 24:02d}:00:00.000000Z" for n in range(200)]
    for life in range(4):
        folder = tmp_path / str(life)
        first = opened(folder)
        saved: tuple[int, Any] = (0, first.flush())
        first.close()
        seen: dict[Path, bytes] = {}
        for _ in range(12):
            written, position = saved
            sink = opened(folder, position, rows_max=15)
            step = rng.randrange(2, 90)
            for n in range(written, min(written + step, len(days))):
                sink.write([row(n, days[n])])
                if rng.random() < 0.3:
                    saved = (n + 1, sink.flush())
                    seen |= {p.file: p.file.read_bytes() for p in parts.finished(folder)}
            killed(sink, folder, rng)
        written, position = saved
        sink = opened(folder, position, rows_max=15)
        sink.write([row(n, days[n]) for n in range(written, len(days))])
        sink.close()
        assert Counter(subjects(folder)) == Counter(f"u{n}" for n in range(len(days)))
        assert all(file.read_bytes() == content for file, content in seen.items())
        assert [f.name for f in folder.iterdir() if not f.is_dir()] == []


def killed(sink: Sink, folder: Path, rng: random.Random) -> None:
    """Lets go of files and locks as the end of a process does; perhaps in the middle of a file or of a line."""
    writer: Any = sink
    for part in writer._parts:
        os.close(part.journal._fd)
    os.close(writer._lock)
    if rng.random() < 0.5:
        (folder / ".part-000009.parquet.new").write_bytes(b"PAR1 half")
    if rng.random() < 0.5:
        for journal in parts.journals(folder).values():
            with journal.open("ab") as file:
                file.write(b'{"subject": "to')


def test_rows_of_a_run_that_does_not_go_on_are_finished(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A fresh run finishes what one that was killed had left, without a torn last line, and adds its own."""
    sink = opened(tmp_path)
    sink.write([row(1), row(2)])
    killed(sink, tmp_path, random.Random(3))
    assert subjects(tmp_path) == []
    with caplog.at_level(logging.WARNING):
        sink = opened(tmp_path)
    sink.write([row(3)])
    sink.close()
    assert subjects(tmp_path) == ["u1", "u2", "u3"]
    assert "when it was killed are finished" in caplog.text


def test_two_writers_of_one_folder_are_refused(tmp_path: Path) -> None:
    """A second sink there would delete what the first one writes."""
    sink = opened(tmp_path)
    with pytest.raises(SinkError, match=f"{tmp_path}: another sink or process"):
        opened(tmp_path)
    sink.close()
    opened(tmp_path).close()


def test_a_disk_that_is_full_costs_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be made is made later; at the end the error says what to do, and the rows stay."""
    sink = opened(tmp_path, rows_max=1)
    sink.write([row(1)])
    sink.flush()
    put = parts.put

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parts, "put", full)
    position = sink.flush()
    with pytest.raises(SinkError, match="No space left on device; free space"):
        sink.close()
    monkeypatch.setattr(parts, "put", put)
    sink = opened(tmp_path, position)
    sink.close()
    assert subjects(tmp_path) == ["u1"]


def test_a_file_that_is_being_written_is_not_there(tmp_path: Path) -> None:
    """Under its name there is nothing until all of it is on the disk; what a kill leaves is removed by the next run."""
    file = parts.file_of(tmp_path, 1, "2026-03-02")
    table = pa.table({"subject": ["u1"]})

    def tables() -> Iterator[pa.Table]:
        yield table
        assert [f.name for f in tmp_path.rglob("*.parquet")] == []
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        parts.put(file, tables(), table.schema)
    assert parts.finished(tmp_path) == []
    assert [f.name for f in tmp_path.iterdir()] == [".part-000001.parquet.new"]
    opened(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("position", [{"next": 1}, {}, "7", {"next": "x", "parts": []}, {"next": 1, "parts": [{}]}])
def test_a_position_that_no_run_wrote_is_refused(tmp_path: Path, position: Any) -> None:
    """Nothing is deleted."""
    sink = opened(tmp_path)
    sink.write([row(1)])
    sink.close()
    with pytest.raises(SinkError, match="which no run wrote"):
        opened(tmp_path, position)
    assert subjects(tmp_path) == ["u1"]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """A feature may not take the name of a field, nor of the folders of the days."""
    for name in ("cohort", "day"):
        with pytest.raises(SinkError, match=f"{name!r}.*rename"):
            opened(tmp_path, names={**NAMES, "features": (name,)})
