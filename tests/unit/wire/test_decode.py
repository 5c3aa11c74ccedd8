"""Decoding lines to columns; tests/property/test_decode.py holds it against a slow twin."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from xxhash import xxh3_64_intdigest

from detectors.features.declare import Condition
from flows.wire.decode import Decoded, Decoder
from flows.wire.reject import Reason
from flows.wire.spec import FieldSpec, WireSpec
from state.errors import ConfigError
from state.schema import Column, Kind

SPEC = WireSpec(
    fields=(
        FieldSpec(Column("type", Kind.ENUM, values=("play", "skip")), ("type",), required=True, strict=True),
        FieldSpec(Column("track", Kind.ID), ("track", "id")),
        FieldSpec(Column("ms", Kind.NUMBER), ("ms",), low=0, high=1000),
        FieldSpec(Column("created", Kind.TIME), ("created",), unit="s"),
    ),
    event_id=("id",),
    event_time=("at",),
    time_unit="ms",
    subject=("user",),
    line_bytes_max=200,
)
AT_MS = 1_700_000_000_000
GOOD = {"id": "e1", "at": AT_MS, "user": "ann", "type": "play", "track": {"id": "t"}, "ms": 5, "created": 7}


def line(**changes: Any) -> bytes:
    """The good line with these values; a value of ... leaves the key out."""
    return json.dumps({k: v for k, v in (GOOD | changes).items() if v is not ...}).encode()


def decode(*lines: bytes, spec: WireSpec = SPEC, columns: frozenset[str] | None = None) -> Decoded:
    return Decoder(spec).decode(lines, columns)


def test_a_good_line_becomes_a_row_of_typed_columns() -> None:
    """System columns first, then the schema's, in its order, with the dtypes of state.schema."""
    batch = decode(line()).batch
    seen = {name: (values.dtype.name, values.tolist()) for name, values in batch.columns.items()}
    key = seen.pop("event_key")
    assert key[0] == "uint64"
    assert seen == {
        "event_time_us": ("int64", [AT_MS * 1000]),
        "subject": ("uint64", [xxh3_64_intdigest(b"ann")]),
        "subject_name": ("object", ["ann"]),
        "type": ("int16", [0]),
        "track": ("uint64", [xxh3_64_intdigest(b"t")]),
        "ms": ("float64", [5.0]),
        "created": ("float64", [7e6]),
    }


@pytest.mark.parametrize("absent", [..., None])
def test_an_optional_value_that_is_absent_or_null_is_the_missing_value(absent: Any) -> None:
    """Ids give 0, numbers and times nan; the line is good."""
    batch = decode(line(track=absent, ms=absent, created=absent), line()).batch
    assert batch["track"].tolist() == [0, xxh3_64_intdigest(b"t")]
    np.testing.assert_array_equal(batch["ms"], [np.nan, 5.0])
    np.testing.assert_array_equal(batch["created"], [np.nan, 7e6])


BAD = {
    "empty": (b"", Reason.NOT_JSON),
    "blank": (b" \t", Reason.NOT_JSON),
    "cut off": (line()[:-1], Reason.NOT_JSON),
    "two objects": (line(ms=...) + b"{}", Reason.NOT_JSON),
    "byte order mark": (b"\xef\xbb\xbf" + line(), Reason.NOT_JSON),
    "array": (b"[1]", Reason.NOT_AN_OBJECT),
    "number": (b"17", Reason.NOT_AN_OBJECT),
    "no time": (line(at=...), Reason.MISSING_FIELD),
    "null subject": (line(user=None), Reason.MISSING_FIELD),
    "empty subject": (line(user=""), Reason.MISSING_FIELD),
    "no event id": (line(id=...), Reason.MISSING_FIELD),
    "no required column": (line(type=...), Reason.MISSING_FIELD),
    "text for a number": (line(ms="5"), Reason.WRONG_TYPE),
    "boolean for a number": (line(ms=True), Reason.WRONG_TYPE),
    "boolean for an id": (line(user=True), Reason.WRONG_TYPE),
    "float for an id": (line(id=1.5), Reason.WRONG_TYPE),
    "number for a word": (line(type=1), Reason.WRONG_TYPE),
    "text for a time": (line(at="now"), Reason.WRONG_TYPE),
    "text for an object": (line(track="t"), Reason.WRONG_TYPE),
    "below the least": (line(ms=-1), Reason.OUT_OF_RANGE),
    "above the most": (line(ms=1000.5), Reason.OUT_OF_RANGE),
    "time before the first": (line(at=946_684_799_999), Reason.TIME_OUT_OF_RANGE),
    "time at the end": (line(at=4_102_444_800_000), Reason.TIME_OUT_OF_RANGE),
    "time in another unit": (line(at=AT_MS * 1000), Reason.TIME_OUT_OF_RANGE),
    "infinite time": (line(created=1e305), Reason.TIME_OUT_OF_RANGE),
    "one byte too many": (line(pad="")[:-2].ljust(199) + b'"}', Reason.TOO_LONG),
    "stray bytes": (line(user="ann").replace(b"ann", b"\xff\xfe"), Reason.INVALID_UTF8),
    "half a surrogate pair": (line(user="\ud800"), Reason.INVALID_UTF8),
    "NaN": (line(ms=float("nan")), Reason.NAN),
    "-Infinity where nobody looks": (line(extra=-float("inf")), Reason.NAN),
    "1e999": (line(ms=77).replace(b"77", b"1e999"), Reason.NAN),
    "number beyond 2**53": (line(ms=2**53), Reason.HUGE_INTEGER),
    "id beyond 64 bits": (line(user=2**64), Reason.HUGE_INTEGER),
    "object for a number": (line(ms={"value": 5}), Reason.NESTED),
    "array for an id": (line(track={"id": ["t"]}), Reason.NESTED),
    "object for a word": (line(type={}), Reason.NESTED),
    "unknown word": (line(type="pause"), Reason.UNKNOWN_WORD),
}


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_is_rejected_with_its_reason_and_costs_no_other(bad: bytes, reason: Reason) -> None:
    """The good lines around it decode as they do alone."""
    decoded = decode(line(id="a"), bad, line(id="b"))
    assert [(r.row, r.reason) for r in decoded.rejects] == [(1, reason)]
    assert decoded.rejects[0].detail
    assert decoded.row.tolist() == [0, 2]
    alone = decode(line(id="a"), line(id="b")).batch
    assert all(decoded.batch[name].tolist() == values.tolist() for name, values in alone.columns.items())


@pytest.mark.parametrize("letter", ["x", "\u00e4"])
def test_a_subject_whose_id_is_too_long_is_rejected(letter: str) -> None:
    """Its text is kept as long as it is known, so it is bounded, in characters; ids that are hashed at once are not."""
    spec = replace(SPEC, subject_chars_max=20, line_bytes_max=65_536)
    decoded = decode(line(user=letter * 20), line(user=letter * 21), line(track={"id": letter * 30}), spec=spec)
    assert decoded.row.tolist() == [0, 2]
    assert [(r.row, r.reason) for r in decoded.rejects] == [(1, Reason.TOO_LONG)]
    assert "an id of 21 characters, expected at most 20" in decoded.rejects[0].detail


def test_every_reason_is_met_above() -> None:
    """The table of bad lines leaves no reason out but those that sources and other lines give."""
    assert {reason for _, reason in BAD.values()} == set(Reason) - {
        Reason.TOMBSTONE,
        Reason.UNDECODABLE,
        Reason.AHEAD,
    }


def test_nesting_beyond_the_parser_is_a_reason_of_its_own() -> None:
    """A bomb of brackets is rejected as nested; it neither raises nor recurses."""
    spec = WireSpec((), ("id",), ("at",), "ms", ("user",))
    bombs = [b"[" * 30_000 + b"]" * 30_000, b'{"a":' * 1_100 + b"1" + b"}" * 1_100]
    assert [r.reason for r in decode(*bombs, spec=spec).rejects] == [Reason.NESTED] * 2


def test_of_several_faults_the_first_by_time_subject_id_and_columns_counts() -> None:
    """The reason does not depend on which neighbour a line was decoded with."""
    both = line(ms="x", user=5.5, created="x")
    for lines in ([both], [both, line(at="x")], [line(ms="x"), both]):
        reject = next(r for r in decode(*lines).rejects if lines[r.row] is both)
        assert reject.detail == "user: found number 5.5, expected text or an integer"


def test_the_detail_says_what_was_found_and_expected() -> None:
    """A person can repair the producer without opening the raw line."""
    details = [r.detail for r in decode(line(type="pause"), line(track=3), line(ms=2_000), line(at=5)).rejects]
    assert details == [
        'type: found text "pause", expected one of play, skip',
        "track: found number 3, expected an object",
        "ms: found number 2000, expected at least 0 and at most 1000",
        "at: found number 5, expected a time from 2000-01-01T00:00:00.000000Z to 2099-12-31T23:59:59.999999Z",
    ]


def test_a_line_of_exactly_the_allowed_length_is_read() -> None:
    """line_bytes_max is inclusive."""
    assert len(decode(line().ljust(200)).batch) == 1
    assert decode(line().ljust(201)).rejects[0].reason is Reason.TOO_LONG


def test_columns_that_are_not_asked_for_are_neither_decoded_nor_checked() -> None:
    """What is wrong with them does not matter; the four system columns are always there."""
    decoded = decode(line(ms="x", type="pause"), columns=frozenset({"track"}))
    assert list(decoded.batch.columns) == ["event_time_us", "event_key", "subject", "subject_name", "track"]
    assert not decoded.rejects


def test_asking_for_a_column_that_is_not_there_names_those_that_are() -> None:
    """A programming or configuration error, found before the first line."""
    with pytest.raises(ConfigError, match=r"'tracks' is not in the event schema; it has: created, ms, track, type"):
        decode(columns=frozenset({"tracks"}))


@pytest.mark.parametrize("lines", [[], [b"?"], [b"?"] * 600, [line(at=0)]])
@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, event_id=())])
def test_without_a_good_line_the_batch_is_empty_and_typed(lines: list[bytes], spec: WireSpec) -> None:
    """An empty batch joins other batches without changing a dtype."""
    decoded = decode(*lines, spec=spec)
    assert len(decoded.batch) == len(decoded.row) == 0
    assert [reject.row for reject in decoded.rejects] == list(range(len(lines)))
    full = decode(line(), spec=spec).batch
    assert {n: v.dtype for n, v in decoded.batch.columns.items()} == {n: v.dtype for n, v in full.columns.items()}


def test_an_integer_id_and_its_text_are_one_id() -> None:
    """7 and "7" are one subject, called "7"; true is none."""
    batch = decode(line(user=7), line(user="7")).batch
    assert batch.subject_name.tolist() == ["7", "7"]
    assert batch.subject[0] == batch.subject[1] == xxh3_64_intdigest(b"7")
    assert batch.event_key[0] == batch.event_key[1]


def test_event_ids_need_to_be_unique_per_subject_only() -> None:
    """Equal ids of two subjects are two events; equal ids of one subject are one."""
    keys = decode(line(user="ann"), line(user="bob"), line(user="ann", ms=6)).batch.event_key.tolist()
    assert keys[0] == keys[2] != keys[1]


def test_without_event_ids_the_raw_line_identifies_the_event() -> None:
    """Identical lines are duplicates, any other byte makes another event; bad lines do not shift the hashes."""
    spec = WireSpec((), (), ("at",), "ms", ("user",))
    lines = [line(), b"?", line(), line(ms=6)]
    keys = decode(*lines, spec=spec).batch.event_key.tolist()
    assert keys[0] == keys[1] != keys[2]


def test_booleans_are_words_where_the_words_are_true_and_false() -> None:
    """JSON booleans and their texts agree; 1 and 0 are neither."""
    flag = FieldSpec(Column("flag", Kind.ENUM, values=("false", "true")), ("flag",))
    spec = WireSpec((flag,), (), ("at",), "ms", ("user",))
    lines = [line(flag=v) for v in (True, False, "true", "false", None, "maybe", 1, 0.0)]
    decoded = decode(*lines, spec=spec)
    assert decoded.batch["flag"].tolist() == [1, 0, 1, 0, -1, -1]
    assert [(r.row, r.reason) for r in decoded.rejects] == [(6, Reason.WRONG_TYPE), (7, Reason.WRONG_TYPE)]


@pytest.mark.parametrize(
    ("unit", "value", "us"),
    [
        ("s", 1_700_000_000, 1_700_000_000_000_000),
        ("s", 1_700_000_000.25, 1_700_000_000_250_000),
        ("ms", 1_700_000_000_001, 1_700_000_000_001_000),
        ("us", 1_700_000_000_000_001, 1_700_000_000_000_001),
        ("ns", 1_700_000_000_000_001_999, 1_700_000_000_000_001),
        ("iso8601", "2023-11-14T22:13:20Z", 1_700_000_000_000_000),
        ("iso8601", "2023-11-15T00:13:20.5+02:00", 1_700_000_000_500_000),
        ("iso8601", "2023-11-14T22:13:20", 1_700_000_000_000_000),
    ],
)
def test_event_times_are_read_in_their_unit(unit: str, value: Any, us: int) -> None:
    """Microseconds since 1970 UTC, exactly; nanoseconds are cut, a text without an offset is UTC."""
    spec = WireSpec((), (), ("at",), unit, ("user",))
    assert decode(line(at=value), spec=spec).batch.event_time_us.tolist() == [us]


@pytest.mark.parametrize(("unit", "value"), [("us", 2**53 + 1), ("ns", (2**53 + 1) * 1000 + 999)])
def test_integer_times_that_float64_cannot_hold_are_exact_where_the_bounds_allow_them(unit: str, value: int) -> None:
    """Also where a float is among them."""
    spec = WireSpec((), (), ("at",), unit, ("user",), time_max_us=2**62)
    for lines in ([line(at=value)], [line(at=value), line(at=value + 0.0)]):
        assert decode(*lines, spec=spec).batch.event_time_us[0] == 2**53 + 1


def test_a_number_is_scaled_before_it_is_bounded() -> None:
    """Bounds are in the column's unit, not the wire's."""
    spec = WireSpec(
        (FieldSpec(Column("s", Kind.NUMBER), ("ms",), scale=0.001, high=3.0),), (), ("at",), "ms", ("user",)
    )
    decoded = decode(line(ms=3000), line(ms=3001), spec=spec)
    assert decoded.batch["s"].tolist() == [3.0]
    assert decoded.rejects[0].detail == "ms: found number 3001, expected at most 3 after scaling by 0.001"


def test_the_last_of_duplicate_keys_counts() -> None:
    """As in most JSON readers; the line is good."""
    assert decode(line()[:-1] + b', "ms": 9}').batch["ms"].tolist() == [9.0]


PART = replace(SPEC, where=(Condition("type", words=("play",)), Condition("ms", low=3.0)))


def test_a_part_of_the_stream_is_kept() -> None:
    """By conditions on columns, which need not be asked for beside; the rest is neither row nor reject, but counted."""
    lines = [line(id="a"), line(id="b", type="skip"), line(id="c", ms=2), line(id="d", ms=None), line(id="e")]
    decoded = decode(*lines, spec=PART, columns=frozenset({"track"}))
    assert decoded.row.tolist() == [0, 4]
    assert (decoded.rejects, decoded.filtered) == ([], 3)
    assert [name for name in decoded.batch.columns if name in ("type", "track", "ms")] == ["track"]
    both = decode(*lines, spec=PART)
    assert both.batch["ms"].tolist() == [5.0, 5.0]


def test_what_is_not_of_the_part_is_left_out_whatever_else_is_wrong() -> None:
    """A line is rejected where it is of the part, or where that cannot be told."""
    elsewhere = [line(type="skip", user=None), line(type="skip", created="x"), line(ms=0, track=[])]
    of_it = [
        line(user=None),
        line(created="x"),
        line(type="pause"),
        line(type=..., user=5.5),
        line(ms="x"),
        b"{",
        b"[]",
    ]
    decoded = decode(*elsewhere, *of_it, spec=PART)
    assert decoded.filtered == len(elsewhere)
    assert [reject.row for reject in decoded.rejects] == list(range(3, 10))
    assert not len(decoded.batch)


def test_keys_that_the_first_parser_cannot_name() -> None:
    """Control characters, quotes and backslashes, several of them, alone and inside of objects that may be absent."""
    paths = [("a\n",), ("a\t",), ('"',), ("in", "\\"), ("in", "\x1f"), ("a\ufffd",)]
    fields = tuple(FieldSpec(Column(f"c{i}", Kind.NUMBER), path) for i, path in enumerate(paths))
    spec = replace(SPEC, fields=fields)
    full = line(**{"a\n": 1, "a\t": 2, '"': 3, "in": {"\\": 4, "\x1f": 5}, "a\ufffd": 6})
    decoded = decode(full, line(), line(**{"in": None}), line(**{"in": {}, "a\n": 7}), spec=spec)
    assert decoded.rejects == []
    first, *others = zip(*(decoded.batch[f"c{i}"].tolist() for i in range(6)), strict=True)
    assert first == (1, 2, 3, 4, 5, 6)
    np.testing.assert_array_equal(others, [[np.nan] * 6, [np.nan] * 6, [7, *[np.nan] * 5]])
