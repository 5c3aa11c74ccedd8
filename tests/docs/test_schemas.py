"""docs/schemas says what records look like: those of real runs, and what a job takes from people."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import orjson
import pytest
from referencing import Registry, Resource

from flows.config import loads
from flows.drive.local import LocalDriver
from flows.job import Job
from flows.sinks import JsonlSink, open_sink
from flows.sources.files import FilesSpec
from flows.streams import STREAMS, Stream
from flows.wire.reject import BadLineError
from flows.wire.told import read_command, read_exempt, read_label
from tests.engine.scenarios import SCENARIOS, run_local, write_files
from tests.engine.scenarios import STREAMS as COMPARED
from tests.engine.test_campaigns import NAME, config
from tests.engine.test_told import Inputs
from tests.engine.test_told import run_local as run_told

_ASKED = (Stream.FEATURES, Stream.STANDINGS)
_FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


def validator(name: str) -> jsonschema.Draft202012Validator:
    schemas = {file.name: json.loads(file.read_text()) for file in _FOLDER.glob("*.json")}
    jsonschema.Draft202012Validator.check_schema(schemas[f"{name}.json"])
    others = Registry().with_resources((file, Resource.from_contents(schema)) for file, schema in schemas.items())
    return jsonschema.Draft202012Validator(schemas[f"{name}.json"], registry=others)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[dict[str, Any]]]:
    """What three runs with trouble of many kinds write, by stream."""
    place = tmp_path_factory.mktemp("told")
    found: dict[str, list[dict[str, Any]]] = {}
    (told, _), _ = run_told(Inputs.write(place), place / "out")
    audit = (place / "out" / "audit.jsonl").read_text()
    troubled = tmp_path_factory.mktemp("troubled")
    other, _ = run_local(SCENARIOS["troubled"].job(), write_files("troubled", 2, troubled), troubled / "out", 8192)
    for stream in COMPARED:
        found[stream.value] = [json.loads(r) for r in (*told[stream.value], *other[stream.value])]
    found["audit"] = [json.loads(line) for line in audit.splitlines()]
    asked = SCENARIOS["troubled"].config + "".join(
        f'{stream} = {{ kind = "jsonl", path = "{stream}.jsonl" }}\n' for stream in _ASKED
    )
    found |= told_of(loads(asked).job(), troubled)
    company = tmp_path_factory.mktemp("company")
    third, _ = run_local(config().job(), write_files(NAME, 2, company), company / "out", 8192)
    for stream in (Stream.ALERTS, Stream.AUDIT, Stream.CAMPAIGNS, Stream.STANDINGS):
        found[stream.value] += [json.loads(r) for r in third[stream.value]]
    return found


def told_of(job: Job, place: Path) -> dict[str, list[dict[str, Any]]]:
    """What sinks of the streams that are only made if asked for get of the files there."""
    source = FilesSpec((str(place / "events-0.jsonl"),))
    files = {stream: place / f"{stream}.jsonl" for stream in _ASKED}
    sinks = {stream: [open_sink(JsonlSink(str(file)), stream)] for stream, file in files.items()}
    LocalDriver(job, [source.open(name) for name in source.partition_names()], sinks).run()
    for (sink,) in sinks.values():
        sink.close()
    return {s.value: [json.loads(line) for line in file.read_text().splitlines()] for s, file in files.items()}


@pytest.mark.parametrize("stream", [s for s in STREAMS if s is not Stream.DRIFT])
def test_records_are_as_documented(records: Mapping[str, list[dict[str, Any]]], stream: Stream) -> None:
    """Every record of real runs fits its schema, and uses every member that is needed."""
    schema = validator(stream.records.schema)
    assert len(records.get(stream, ())) >= 5, f"no run of these tells {stream}"
    for record in records[stream]:
        schema.validate(record)


def test_drift_event_is_as_documented() -> None:
    """So does a drift event."""
    from detectors.drift.event import DriftEvent, Reaction, Watch

    for watch in Watch:
        event = DriftEvent(watch, "plays", "free", "w1h", "adwin", 60, 50, 1.0, 2.0, 3.0, Reaction.NOTIFY)
        validator("drift").validate(event.to_record())


def test_share_of_bad_lines_is_as_documented() -> None:
    """And an event of the input's lines."""
    from flows.operators.ingest.shares import ShareWatch

    watch, nothing = ShareWatch("plays/0"), np.zeros(0, np.int64)
    (event,) = watch.add(1000, {"late": np.arange(300)}, nothing, nothing, 10**15, np.zeros(0, np.uint64))
    validator("drift").validate(event)


def test_column_without_values_is_as_documented() -> None:
    """And one of a column."""
    from flows.operators.ingest.filled import FilledWatch
    from state.batch import MicroBatch
    from state.schema import Column, Kind, Schema

    watch = FilledWatch("plays/0", Schema((Column("ms", Kind.NUMBER),)), ["ms"])
    batch = MicroBatch({"event_time_us": np.full(10_000, 10**15), "ms": np.full(10_000, np.nan)})
    ((event,), _) = watch.add(batch)
    validator("drift").validate(event)


def test_late_event_of_a_key_group_is_as_documented() -> None:
    """The other form of a late record."""
    record = {"event_key": "0" * 16, "subject": "u", "event_time": "2024-01-01T00:00:00.000000Z", "lateness_s": 1.5}
    validator("late").validate(record)
    with pytest.raises(jsonschema.ValidationError):
        validator("late").validate({k: v for k, v in record.items() if k != "event_key"})


LABELS: list[tuple[dict[str, Any], bool]] = [
    ({"subject": "u1", "label": 1, "at": 1_700_000_000_000}, True),
    ({"subject": 7, "label": "genuine", "at": "2024-01-01T00:00:00Z", "since": 0, "note": "by phone"}, True),
    ({"subject": "u1", "label": True, "at": 1.5, "until": "2024-01-02"}, True),
    ({"subject": "", "label": 1, "at": 1}, False),
    ({"subject": "u1", "label": 2, "at": 1}, False),
    ({"subject": "u1", "label": 1}, False),
    ({"subject": "u1", "label": 1, "at": -1}, False),
    ({"subject": "u1", "label": "bad", "at": 1}, False),
]
COMMANDS: list[tuple[dict[str, Any], bool]] = [
    ({"command": "pause", "detector": "d", "at": 1}, True),
    ({"command": "tune", "detector": "d", "at": 1, "settings": {"weight": 2}, "by": "ann", "reason": "x"}, True),
    ({"command": "tune", "detector": "d", "at": 1}, False),
    ({"command": "pause", "detector": "d", "at": 1, "settings": {"weight": 2}}, False),
    ({"command": "stop", "detector": "d", "at": 1}, False),
    ({"command": "resume", "at": 1}, False),
    ({"command": "tune", "detector": "d", "at": 1, "settings": {"weight": None}}, False),
    ({"command": "exempt", "subject": "u", "at": 1, "until": 2, "reason": "staff", "by": "ann"}, True),
    ({"command": "exempt", "subject": "u", "at": 1, "until": 2}, False),
    ({"command": "exempt", "subject": "u", "at": 1, "reason": "staff"}, False),
    ({"command": "exempt", "subject": "u", "at": 1, "until": 2, "reason": "staff", "detector": "d"}, False),
    ({"command": "unexempt", "subject": 7, "at": 1}, True),
    ({"command": "unexempt", "at": 1}, False),
    ({"command": "unexempt", "subject": 7, "at": 1, "until": 2}, False),
    ({"command": "pause", "detector": "d", "subject": "u", "at": 1}, False),
]
EXEMPTIONS: list[tuple[dict[str, Any], bool]] = [
    ({"subject": "u", "until": "2024-01-01", "reason": "staff"}, True),
    ({"subject": 7, "until": 5, "since": 4, "reason": "staff", "by": "ann"}, True),
    ({"subject": "u", "until": "2024-01-01"}, False),
    ({"subject": "u", "reason": "staff"}, False),
    ({"subject": "u", "until": 5, "reason": "staff", "note": "x"}, False),
]


_READ = {"label": read_label, "command": lambda text: read_command(text, "control/0", 0), "exempt": read_exempt}


@pytest.mark.parametrize(
    ("name", "line", "fits"),
    [
        (name, *case)
        for name, cases in (("label", LABELS), ("command", COMMANDS), ("exempt", EXEMPTIONS))
        for case in cases
    ],
)
def test_what_is_taken_is_what_is_documented(name: str, line: dict[str, Any], fits: bool) -> None:
    """A line that the schema allows is taken, another one is refused."""
    assert validator(name).is_valid(line) is fits
    text = orjson.dumps(line)
    try:
        _READ[name](text)
    except BadLineError:
        assert not fits
    else:
        assert fits
