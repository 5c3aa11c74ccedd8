"""Records of campaigns and of their alerts: the last of an id stands, and a member can be forgotten."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from flows.forget.records import About, forget_in_lines, forget_in_parquet, forget_in_store
from flows.sinks import ParquetSink, open_sink
from flows.sinks.identity import told_id
from flows.sinks.sqlite import SqliteWriter
from flows.sinks.store import AlertStore
from flows.streams import Stream
from flows.streams.lines import alert_line, campaign_line
from tests.unit.alerting.test_campaigns import ONE, campaign_record

NAME = "u1"


def record(
    *members: str, change: str = "found", at: str = "2026-03-02T02:00:00.000000Z", **more: Any
) -> dict[str, Any]:
    told = [{"subject": m, "joined": at, "confirmed": at, "partners": len(members) - 1} for m in members]
    plain = {
        "campaign_id": "00112233445566aa", "change": change, "at": at, "since": "2026-03-02T02:00:00.000000Z",
        "size": len(members), "members": told, "joined": list(members), "left": [], "absorbed": [], "into": "",
        "tail_probability": 1e-30, "closure": 0.5, "coincidences": 40, "at_stake": 31, "shared": 9, "objects": [],
        "kind": "user", "job": "j", "config_digest": "99aabbccddeeff00",
    }  # fmt: skip
    return plain | more


def rows(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT id, change, size, record FROM campaigns ORDER BY id").fetchall()


def about(name: str = NAME) -> About:
    return About(name, ("user_id",))


def test_the_store_keeps_the_last(tmp_path: Path) -> None:
    """Of one id and configuration; another configuration's is a row of its own."""
    path = tmp_path / "driftnet.db"
    sink = SqliteWriter(str(path), Stream.CAMPAIGNS, "run")
    sink.write([record("u1", "u2", "u3"), record("u1", "u2", "u3", "u4", change="grew")])
    sink.write([record("u2", "u3", change="shrank"), record("u5", config_digest="1" * 16)])
    sink.flush()
    sink.close()
    found = rows(path)
    assert [row[:3] for row in found] == [
        ("00112233445566aa", "shrank", 2),
        (f"00112233445566aa.{'1' * 16}", "found", 1),
    ]


def test_a_member_is_forgotten_in_a_store(tmp_path: Path) -> None:
    """The others stay, and the columns say what the record does."""
    path = tmp_path / "driftnet.db"
    sink = SqliteWriter(str(path), Stream.CAMPAIGNS, "run")
    sink.write([record("u1", "u2", "u3"), record("u4", "u5", campaign_id="b" * 16)])
    sink.flush()
    sink.close()
    assert forget_in_store(path, about(), {"audit_id": "c" * 16})["campaigns"] == 1
    one, other = rows(path)
    assert one[2] == 2
    assert [m["subject"] for m in json.loads(one[3])["members"]] == ["u2", "u3"]
    assert json.loads(one[3])["joined"] == ["u2", "u3"]
    assert other[2] == 2
    assert b'"u1"' not in path.read_bytes()


def test_a_member_is_forgotten_in_lines(tmp_path: Path) -> None:
    """Each line keeps its place and its length; who has left is forgotten, too."""
    path = tmp_path / "campaigns.jsonl"
    lines = [record("u1", "u2"), record("u3", "u4"), record("u2", change="shrank", left=["u1"], joined=[])]
    path.write_bytes(b"".join(orjson.dumps(r) + b"\n" for r in lines))
    lengths = [len(line) for line in path.read_bytes().splitlines()]
    assert forget_in_lines(path, about()) == 2
    kept = path.read_bytes().splitlines()
    assert [len(line) for line in kept] == lengths
    assert NAME.encode() not in path.read_bytes()
    assert [[m["subject"] for m in json.loads(line)["members"]] for line in kept] == [["u2"], ["u3", "u4"], ["u2"]]
    assert json.loads(kept[1]) == lines[1]


def test_a_record_goes_from_columns(tmp_path: Path) -> None:
    """Of Parquet files the whole record."""
    sink = open_sink(ParquetSink(str(tmp_path / "campaigns")), "campaigns")
    sink.write([record("u1", "u2"), record("u3", "u4", campaign_id="b" * 16)])
    sink.flush()
    sink.close()
    assert forget_in_parquet(tmp_path / "campaigns", about()) == 1
    assert forget_in_parquet(tmp_path / "campaigns", about()) == 0
    assert forget_in_parquet(tmp_path / "campaigns", about("u4")) == 1


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (record("u1", "u2"), "2026-03-02 02:00  campaign 00112233445566aa  found  2 members (+2 -0)"),
        (
            record("u1", change="merged", into="b" * 16, joined=[]),
            f"2026-03-02 02:00  campaign 00112233445566aa  merged into {'b' * 16}  1 members",
        ),
    ],
)
def test_the_record_for_people(told: dict[str, Any], line: str) -> None:
    """What has become of which campaign."""
    assert campaign_line(told) == line


def told_again(first: dict[str, Any], *left: str) -> dict[str, Any]:
    """The same alert without these members."""
    c = first["campaign"]
    members = [m for m in c["members"] if m["subject"] not in left]
    changes = {"change": "shrank", "members": members, "size": len(members), "left": list(left), "joined": []}
    return first | {"raised": "2026-01-02T00:00:00.000000Z", "campaign": c | changes}


def test_of_an_alert_that_is_told_again_the_store_has_the_last(tmp_path: Path) -> None:
    """It is one alert, and the last says how it stands; in a log both are records of their own."""
    path = tmp_path / "driftnet.db"
    first = campaign_record("u1", "u2", "u3")
    again = told_again(first, "u3")
    sink = SqliteWriter(str(path), Stream.ALERTS, "run")
    sink.write([first, again])
    sink.flush()
    sink.close()
    (found,) = AlertStore(path).list_alerts()
    assert found == again | {"run_id": "run"}
    assert len({told_id(Stream.ALERTS, r, orjson.dumps(r)) for r in (first, again)}) == 2
    assert len({told_id(Stream.CAMPAIGNS, r, orjson.dumps(r)) for r in (record("u1"), record("u2"))}) == 2


def test_a_member_is_forgotten_in_alerts(tmp_path: Path) -> None:
    """In stores and lines the others stay in the campaign; of Parquet files the record goes."""
    first, other = campaign_record("u1", "u2", "u3"), campaign_record("u4", "u5", alert_id="b" * 16)
    store, lines, columns = tmp_path / "driftnet.db", tmp_path / "alerts.jsonl", tmp_path / "alerts"
    sink = SqliteWriter(str(store), Stream.ALERTS, "run")
    parquet = open_sink(ParquetSink(str(columns)), "alerts")
    for each in (sink, parquet):
        each.write([first, other])
        each.flush()
        each.close()
    lines.write_bytes(orjson.dumps(told_again(first, "u1")) + b"\n" + orjson.dumps(other) + b"\n")
    assert forget_in_store(store, about(), {"audit_id": "c" * 16})["alerts"] == 1
    found = AlertStore(store).get(ONE)
    assert found is not None
    assert [m["subject"] for m in found["campaign"]["members"]] == ["u2", "u3"]
    assert found["campaign"]["size"] == 2
    assert forget_in_lines(lines, about()) == 1
    assert NAME.encode() not in lines.read_bytes()
    assert forget_in_parquet(columns, about()) == 1
    assert forget_in_parquet(columns, about("u5")) == 1


def test_a_campaigns_alert_for_people() -> None:
    """What became of it, and what it is about."""
    first = campaign_record("u1", "u2", "u3")
    said = "p 2.0e-12  3 members, 0 of them suspicious alone; 9 coincidences on 7 objects"
    assert alert_line(first) == f"2026-01-01 00:00  critical  campaign:{ONE}  found  {said}"
    again = told_again(first, "u3") | {"rules": ["never_sleeps"]}
    assert alert_line(again).endswith(
        "2 members, 0 of them suspicious alone; 9 coincidences on 7 objects, never_sleeps"
    )
    assert "shrank (+0 -1)" in alert_line(again)
