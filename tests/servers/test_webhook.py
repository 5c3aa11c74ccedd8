"""WebhookWriter against an HTTP server."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from flows.contract.records import record_of
from flows.forget.records import About
from flows.sinks import WebhookSink, open_sink
from flows.sinks.base import Patience
from flows.sinks.webhook import WebhookWriter
from flows.streams import STREAMS, Stream
from state.errors import ConfigError, SinkError
from tests.servers.running import Receiver, Request
from tests.unit.alerting.test_campaigns import campaign_record

SHORT = Patience(tries=3, pause_s=0.0)
ALERTS = [record_of(Stream.ALERTS, n) for n in range(4)]


def sink(receiver: Receiver, folder: Path, stream: str = "alerts", **settings: Any) -> Any:
    spec = WebhookSink(receiver.url, str(folder / "dead" / "letters.jsonl"), outage_s=0.0, **settings)
    return open_sink(spec, stream, patience=SHORT)


def dead(folder: Path) -> list[Any]:
    file = folder / "dead" / "letters.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.parametrize("stream", STREAMS)
def test_a_record_of_each_stream_arrives(receiver: Receiver, tmp_path: Path, stream: Stream) -> None:
    """As it is, in its order, each in a request of its own with its id."""
    records = [record_of(stream, n) for n in range(3)]
    writer = sink(receiver, tmp_path, stream)
    writer.write(records)
    assert writer.flush() == {"sent": 3}
    writer.close()
    assert [r.json() for r in receiver.requests] == records
    assert len(set(receiver.ids)) == 3
    if stream.records.id and not stream.records.latest and stream is not Stream.CAMPAIGNS:
        assert receiver.ids == [r[stream.records.id] for r in records]
    assert dead(tmp_path) == []


@pytest.mark.parametrize("secret", ["plain text", "whsec_" + base64.b64encode(b"plain text").decode()])
def test_a_request_is_signed(receiver: Receiver, tmp_path: Path, secret: str) -> None:
    """As Standard Webhooks says: id, time and body, by HMAC-SHA256."""
    writer = sink(receiver, tmp_path, secret=secret, headers=(("Authorization", "Bearer x"),))
    writer.write(ALERTS[:1])
    writer.close()
    (request,) = receiver.requests
    told = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(b"plain text", told, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert request.headers["authorization"] == "Bearer x"


def test_slack_takes_it_for_a_text(receiver: Receiver, tmp_path: Path) -> None:
    """An account that is called so that all would be called, calls nobody."""
    writer = sink(receiver, tmp_path, template="slack")
    writer.write([ALERTS[0] | {"subject": '<!channel> & "me"', "severity": "critical"}])
    writer.close()
    body = receiver.requests[0].json()
    assert '&lt;!channel&gt; &amp; "me"' in body["text"]
    assert body["blocks"][0]["text"]["text"].startswith("*critical*\n")
    assert "<!channel>" not in receiver.requests[0].body.decode()


@pytest.mark.parametrize("stream", STREAMS)
def test_pagerduty_folds_what_comes_again(receiver: Receiver, tmp_path: Path, stream: Stream) -> None:
    """Its key is the record's id, of campaigns theirs; all that its API asks for is there, of each stream."""
    writer = sink(receiver, tmp_path, stream, template="pagerduty", values=(("routing_key", "k" * 32),))
    record = record_of(stream)
    writer.write([record | ({"severity": "high"} if "severity" in record else {})])
    writer.close()
    body = receiver.requests[0].json()
    assert (body["routing_key"], body["event_action"]) == ("k" * 32, "trigger")
    assert body["dedup_key"] == record.get("campaign_id", receiver.ids[0])
    payload = body["payload"]
    assert payload["severity"] == ("error" if "severity" in record else "info")
    assert payload["summary"]
    assert payload["source"]
    assert payload.get("timestamp") == (record[stream.records.time] if stream.records.time else None)


def test_pagerduty_hears_what_becomes_of_a_campaign(receiver: Receiver, tmp_path: Path) -> None:
    """Each time under one key, as a message of its own; when it is over the incident is resolved."""
    first = campaign_record("u1", "u2")
    again = [first | {"campaign": first["campaign"] | {"change": change}} for change in ("grew", "ended")]
    writer = sink(receiver, tmp_path, template="pagerduty", values=(("routing_key", "k" * 32),))
    writer.write([first, *again])
    writer.close()
    bodies = [r.json() for r in receiver.requests]
    assert [(b["event_action"], b["dedup_key"]) for b in bodies] == [
        ("trigger", first["alert_id"]), ("trigger", first["alert_id"]), ("resolve", first["alert_id"]),
    ]  # fmt: skip
    assert len(set(receiver.ids)) == 3


def test_own_template(receiver: Receiver, tmp_path: Path) -> None:
    """What it renders to nothing is not sent, which makes it a filter; what it has no value for is a mistake."""
    file = tmp_path / "own.j2"
    file.write_text(
        '{% if record.severity != "low" %}{"who": {{ record.subject | tojson }}, "x": "{{ record.no }}"}{% endif %}'
    )
    writer = sink(receiver, tmp_path, template=str(file))
    writer.write([ALERTS[0], ALERTS[1] | {"severity": "low"}])
    writer.close()
    assert [r.json() for r in receiver.requests] == [{"who": "subject-0", "x": ""}]
    file.write_text("{{ vales.key }}")
    writer = sink(receiver, tmp_path, template=str(file))
    writer.write(ALERTS[:1])
    file.write_text('{"a": {{ record.subject }} }')
    writer = sink(receiver, tmp_path, template=str(file))
    writer.write(ALERTS[:1])
    file.write_text("{{ ''.__class__.__mro__ }}")
    writer = sink(receiver, tmp_path, template=str(file), headers=(("content-type", "text/plain"),))
    writer.write(ALERTS[:1])
    reasons = [d["undelivered"]["why"] for d in dead(tmp_path)]
    assert [r.partition(":")[0] for r in reasons] == [
        "the template fails",
        "the template makes no JSON",
        "the template fails",
    ]
    assert "'vales' is undefined" in reasons[0]
    assert "unsafe" in reasons[2]
    file.write_text("{{ record")
    with pytest.raises(ConfigError, match=r"own\.j2, line 1: "):
        sink(receiver, tmp_path, template=str(file))
    with pytest.raises(ConfigError, match="allowed: record, slack, pagerduty, or a file to read"):
        sink(receiver, tmp_path, template="slak")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_may_pass_is_tried_again(receiver: Receiver, tmp_path: Path, status: int) -> None:
    """The order stays, and nothing is lost; other answers than the last do not count."""
    answers = [status, 200, status, 200]
    receiver.answer = lambda request: (answers.pop(0) if answers else 200, {})
    writer = sink(receiver, tmp_path)
    writer.write(ALERTS[:2])
    assert writer.waiting == 2
    writer.write(ALERTS[2:])
    writer.close()
    assert [r.json() for r in receiver.requests] == ALERTS
    assert dead(tmp_path) == []


@pytest.mark.parametrize("status", [301, 307, 400, 404, 410])
def test_what_is_refused_is_a_dead_letter(receiver: Receiver, tmp_path: Path, status: int) -> None:
    """Only that one: those behind it arrive; a redirect is not followed, as it may lead anywhere."""

    def answer(request: Request) -> tuple[int, dict[str, str]]:
        return (status, {"location": receiver.url}) if request.json() == ALERTS[1] else (200, {})

    receiver.answer = answer
    writer = sink(receiver, tmp_path)
    writer.write(ALERTS)
    assert writer.flush() == {"sent": 3}
    assert [r.json() for r in receiver.requests] == [ALERTS[0], *ALERTS[2:]]
    (letter,) = dead(tmp_path)
    told = letter.pop("undelivered")
    assert letter == ALERTS[1]
    assert About(letter["subject"], ("subject",))(letter | {"undelivered": told})  # `driftnet forget` knows whose it is
    assert (told["id"], told["why"]) == (ALERTS[1]["alert_id"], f"it answers {status}: ok")


def test_a_pause_that_is_asked_for_is_kept(receiver: Receiver, tmp_path: Path) -> None:
    """Retry-After: nothing is sent before."""
    now, tries = [0.0], [0]

    def answer(request: Request) -> tuple[int, dict[str, str]]:
        tries[0] += 1
        return (429, {"retry-after": "30"}) if tries[0] == 1 else (200, {})

    receiver.answer = answer
    writer = WebhookWriter(
        receiver.url,
        Stream.ALERTS,
        str(tmp_path / "dead"),
        patience=Patience(tries=99, pause_s=1.0),
        sleep=lambda s: now.__setitem__(0, now[0] + s),
        clock=lambda: now[0],
    )
    writer.write(ALERTS[:1])
    writer.flush()
    assert tries[0] == 2
    assert 30.0 <= now[0] < 36.0


def test_who_is_away_for_too_long_holds_nobody_up(receiver: Receiver, tmp_path: Path) -> None:
    """All that waits is a dead letter; after that there is one try each, until somebody is there again."""
    receiver.stop()
    tries = []
    writer = sink(receiver, tmp_path)
    post = writer._post
    writer._post = lambda *args: (tries.append(1), post(*args))[1]
    writer.write(ALERTS[:2])
    writer.flush()
    assert [d["alert_id"] for d in dead(tmp_path)] == [a["alert_id"] for a in ALERTS[:2]]
    assert len(tries) == 1 + 3
    writer.flush()
    writer._buffer = writer._encode(ALERTS[2:3])
    writer.flush()
    assert len(tries) == 4 + 1
    receiver.start()
    writer.write(ALERTS[3:])
    writer.close()
    assert [r.json() for r in receiver.requests] == ALERTS[3:]
    assert [d["alert_id"] for d in dead(tmp_path)] == [a["alert_id"] for a in ALERTS[:3]]
    assert writer._patience.tries == 3


def test_dead_letters_that_cannot_be_written_stop_the_run(receiver: Receiver, tmp_path: Path) -> None:
    """Nothing is thrown away."""
    (tmp_path / "dead").write_text("a file where a folder must be")
    receiver.answer = lambda request: (400, {})
    writer = sink(receiver, tmp_path)
    with pytest.raises(SinkError, match="dead letters cannot be written"):
        writer.write(ALERTS[:1])
    assert writer.waiting == 1


def test_addresses_and_secrets_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused, and a secret is not in what is said."""
    monkeypatch.setenv("HOOK", "ftp://host/T012/secretpath")
    with pytest.raises(ConfigError, match="allowed: http:// or https:// and a host") as told:
        open_sink(WebhookSink("${HOOK}", str(tmp_path / "dead")), "alerts")
    assert "secretpath" not in str(told.value)
    with pytest.raises(ConfigError, match="whsec_"):
        open_sink(WebhookSink("http://h/x", str(tmp_path / "dead"), secret="whsec_?!"), "alerts")
