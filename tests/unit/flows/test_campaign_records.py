"""Records of campaigns in what keeps them: the last of an id stands, and a member can be forgotten."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from flows.forget.records import About, forget_in_lines, forget_in_parquet, forget_in_store
from flows.sinks import ParquetSink, open_sink
from flows.sinks.sqlite import SqliteWriter
from flows.streams import Stream
from flows.streams.lines import campaign_line

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
