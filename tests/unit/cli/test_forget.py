"""`driftnet forget`, in everything that a run leaves behind."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.config.endpoints import BUILT_IN_SINKS
from flows.config.plugged import word_of
from flows.forget.records import About, forget_in_lines, forget_in_parquet
from flows.sinks import ParquetSink, open_sink, parts
from tests.small import SMALL
from tests.unit.cli.conftest import Cli

BAD = """[sources.main]
bad_line_share = 0.05"""
SINKS = """[sinks]
rejects = [{ kind = "jsonl", path = "rejects.jsonl" }, { kind = "sqlite", path = "driftnet.db" }]
scores = { kind = "sqlite", path = "driftnet.db" }
late = { kind = "jsonl", path = "late.jsonl" }
features = { kind = "parquet", path = "features" }"""
EVERYWHERE = ("state", "driftnet.db", "rejects.jsonl", "late.jsonl", "features")


def holding(text: bytes) -> list[str]:
    """Files of the current directory that have these bytes."""
    return [str(file) for file in sorted(Path().rglob("*")) if file.is_file() and text in file.read_bytes()]


def windows() -> list[str]:
    """Whose rows are in the files of columns, which are packed."""
    return [s for part in parts.finished(Path("features")) for s in pq.read_table(part.file)["subject"].to_pylist()]


@pytest.fixture
def ran(cli: Cli, tmp_path: Path) -> str:
    """A run with state, a savepoint, a store and dead letters; the subject of its first alert."""
    config = tmp_path / "job.toml"
    config.write_text(SMALL.replace("[sources.main]", BAD).replace("[sinks]", SINKS))
    assert cli("run", config, "--state-dir", "state", "--json").code == 0
    cli("savepoint", "create", "state", "first")
    return str(json.loads(cli("alerts", "list", "--json").out)[0]["subject"])


@pytest.mark.parametrize("kind", [word_of(table) for table in BUILT_IN_SINKS if "path" in table.model_fields])
def test_whatever_a_sink_writes_is_a_place(cli: Cli, tmp_path: Path, kind: str) -> None:
    """Each kind that keeps records at a path: somebody is forgotten there, and then somebody else."""
    config = tmp_path / "job.toml"
    config.write_text(SMALL + f'scores = {{ kind = "{kind}", path = "scores" }}\n')
    assert cli("run", config, "--json").code == 0
    ids = [str(alert["subject"]) for alert in json.loads(cli("alerts", "list", "--json").out)]
    for subject in dict.fromkeys(ids):
        done = cli("forget", subject, "scores", "--by", "ann", "--reason", "asked", "--json")
        assert done.code == 0, done.err
        assert sum(json.loads(done.out)["removed"]["scores"].values()) > 0


def test_a_file_whose_first_line_was_forgotten_is_still_one(cli: Cli, tmp_path: Path) -> None:
    """What a line was is blank then, however long it was."""
    file = tmp_path / "late.jsonl"
    lines = [json.dumps({"subject": who, "text": "x" * 100_000}) for who in ("ann", "ben", "cem")]
    file.write_text("".join(f"{line}\n" for line in lines))
    for who in ("ann", "ben", "cem"):
        done = cli("forget", who, file, "--by", "dan", "--reason", "asked", "--json")
        assert (done.code, json.loads(done.out)["removed"][str(file)]) == (0, {"lines": 1}), done.err
    assert file.read_text().split() == []


def test_everywhere(cli: Cli, ran: str) -> None:
    """It is in no file afterwards, the others are in all of them, and it is on record by whom and why."""
    others = json.loads(cli("alerts", "list", "--limit", "0", "--json").out)
    assert {"driftnet.db", "state/alerts-seen.jsonl"} <= set(holding(ran.encode()))
    subjects = windows()
    assert ran in subjects
    done = cli("forget", ran, *EVERYWHERE, "--by", "ann", "--reason", "request 4711", "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert holding(ran.encode()) == []
    assert windows() == [subject for subject in subjects if subject != ran]
    assert record["removed"]["features"] == {"rows": subjects.count(ran)}
    assert record["removed"]["state"]["users"] == 1
    assert record["removed"]["state/savepoints/first"]["users"] == 1
    assert record["removed"]["driftnet.db"]["alerts"] >= 1
    left = json.loads(cli("alerts", "list", "--limit", "0", "--json").out)
    assert left == [alert for alert in others if alert["subject"] != ran]
    (kept,) = map(json.loads, Path("state/forgotten.jsonl").read_text().splitlines())
    assert (kept["by"], kept["reason"], kept["audit_id"]) == ("ann", "request 4711", record["audit_id"])
    with closing(sqlite3.connect("driftnet.db")) as db:
        ((command, text),) = db.execute("SELECT command, record FROM audit")
    assert (command, json.loads(text)["subject_digest"]) == ("forget", record["subject_digest"])
    assert "is whole" in cli("savepoint", "verify", "state/savepoints/first").out
    again = cli("run", "job.toml", "--state-dir", "state", "--json")
    assert again.code == 0, again.err
    again = cli("forget", ran, *EVERYWHERE, "--by", "ann")
    assert "driftnet.db: nothing of this subject" in again.out
    assert "state: nothing of this subject" in again.out


def test_kinds_are_told_apart(tmp_path: Path) -> None:
    """A user's records go whatever a run called users; those of an artist of the same id stay, and the other way."""
    records = [{"subject": "x", "kind": kind} for kind in ("user", "listener", "artist")] + [{"subject": "x"}]
    for about, left in (
        (About("x", (), "", frozenset({"artist"})), ["artist"]),
        (About("x", (), "artist", frozenset({"artist"})), ["user", "listener", None]),
    ):
        file = tmp_path / f"{about.kind}.jsonl"
        file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
        forget_in_lines(file, about)
        kept = [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
        assert [record.get("kind") for record in kept] == left


def test_dead_letters(tmp_path: Path) -> None:
    """Lines that can be read count by the id's place; of others its text is enough; offsets stay as they were."""
    raws = [
        '{"user_id": "ann", "x": 1}',
        '{"user_id": "annabel", "x": "ann"}',
        '{"user_id": "ann", broken',
        "user=ann;x",
        "joanna;annabel",
    ]
    lines = [
        *(json.dumps({"reason": "not_json", "raw": raw}) for raw in raws),
        '{"subject": "ann"}',
        '{"subject": "x"}',
        "no",
    ]
    file = tmp_path / "rejects.jsonl"
    file.write_text("\n".join(lines) + "\n")
    size = file.stat().st_size
    assert forget_in_lines(file, About("ann", ("user_id",))) == 3
    after = file.read_text().split("\n")
    assert file.stat().st_size == size
    assert [len(line) for line in after[:-1]] == [len(line) for line in lines]
    gone = [i for i, line in enumerate(after[:-1]) if line != lines[i]]
    assert gone == [0, 2, 5]
    assert not after[0].strip()
    assert forget_in_lines(file, About("joanna", ("user_id",))) == 1


@pytest.mark.parametrize(
    ("place", "said"), [("nowhere", "seen neither a state directory nor a file"), ("x.txt", "begins")]
)
def test_other_places(cli: Cli, ran: str, place: str, said: str) -> None:
    """Nothing is changed before all places are known."""
    Path("x.txt").write_text("text")
    done = cli("forget", ran, "state", place, "--by", "ann")
    assert done.code == 2
    assert said in done.err
    assert not Path("state/forgotten.jsonl").exists()


def test_rows_that_are_no_file_yet_are_removed_too(tmp_path: Path) -> None:
    """A folder of a run that was killed: what is finished and what waits; the day of nobody else is gone."""
    sink = open_sink(ParquetSink(str(tmp_path), rows_max=1), "late")
    for day, subject in enumerate(["ann", "bob"], 1):
        sink.write([{"subject": subject, "event_time": f"2026-03-0{day}T00:00:00.000000Z", "lateness_s": 1.0}])
    sink.flush()
    sink.flush()
    sink.write([{"subject": "ann", "event_time": "2026-03-03T00:00:00.000000Z", "lateness_s": 1.0}])
    sink.flush()
    assert forget_in_parquet(tmp_path, About("ann", ())) == 2
    assert [part.day for part in parts.finished(tmp_path)] == ["2026-03-02"]
    assert b"ann" not in parts.journal_of(tmp_path, 3).read_bytes()
    assert forget_in_parquet(tmp_path, About("ann", ())) == 0
