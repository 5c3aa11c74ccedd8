"""The ingest stage: decoding, lateness, routing, watermarks."""

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from xxhash import xxh3_64_intdigest

from detectors.features.declare import Condition, FeatureDecl, FeatureKind
from flows.counters import Counts, unaccounted
from flows.event_stream import EventStream, StateSpec, TimeSpec, WindowFeatures
from flows.operators.ingest.operator import Emitted, Ingest
from flows.operators.ingest.told import forget_first
from flows.operators.messages import GroupInput, Output
from flows.sources.base import Lines
from flows.streams import Stream
from flows.wire.reject import Reason
from flows.wire.spec import FieldSpec, WireSpec
from state.errors import SnapshotError
from state.keygroup import key_group
from state.schema import Column, Kind
from state.types import DAY_US, END_OF_TIME_US, SECOND_US
from state.windows import WindowKind, WindowSpec

T0 = 1_700_000_000
"""Seconds; the start of a pane of 10 seconds."""


MS = frozenset({"ms"})


def stream(groups: int = 4) -> EventStream:
    """Panes of 10 s, 5 s out of order."""
    wire = WireSpec((FieldSpec(Column("ms", Kind.NUMBER), ("ms",)),), ("id",), ("at",), "s", ("user",))
    time = TimeSpec(out_of_orderness_us=5 * SECOND_US, allowed_lateness_us=0, idle_timeout_us=0, dedup_horizon_us=0)
    features = (FeatureDecl("ms", FeatureKind.MEAN, column="ms"),)
    windows = (WindowFeatures(WindowSpec("w", WindowKind.TUMBLING, 10 * SECOND_US), ("ms",)),)
    return EventStream(groups, wire.schema(), wire, time, StateSpec(1024, DAY_US, 1024), (), features, windows)


def event(second: float, user: str = "ann", **more: Any) -> bytes:
    return orjson.dumps({"id": f"{user}{second}", "at": T0 + second, "user": user} | more)


def lines(*texts: bytes, start: int = 0) -> Lines:
    return Lines(texts, range(start, start + len(texts)), "events.jsonl")


def counts(emitted: list[Emitted]) -> dict[str, int]:
    return {key: n for item in emitted if isinstance(item, Counts) for key, n in item.added.items()}


def records(emitted: list[Emitted], stream: Stream) -> list[dict[str, Any]]:
    return [r for item in emitted if isinstance(item, Output) and item.stream is stream for r in item.records]


def messages(emitted: list[Emitted]) -> dict[int, GroupInput]:
    return {item[0]: item[1] for item in emitted if isinstance(item, tuple)}


def test_rows_reach_the_group_of_their_subject_in_their_order() -> None:
    """Every row arrives once, in the group that its subject's hash says, sorted as it was read."""
    users = [f"user-{i % 9}" for i in range(50)]
    sent = messages(Ingest(stream(), MS, "p").process(lines(*(event(i / 50, u, ms=i) for i, u in enumerate(users)))))
    got: list[float] = []
    for group, message in sent.items():
        assert message.sender == "p"
        if message.batch is not None:
            assert (key_group(message.batch.subject, 4) == group).all()
            assert (np.diff(message.batch["ms"]) > 0).all()
            got += message.batch["ms"].tolist()
    assert sorted(got) == list(range(50))


def test_all_groups_hear_of_a_closed_pane_and_only_then() -> None:
    """Inside a pane a group without rows is left alone; when the watermark passes a boundary, all get it."""
    ingest = Ingest(stream(), MS, "p")
    assert set(messages(ingest.process(lines(event(6))))) == {0, 1, 2, 3}  # the first watermark of all
    own = set(messages(ingest.process(lines(event(7)))))
    assert len(own) == 1
    assert set(messages(ingest.process(lines(event(14.9))))) == own
    closing = messages(ingest.process(lines(event(15))))
    assert set(closing) == {0, 1, 2, 3}
    assert {m.watermark_us for m in closing.values()} == {(T0 + 10) * SECOND_US}
    assert {g for g, m in closing.items() if m.batch is not None} == own


def test_late_rows_go_to_their_stream_with_how_late_they_were() -> None:
    """The record finds the line again; the row reaches no group."""
    emitted = Ingest(stream(), MS, "p").process(lines(event(31), event(3), event(29), start=100))
    assert records(emitted, Stream.LATE) == [
        {
            "source": "events.jsonl",
            "offset": 101,
            "lateness_s": 23.0,
            "event_time": "2023-11-14T22:13:23.000000Z",
            "subject": "ann",
            "raw": event(3).decode(),
        }
    ]
    assert sum(len(m.batch) for m in messages(emitted).values() if m.batch is not None) == 2
    assert counts(emitted) == {"filled.ms": 0, "read": 3, "late": 1}


def test_rejects_carry_source_offset_reason_and_the_raw_bytes() -> None:
    """Text as text, other bytes in base64, long lines cut; counted by reason."""
    long = b"\xc3\xa4" * 40_000
    emitted = Ingest(stream(), MS, "p").process(lines(b"{", event(1), b"\xff{", b" " + long, b"\xff" + long, start=7))
    first, second, third, fourth = records(emitted, Stream.REJECTS)
    assert (first["source"], first["offset"], first["reason"], first["raw"]) == ("events.jsonl", 7, "not_json", "{")
    assert first["detail"]
    assert (second["offset"], second["reason"], second["raw_encoding"]) == (9, "invalid_utf8", "base64")
    assert base64.b64decode(second["raw"]) == b"\xff{"
    assert (third["reason"], third["raw_bytes"]) == ("too_long", 80_001)
    assert third["raw"] == " " + "ä" * 32_767  # 65,536 bytes would end inside a letter
    assert len(base64.b64decode(fourth["raw"])) == 65_536
    assert orjson.dumps(records(emitted, Stream.REJECTS))
    reasons = {"rejected.not_json": 1, "rejected.invalid_utf8": 1, "rejected.too_long": 2}
    assert counts(emitted) == {"filled.ms": 0, "read": 5, **reasons}


def test_every_line_ends_in_exactly_one_place() -> None:
    """Lines read = rows sent + late + rejected, whatever the batch size."""
    rng = np.random.default_rng(5)
    texts = [event(float(s), f"u{s % 7:.0f}") if s > 5 else b"bad" for s in rng.uniform(0, 100, 300)]
    outcomes = set()
    for size in (1, 7, 300):
        ingest, sent = Ingest(stream(), MS, "p"), 0
        for start in range(0, 300, size):
            emitted = ingest.process(lines(*texts[start : start + size], start=start))
            sent += sum(len(m.batch) for m in messages(emitted).values() if m.batch is not None)
        assert ingest.read == 300 == sent + ingest.late + ingest.rejected
        outcomes.add((sent, ingest.late, ingest.rejected))
    assert len(outcomes) == 1
    assert min(outcomes.pop()) > 0


def test_idle_time_closes_panes_and_the_end_closes_all() -> None:
    """advance() speaks only when a pane closes; finish() tells all groups that nothing follows, and holds to it."""
    ingest = Ingest(stream(), MS, "p")
    ingest.process(lines(event(6)))
    assert ingest.advance((T0 + 9) * SECOND_US) == []
    assert set(messages(ingest.advance((T0 + 12) * SECOND_US))) == {0, 1, 2, 3}
    ended = messages(ingest.finish())
    assert [m.watermark_us for m in ended.values()] == [END_OF_TIME_US] * 4
    assert len(records(ingest.process(lines(event(500))), Stream.LATE)) == 1


def test_no_lines_say_nothing() -> None:
    """An idle source's empty read leaves no trace."""
    assert Ingest(stream(), MS, "p").process(lines()) == []


@pytest.mark.parametrize("stop", range(4))
def test_resuming_anywhere_equals_not_stopping(stop: int) -> None:
    """The same messages, the same records and the same counts after a snapshot."""
    pieces = [lines(event(1), b"?"), lines(event(22, "bob")), lines(event(2), event(23)), lines(event(40))]
    ingest, twin = Ingest(stream(), MS, "p"), Ingest(stream(), MS, "p")
    for turn, piece in enumerate(pieces):
        if turn == stop:
            ingest = Ingest(stream(), MS, "p", ingest.snapshot())
        assert repr(ingest.process(piece)) == repr(twin.process(piece))
    assert (ingest.read, ingest.late, ingest.rejected) == (6, 1, 1)


def test_a_snapshot_of_something_else_is_refused() -> None:
    """Saved bytes that are not an ingest's do not start one."""
    with pytest.raises(SnapshotError):
        Ingest(stream(), MS, "p", b"something else")


def test_lines_that_the_source_refuses_are_rejected_where_they_stand() -> None:
    """They are read, rejected with the source's reason in the order of the lines, and nobody decodes them."""
    refused = {1: (Reason.TOMBSTONE, "no value, key 'ann'"), 3: (Reason.UNDECODABLE, "no such schema")}
    given = Lines([event(1, ms=1), b"", b"{", event(9), event(2, ms=2)], range(100, 105), "plays/0", refused)
    ingest = Ingest(stream(), MS, "p")
    emitted = ingest.process(given)
    assert [
        (r["offset"], r["reason"], r["detail"]) for r in records(emitted, Stream.REJECTS) if r["offset"] != 102
    ] == [
        (101, "tombstone", "no value, key 'ann'"),
        (103, "undecodable", "no such schema"),
    ]
    assert [r["offset"] for r in records(emitted, Stream.REJECTS)] == [101, 102, 103]
    batches = [m.batch for m in messages(emitted).values() if m.batch is not None]
    assert sorted(ms for batch in batches for ms in batch["ms"].tolist()) == [1, 2]
    assert (ingest.read, ingest.rejected) == (5, 3)


def test_late_lines_behind_refused_ones_keep_their_offsets() -> None:
    """A late row is told with its own offset and text, whatever was refused before it."""
    ingest = Ingest(stream(), MS, "p")
    ingest.process(lines(event(100)))
    given = Lines([b"", event(1), event(101)], range(7, 10), "plays/0", {0: (Reason.TOMBSTONE, "no value, key none")})
    (late,) = records(ingest.process(given), Stream.LATE)
    assert (late["offset"], late["raw"]) == (8, event(1).decode())


def far(groups: int = 4) -> EventStream:
    """As `stream`, with a bound of a minute ahead."""
    plain = stream(groups)
    return replace(plain, time=replace(plain.time, ahead_max_us=60 * SECOND_US))


def people(start: int, n: int) -> list[bytes]:
    """One event a second, of one user after the other."""
    return [event(start + i, f"u{i % 9}", ms=i) for i in range(n)]


def rows_of(emitted: list[Emitted]) -> int:
    return sum(len(m[1].batch) for m in emitted if isinstance(m, tuple) and m[1].batch is not None)


def test_an_event_ahead_is_set_aside_and_moves_nothing() -> None:
    """Its line is a dead letter that says how far ahead it was; the watermark is that of the others."""
    ingest, day = Ingest(far(), MS, "p"), 86_400
    emitted = ingest.process(lines(*people(0, 40), event(day, "liar"), *people(40, 40)))
    (record,) = records(emitted, Stream.REJECTS)
    assert (record["offset"], record["reason"], record["raw"]) == (40, "ahead", event(day, "liar").decode())
    assert "86,356 s ahead of all others of p" in record["detail"]  # a majority of nine had spoken by second 44
    assert ingest.watermark_us == (T0 + 79 - 5) * SECOND_US
    assert rows_of(emitted) == 80
    assert counts(emitted) == {"filled.ms": 1, "read": 81, "rejected.ahead": 1}


@pytest.mark.parametrize("stop", [20, 41, 44, 60])
def test_events_that_wait_survive_a_restart(stop: int) -> None:
    """Behind a gap, before it, and while those wait that came after it: saved and restored, the rest is the same."""
    texts = [*people(0, 40), event(86_400, "liar"), *people(7200, 40)]
    ingest, twin = Ingest(far(), MS, "p"), Ingest(far(), MS, "p")
    first = lines(*texts[:stop])
    assert repr(ingest.process(first)) == repr(twin.process(first))
    saved = ingest.snapshot()
    ingest = Ingest(far(), MS, "p", saved)
    assert ingest.snapshot() == saved
    assert ingest.rows_waiting == twin.rows_waiting == {20: 0, 41: 1, 44: 4, 60: 0}[stop]
    rest = lines(*texts[stop:], start=stop)
    ours, theirs = ingest.process(rest) + ingest.finish(), twin.process(rest) + twin.finish()
    assert repr(ours) == repr(theirs)
    assert (ingest.read, ingest.late, ingest.rejected) == (81, 0, 1)


def narrow() -> EventStream:
    """`far()` with a bound of event time that excludes the liar."""
    return replace(far(), wire=replace(far().wire, time_max_us=(T0 + 10_000) * SECOND_US))


@pytest.mark.parametrize("restarts", [1, 3])
def test_events_that_wait_and_cannot_be_read_any_more_are_rejected(restarts: int) -> None:
    """A bound of time that somebody lowered, because of the liar: its line is rejected once, the others' wait on."""
    before = Ingest(far(), MS, "p")
    totals = counts(before.process(lines(*people(0, 40), event(86_400, "liar"), event(7_000, "ann"))))
    saved = before.snapshot()
    for _ in range(restarts):
        saved = Ingest(narrow(), MS, "p", saved).snapshot()
    after = Ingest(narrow(), MS, "p", saved)
    assert after.rows_waiting == before.rows_waiting == 2
    emitted = after.process(lines(*people(7_000, 40), start=42))
    (record,) = records(emitted, Stream.REJECTS)
    assert (record["offset"], record["reason"]) == (40, "time_out_of_range")
    assert (after.read, after.rejected, after.rows_waiting) == (82, 1, 0)
    assert rows_of(emitted) == 41
    totals |= {key: totals.get(key, 0) + n for key, n in counts(emitted).items()}
    assert (totals["read"], totals["rejected.time_out_of_range"]) == (82, 1)
    assert Ingest(narrow(), MS, "p", after.snapshot()).rows_waiting == 0


def test_nothing_follows_what_cannot_be_read_any_more() -> None:
    """It is rejected at the end of the input, and forgotten with its subject."""
    before = Ingest(far(), MS, "p")
    before.process(lines(*people(0, 40), event(86_400, "liar")))
    saved = Ingest(narrow(), MS, "p", before.snapshot()).snapshot()
    assert [r["offset"] for r in records(Ingest(narrow(), MS, "p", saved).finish(), Stream.REJECTS)] == [40]
    forgotten, events = forget_first(narrow(), MS, "p", saved, xxh3_64_intdigest(b"liar"))
    assert (events, b"liar" in saved, b"liar" in forgotten) == (1, True, False)
    kept, events = forget_first(narrow(), MS, "p", saved, xxh3_64_intdigest(b"ann"))
    assert (events, b"liar" in kept) == (0, True)


def test_a_subject_is_forgotten_among_those_that_wait() -> None:
    """Its lines and the hash of its id are gone; the others' wait on, and come out as if it had never been there."""
    day = 86_400
    ahead = [event(day, "liar"), event(day, "ann"), event(day + 1, "liar")]
    ingest = Ingest(far(), MS, "p")
    ingest.process(lines(event(0, "liar"), *people(1, 40), *ahead))
    assert ingest.rows_waiting == 3
    liar = xxh3_64_intdigest(b"liar")
    assert str(liar).encode() in ingest.snapshot()
    saved, events = forget_first(far(), MS, "p", ingest.snapshot(), liar)
    assert events == 2
    assert b"liar" not in saved
    assert str(liar).encode() not in saved
    other = Ingest(far(), MS, "p", saved)
    assert other.rows_waiting == 1
    assert rows_of(other.process(lines(*people(day + 2, 40), start=44)) + other.finish()) == 41


def test_a_silent_live_partition_lets_go_what_waits() -> None:
    """One user alone is believed when nobody else speaks, up to the wall clock."""
    ingest, now_us = Ingest(far(), MS, "p"), (T0 + 100) * SECOND_US
    assert rows_of(ingest.process(lines(event(50)), now_us)) == 0
    assert ingest.rows_waiting == 1
    assert rows_of(ingest.silence(now_us)) == 1
    assert ingest.watermark_us == (T0 + 45) * SECOND_US
    ingest.process(lines(event(5000)), now_us)
    assert ingest.silence(now_us) == []


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_a_share_of_bad_lines_is_a_fault_of_the_data(size: int) -> None:
    """One record per kind when a block of 1,000 lines passes the line, by the numbers of lines alone."""
    good = people(0, 3000)
    texts = good[:1500] + [b"{"] * 600 + good[1500:2400] + [event(-5000, "u1")] * 1000 + good[2400:]
    ingest = Ingest(far(), MS, "p")
    emitted: list[Emitted] = []
    for start in range(0, len(texts), size):
        emitted += ingest.process(lines(*texts[start : start + size], start=start))
    found = records(emitted + ingest.finish(), Stream.DRIFT)
    assert [(r["name"], r["cause"], r["evidence"]) for r in found] == [
        ("rejected in p", "data_fault", "500 of 1,000 lines of p were rejected"),
        ("late in p", "data_fault", "1,000 of 1,000 lines of p were late"),
    ]
    assert found[0]["at"] == "2023-11-14T22:38:19.000000Z"


@pytest.mark.parametrize("size", [1, 700, 5000])
def test_a_share_of_events_that_are_sent_again_is_a_fault_of_the_data(size: int) -> None:
    """Each event of the last two thousand lines comes twice, one a little later than the other: told once, wherever the
    lines were cut, and over a restart.
    """
    once = people(0, 2000)
    twice = [text for text in people(2000, 1000) for _ in range(2)]
    texts = [*once, *twice[1:], twice[0]]
    ingest, found = Ingest(far(), MS, "p"), list[Any]()
    for start in range(0, len(texts), size):
        found += records(ingest.process(lines(*texts[start : start + size], start=start)), Stream.DRIFT)
        ingest = Ingest(far(), MS, "p", ingest.snapshot())
    (told,) = [r for r in found if r["name"] == "duplicate in p"]
    assert told["cause"] == "data_fault"
    assert told["after"] == pytest.approx(0.5, abs=0.05)
    assert told["evidence"].startswith("about ")


def test_a_short_input_of_nothing_but_bad_lines_is_told_at_its_end() -> None:
    """Fewer lines than a block: what there is decides, from 50 lines on."""
    for n, told in ((49, 0), (50, 1)):
        ingest = Ingest(far(), MS, "p")
        ingest.process(lines(*[b"\xff\xfe{"] * n))
        assert len(records(ingest.finish(), Stream.DRIFT)) == told


def test_what_is_left_out_is_counted_and_moves_no_time() -> None:
    """Beside rows, late and rejected lines; an event that waits keeps its place when the part becomes another one."""
    part = replace(stream(), wire=replace(stream().wire, where=(Condition("ms", low=1.0),)))
    ingest = Ingest(part, MS, "p")
    emitted = ingest.process(lines(event(6, ms=3), event(900, ms=0), event(901), event(7, ms=2), event(950, ms="x")))
    totals = counts(emitted)
    assert {key: totals[key] for key in ("read", "filtered", "rejected.wrong_type")} == {
        "read": 5, "filtered": 2, "rejected.wrong_type": 1,
    }  # fmt: skip
    assert unaccounted(totals) == 2, "the two that go on"
    assert ingest.watermark_us == (T0 + 2) * SECOND_US
    ahead = replace(stream(), time=replace(stream().time, ahead_max_us=SECOND_US))
    before = Ingest(ahead, MS, "p")
    before.process(lines(event(6), event(6, "bob"), event(100, "eve", ms=0)))
    assert before.rows_waiting == 1
    resumed = Ingest(replace(ahead, wire=part.wire), MS, "p", before.snapshot())
    assert resumed.rows_waiting == 1
    batches = [item[1].batch for item in resumed.finish() if isinstance(item, tuple)]
    assert [batch.subject_name.tolist() for batch in batches if batch is not None] == [["eve"]]
