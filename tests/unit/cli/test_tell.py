"""What analysts tell a job from a terminal: which alert they mean, where it is written, what is refused."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from flows.config import loads
from flows.job_stages import JobStages
from flows.sinks.specs import JsonlSink, SqliteSink, open_sink
from flows.sources.base import Lines
from flows.tell import tell
from flows.wire.told import read_command, read_label
from state.errors import ConfigError, SinkError
from tests.unit.alerting.test_alert import ALERT
from tests.unit.alerting.test_campaigns import campaign_record
from tests.unit.cli.conftest import Cli

_LABELS = '[sources.labels]\nkind = "files"\npaths = ["labels.jsonl"]\nreads = "labels"\nfollow = true\n'
_CONTROL = '[sources.control]\nkind = "files"\npaths = ["told/control.jsonl"]\nreads = "control"\nfollow = true\n'
_MAIN = '[sources.main]\nkind = "simulator"\n'
_SAID = ("--by", "ann", "--reason", "called back")
_ID = "0123456789abcdef"


def alert(**changes: Any) -> dict[str, Any]:
    return ALERT.to_record() | {"alert_id": _ID, "subject": "eve", **changes}


def configure(text: str = "", *alerts: dict[str, Any], store: str = "sqlite") -> None:
    """A configuration in the working directory, and what its job has raised."""
    place = {"sqlite": "driftnet.db", "jsonl": "alerts.jsonl"}[store]
    sinks = f'[sinks]\nalerts = [{{ kind = "{store}", path = "{place}" }}]\n'
    Path("job.toml").write_text(text + sinks)
    spec = SqliteSink(place) if store == "sqlite" else JsonlSink(place)
    if alerts:
        sink = open_sink(spec, "alerts")
        sink.write(list(alerts))
        sink.flush()
        sink.close()


def written(file: str = "labels.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text().splitlines()]


@pytest.mark.parametrize("store", ["sqlite", "jsonl"])
def test_an_alert_is_found_by_its_first_digits(cli: Cli, store: str) -> None:
    """A fraud is one since it was suspicious; in a simulated job the label is of the newest alert's time."""
    raised = "2026-03-02T07:10:00.000000Z"
    configure(_LABELS + _MAIN, alert(), alert(alert_id="f" * 16, subject="bob", raised=raised), store=store)
    done = cli("label", _ID[:5], "fraud", *_SAID, "-c", "job.toml")
    assert (done.code, done.err) == (0, "")
    assert "eve is fraud, as of 2026-03-02 07:10:00: written to labels.jsonl" in done.out
    (line,) = written()
    assert line == {
        "subject": "eve", "label": "fraud", "at": raised, "since": alert()["first"],
        "by": "ann", "reason": "called back", "alert_id": _ID,
    }  # fmt: skip
    _, label = read_label(json.dumps(line).encode())
    assert (label.name, label.fraud, label.by) == ("eve", 1.0, "ann")


def test_of_a_campaign_each_member_is_labelled(cli: Cli) -> None:
    """A line each, of the kind that its members are, under the campaign's id."""
    told = campaign_record("eve", "bob", alert_id=_ID)
    configure(_LABELS + _MAIN, told)
    done = cli("label", _ID[:5], "fraud", *_SAID, "--json", "-c", "job.toml")
    assert (done.code, [each["record"]["subject"] for each in json.loads(done.out)]) == (0, ["bob", "eve"])
    assert [(line["subject"], line["since"], line["alert_id"]) for line in written()] == [
        ("bob", told["first"], _ID), ("eve", told["first"], _ID),
    ]  # fmt: skip
    assert [read_label(json.dumps(line).encode())[1].name for line in written()] == ["bob", "eve"]


def test_a_subject_is_named_as_it_is(cli: Cli) -> None:
    """Also one that nobody alerted; genuine is about all of its past."""
    configure(_LABELS + _MAIN)
    done = cli("label", "u92761adabc", "genuine", *_SAID, "--at", "2026-03-02T08:00", "-c", "job.toml", "--json")
    assert json.loads(done.out)["place"] == "labels.jsonl"
    assert written() == [
        {"subject": "u92761adabc", "label": "genuine", "at": "2026-03-02T08:00:00.000000Z", "by": "ann",
         "reason": "called back"}
    ]  # fmt: skip


def test_of_an_alert_that_was_wrong_all_of_the_past_is_genuine(cli: Cli) -> None:
    """Not only since it was suspicious."""
    configure(_LABELS + _MAIN, alert())
    assert cli("label", _ID[:5], "genuine", *_SAID, "-c", "job.toml").code == 0
    (line,) = written()
    assert (line["subject"], line["label"], line["alert_id"]) == ("eve", "genuine", _ID)
    assert "since" not in line


def test_what_looks_like_both_is_asked_about(cli: Cli) -> None:
    """A subject may be called as an alert is; ids of alerts that nobody knows are no subjects to be written down."""
    configure(_LABELS + _MAIN, alert(), alert(alert_id="f" * 16, subject="0123"))
    done = cli("label", "0123", "fraud", *_SAID, "-c", "job.toml")
    assert done.code == 2
    assert "is the id of an alert and of a subject" in done.err
    assert cli("label", "0123", "fraud", *_SAID, "--subject", "-c", "job.toml").code == 0
    assert cli("label", "01234", "fraud", *_SAID, "-c", "job.toml").code == 0
    assert [line["subject"] for line in written()] == ["0123", "eve"]
    for about in ("a" * 16, "a" * 15, "4711"):
        done = cli("label", about, "fraud", *_SAID, "-c", "job.toml")
        assert done.code == 2
        assert f"no alert's id begins with '{about}'" in done.err
    assert len(written()) == 2
    assert cli("label", "4711", "fraud", *_SAID, "--subject", "-c", "job.toml").code == 0
    assert written()[-1]["subject"] == "4711"


def test_a_live_job_is_told_of_now(cli: Cli) -> None:
    """And whoever has alerts of another day is warned, since the label waits until the job's time gets there."""
    configure(_LABELS + '[sources.main]\nkind = "stdin"\n', alert(raised="2020-03-02T07:10:00.000000Z"))
    done = cli("label", "eve", "genuine", *_SAID, "-c", "job.toml")
    assert "the newest alert is of 2020-03-02T07:10, and this is dated now" in done.err
    assert written()[0]["at"] > "2026"


@pytest.mark.parametrize(
    ("config", "given", "said"),
    [
        (_MAIN, (), 'none reads "labels", so the job does not hear it; add one to its configuration'),
        (_LABELS + _LABELS.replace("sources.labels", "sources.more"), (), "name one with --source"),
        (_LABELS, ("--source", "main"), 'allowed: a source that reads "labels": labels'),
        (_LABELS.replace("labels.jsonl", "l*.jsonl").replace("follow = true", ""), (), "allowed: one file"),
        ('[sources.labels]\nkind = "stdin"\nreads = "labels"\n', (), 'send it this line: {"subject":"eve"'),
        (_LABELS, ("--until", "soon"), "allowed: a moment"),
        (_LABELS, ("--at", "1950-01-01"), "time_out_of_range: at"),
    ],
)
def test_what_cannot_be_told_says_what_to_do(cli: Cli, config: str, given: tuple[str, ...], said: str) -> None:
    """And nothing is written."""
    configure(config + (_MAIN if "sources.main" not in config else ""))
    at = () if "--at" in given else ("--at", "2026-03-02")
    done = cli("label", "eve", "fraud", *_SAID, *at, *given, "-c", "job.toml")
    assert done.code == 2
    assert said in done.err
    assert not Path("labels.jsonl").exists()


_PAYMENTS = """
[job]
extends = "none"
[event]
subject = "n"
kind = "payment"
time = { path = "t", unit = "s" }
[event.columns]
terminal = { path = "where[0].terminal", kind = "id", required = true }
amount = { kind = "number", min = 0 }
made = { path = "where[0].made", kind = "time", unit = "iso8601" }
[labels]
columns = ["terminal", "amount", "made"]
[features]
times = { kind = "count" }
[windows]
w = { kind = "tumbling", size = "1m" }
[subjects.terminal]
key = "terminal"
features = { frauds = { kind = "count", where = { verdict = "fraud" } } }
windows = { w = { kind = "tumbling", size = "1m" } }
"""


def test_columns_of_the_event_that_it_is_about(cli: Cli) -> None:
    """Under the paths that events have them at, so that the job counts the label at the terminal."""
    configure(_PAYMENTS + _LABELS + _MAIN)
    given = ("--column", "terminal=007", "--column", "amount=57.16", "--column", "made=2026-03-01T10:00:00Z")
    done = cli("label", "p4", "fraud", *_SAID, "--at", "2026-03-02", *given, "-c", "job.toml")
    assert (done.code, done.err) == (0, "")
    (line,) = written()
    assert line["where"] == [{"terminal": "007", "made": "2026-03-01T10:00:00Z"}]
    assert line["amount"] == 57.16
    stages = JobStages(loads(Path("job.toml").read_text()).job(), ("main", "labels"), {"labels": "labels"})
    told = stages.ingest("labels", resume=None)
    out = [*told.process(Lines.of_text([json.dumps(line).encode()], 0, "labels")), *told.finish()]
    (rows,) = (item[1].verdicts for item in out if isinstance(item, tuple) and item[1].verdicts is not None)
    assert rows.subject_name.tolist() == ["007"]


@pytest.mark.parametrize(
    ("subject", "given", "said"),
    [
        ("p4", ("colour=red",), "allowed: NAME=VALUE, each once, of terminal, amount, made"),
        ("p4", ("terminal",), "allowed: NAME=VALUE"),
        ("p4", ("amount=1", "amount=2"), "seen 'amount=2', allowed: NAME=VALUE, each once"),
        ("p4", ("amount=much",), "wrong_type: amount: found"),
        ("p4", ("amount=-1",), "out_of_range: amount: found"),
        ("p4", ("made=soon",), "made: found"),
        ("p4", ("terminal=",), "missing_field: where[0].terminal: absent or empty"),
        ("terminal:t31", ("amount=1",), "seen subjects of kind terminal"),
    ],
)
def test_columns_that_the_job_would_reject(cli: Cli, subject: str, given: tuple[str, ...], said: str) -> None:
    """Say what is allowed, and nothing is written."""
    configure(_PAYMENTS + _LABELS + _MAIN)
    columns = [word for each in given for word in ("--column", each)]
    done = cli("label", subject, "fraud", *_SAID, "--at", "2026-03-02", *columns, "-c", "job.toml")
    assert (done.code, Path("labels.jsonl").exists()) == (2, False)
    assert said in done.err


def test_a_job_without_label_columns_takes_none(cli: Cli) -> None:
    """And of a campaign's members none is the one that the event was of."""
    configure(_LABELS + _MAIN)
    done = cli("label", "eve", "fraud", *_SAID, "--at", "2026-03-02", "--column", "amount=1", "-c", "job.toml")
    assert (done.code, "labels.columns names no column" in done.err) == (2, True)
    configure(_PAYMENTS + _LABELS + _MAIN, campaign_record("eve", "bob", alert_id=_ID))
    done = cli("label", _ID, "fraud", *_SAID, "--column", "amount=1", "-c", "job.toml")
    assert (done.code, "seen 2 members of a campaign" in done.err) == (2, True)


def test_neither_fraud_nor_genuine(cli: Cli) -> None:
    """Other words are refused, and nothing is written."""
    configure(_LABELS + _MAIN)
    done = cli("label", "eve", "maybe", *_SAID, "-c", "job.toml")
    assert (done.code, Path("labels.jsonl").exists()) == (2, False)
    assert "allowed: fraud, genuine" in done.err


def test_without_alerts_a_replayed_job_needs_a_time(cli: Cli) -> None:
    """Nothing else says when it is there."""
    configure(_LABELS + _MAIN)
    done = cli("label", "eve", "fraud", *_SAID, "-c", "job.toml")
    assert done.code == 2
    assert "--at" in done.err


def test_a_file_that_is_not_followed_is_written_with_a_warning(cli: Cli) -> None:
    """It counts for a run that begins anew, and for none that is under way."""
    configure(_LABELS.replace("follow = true", "") + _MAIN)
    done = cli("label", "eve", "fraud", *_SAID, "--at", "2026-03-02", "-c", "job.toml")
    assert done.code == 0
    assert "sources.labels does not follow its file" in done.err
    assert len(written()) == 1


def test_exemptions_are_commands(cli: Cli) -> None:
    """With an end and a reason, or over; the directory is made where it lacks."""
    configure(_CONTROL + _MAIN, alert())
    said = ("--by", "ann", "-c", "job.toml")
    assert cli("exempt", "eve", "--until", "2027-01-01", "--reason", "load tests", *said).code == 0
    assert cli("exempt", "eve", "--end", *said).code == 0
    for wrong in ((), ("--until", "2027-01-01", "--end"), ("--until", "2027-01-01")):
        assert cli("exempt", "eve", *wrong, *said).code == 2
    lines = Path("told/control.jsonl").read_bytes().splitlines()
    first, second = (read_command(line, "control", 0)[1] for line in lines)
    assert (first.verb, first.name, first.reason, first.by) == ("exempt", "eve", "load tests", "ann")
    assert (second.verb, second.name, first.at_us) == ("unexempt", "eve", second.at_us)


def test_a_line_that_was_cut_short_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wrote before, died in the middle of it."""
    monkeypatch.chdir(tmp_path)
    Path("labels.jsonl").write_bytes(b'{"subject": "x", "la')
    place, note = tell(loads(_LABELS), "labels", {"subject": "eve", "label": 1, "at": 5})
    assert (place, note) == ("labels.jsonl", "")
    assert Path("labels.jsonl").read_bytes().splitlines()[1:] == [b'{"subject":"eve","label":1,"at":5}']


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk had room for is taken back."""
    monkeypatch.chdir(tmp_path)
    Path("labels.jsonl").write_bytes(b'{"subject":"x"}\n')
    write = os.write
    monkeypatch.setattr("flows.tell.os.write", lambda fd, data: write(fd, data[:9]))
    with pytest.raises(SinkError, match="No space left on device"):
        tell(loads(_LABELS), "labels", {"subject": "eve", "label": 1, "at": 5})
    assert Path("labels.jsonl").read_bytes() == b'{"subject":"x"}\n'


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says so, and the label counts nowhere."""
    monkeypatch.chdir(tmp_path)
    Path("labels.jsonl").mkdir()
    config = loads(_LABELS.replace("labels.jsonl", "labels.jsonl/sub/x.jsonl"))
    Path("labels.jsonl/sub").write_text("")
    with pytest.raises(SinkError, match="cannot be written"):
        tell(config, "labels", {"subject": "eve", "label": 1, "at": 5})


class _Message:
    def topic(self) -> str:
        return "labels"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 17


class _Producer:
    """Brokers that take what is produced, refuse it, or say nothing."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.sent: list[Any] = []

    def produce(self, topic: str, value: bytes, key: bytes, on_delivery: Any) -> None:
        self.sent.append((topic, key, json.loads(value)["subject"]))
        self.tell = on_delivery

    def flush(self, timeout: float) -> None:
        if self.answer is not None:
            self.tell(*self.answer)


_TOPIC = '[sources.labels]\nkind = "kafka"\ntopics = "labels"\nreads = "labels"\n'


@pytest.mark.parametrize("answer", [(None, _Message()), ("no such topic", None), None])
def test_a_topic(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """Under the subject's key, so that labels of one keep their order; told when the brokers have it."""
    producer = _Producer(answer)
    monkeypatch.setattr("flows.kafka.connection.Connection.producer", lambda self, own: producer)
    record = {"subject": "eve", "label": 1, "at": 5}
    if answer is not None and answer[0] is None:
        assert tell(loads(_TOPIC), "labels", record) == ("labels/3, offset 17", "")
    else:
        with pytest.raises(SinkError, match=r"the brokers did not take it: no (such topic|answer); try again"):
            tell(loads(_TOPIC), "labels", record)
    assert producer.sent == [("labels", b"eve", "eve")]


def test_a_topic_that_is_not_json() -> None:
    """What encodes its values is not known here."""
    more = 'format = { kind = "protobuf", descriptor = "x", message = "M" }\n'
    with pytest.raises(ConfigError, match="seen format protobuf, topics labels, allowed: one topic of JSON"):
        tell(loads(_TOPIC + more), "labels", {"subject": "eve", "label": 1, "at": 5})
