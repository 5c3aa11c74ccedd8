"""The decoder against a slow, obvious twin: one line at a time, the standard library's parser, one value at a time."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

import flows.wire.decode
from detectors.features.declare import Condition
from flows.wire.decode import Decoder
from flows.wire.path_text import parse_path
from flows.wire.reject import Reason
from flows.wire.spec import FieldSpec, WireSpec
from state.schema import Column, Kind

NUMBER_MAX = 2**53 - 1


def field(name: str, kind: Kind, path: str = "", values: tuple[str, ...] = (), **options: Any) -> FieldSpec:
    return FieldSpec(Column(name, kind, values=values), parse_path(path or name), **options)


SPEC = WireSpec(
    fields=(
        field("type", Kind.ENUM, "", ("play", "skip"), required=True, strict=True, words=(("NextSong", "play"),)),
        field("plan", Kind.ENUM, "plan", ("free", "premium"), words=(("gold", "premium"), ("true", "free"))),
        field("offline", Kind.ENUM, values=("false", "true")),
        field("track", Kind.ID, "track.id"),
        field("artist", Kind.ID, "track.artist.id"),
        field("country", Kind.ID, required=True),
        field("ms_played", Kind.NUMBER, low=0, high=864e5),
        field("amount", Kind.NUMBER, scale=0.01, required=True, low=-1e6),
        field("created", Kind.TIME, unit="ms"),
        field("born", Kind.TIME, unit="iso8601", low=0.0),
        field("made", Kind.TIME, unit="ns"),
        field("first", Kind.ID, "items[0].id"),
        field("third", Kind.NUMBER, "items[2].price"),
        field("corner", Kind.NUMBER, "grid[1][0]", required=True),
    ),
    event_id=("id",),
    event_time=("at",),
    time_unit="ms",
    subject=("user", "id"),
    line_bytes_max=600,
)


# --- the twin


class BadLineError(Exception):
    """Carries the reason."""


def constant(literal: str) -> float:
    raise BadLineError(Reason.NAN)


def parse(line: bytes) -> tuple[dict[str, Any], bool]:
    """The line's object, and whether there is a number in it that float64 cannot hold."""
    beyond = []

    def number(literal: str) -> int | float:
        if math.isinf(float(literal)):
            beyond.append(literal)
            return math.inf
        return float(literal) if set(literal) & set(".eE") else int(literal)

    if len(line) > SPEC.line_bytes_max:
        raise BadLineError(Reason.TOO_LONG)
    try:
        value = json.loads(line.decode(), parse_constant=constant, parse_float=number, parse_int=number)
        json.dumps(value, ensure_ascii=False).encode()  # an escaped half of a surrogate pair is no text
        if not isinstance(value, dict):
            raise BadLineError(Reason.NOT_AN_OBJECT)
    except (BadLineError, ValueError) as error:
        reason = error.args[0] if isinstance(error, BadLineError) else Reason.NOT_JSON
        reason = Reason.INVALID_UTF8 if isinstance(error, UnicodeError) else reason
        raise BadLineError(Reason.NAN if beyond else reason) from None
    return value, bool(beyond)


def walk(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        if value is None:
            return None
        if isinstance(key, int):
            if not isinstance(value, list):
                raise BadLineError(Reason.WRONG_TYPE)
            value = value[key] if key < len(value) else None
            continue
        if not isinstance(value, dict):
            raise BadLineError(Reason.WRONG_TYPE)
        value = value.get(key)
    if isinstance(value, dict | list):
        raise BadLineError(Reason.NESTED)
    return value


def hashed(text: str) -> int:
    return xxh3_64_intdigest(text.encode())


def identity(value: Any) -> int:
    if value is None or value == "":
        return 0
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadLineError(Reason.WRONG_TYPE)
    if not isinstance(value, str) and not -(2**63) <= value < 2**64:
        raise BadLineError(Reason.HUGE_INTEGER)
    if isinstance(value, float):
        raise BadLineError(Reason.HUGE_INTEGER if abs(value) >= 2**63 else Reason.WRONG_TYPE)
    return hashed(str(value))


def microseconds(value: Any, unit: str) -> int:
    if unit == "iso8601":
        try:
            moment = datetime.fromisoformat(value)
        except (ValueError, TypeError):
            raise BadLineError(Reason.WRONG_TYPE) from None
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86400 + since.seconds) * 10**6 + since.microseconds
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadLineError(Reason.WRONG_TYPE)
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value * 1000 if unit == "ms" else value // 1000
    scaled = float(value) * (1e3 if unit == "ms" else 1e-3)
    return round(scaled) if math.isfinite(scaled) else 10**30


def expect(value: Any, spec: FieldSpec) -> float:
    if value is None or (value == "" and spec.column.kind is Kind.ID):
        if spec.required:
            raise BadLineError(Reason.MISSING_FIELD)
        return {Kind.ID: 0, Kind.ENUM: -1}.get(spec.column.kind, math.nan)
    match spec.column.kind:
        case Kind.ID:
            return identity(value)
        case Kind.ENUM:
            if not isinstance(value, str | bool):
                raise BadLineError(Reason.WRONG_TYPE)
            word = value if isinstance(value, str) else str(value).lower()
            word = dict(spec.words).get(word, word)
            if word in spec.column.values:
                return spec.column.values.index(word)
            if spec.strict:
                raise BadLineError(Reason.UNKNOWN_WORD)
            return -1
        case Kind.NUMBER:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise BadLineError(Reason.WRONG_TYPE)
            if abs(float(value)) > NUMBER_MAX:
                raise BadLineError(Reason.HUGE_INTEGER)
            scaled = float(value) * spec.scale
            if (spec.low is not None and scaled < spec.low) or (spec.high is not None and scaled > spec.high):
                raise BadLineError(Reason.OUT_OF_RANGE)
            return scaled
        case Kind.TIME:
            us = microseconds(value, spec.unit)
            if abs(us) > NUMBER_MAX or (spec.low is not None and us < spec.low):
                raise BadLineError(Reason.TIME_OUT_OF_RANGE)
            return float(us)


def splitmix(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % 2**64
    return x ^ (x >> 31)


def twin(line: bytes) -> dict[str, Any]:
    """The row that this line gives.  Raises BadLineError with the reason."""
    document, beyond = parse(line)
    try:
        return row_of(document)
    except BadLineError:
        if beyond:
            raise BadLineError(Reason.NAN) from None
        raise


def row_of(document: dict[str, Any]) -> dict[str, Any]:
    at = walk(document, SPEC.event_time)
    if at is None:
        raise BadLineError(Reason.MISSING_FIELD)
    time = microseconds(at, "ms")
    if not SPEC.time_min_us <= time < SPEC.time_max_us:
        raise BadLineError(Reason.TIME_OUT_OF_RANGE)
    subject_name = walk(document, SPEC.subject)
    subject = identity(subject_name)
    if not subject:
        raise BadLineError(Reason.MISSING_FIELD)
    event_id = identity(walk(document, SPEC.event_id))
    if not event_id:
        raise BadLineError(Reason.MISSING_FIELD)
    key = splitmix((subject * 0x9E3779B97F4A7C15 + event_id) % 2**64)
    row = {"event_time_us": time, "event_key": key, "subject": subject, "subject_name": str(subject_name)}
    return row | {f.column.name: expect(walk(document, f.path), f) for f in SPEC.fields}


# --- lines, good and bad

INTEGERS = [0, 1, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**25, 10**400, 946_684_800_000]
NUMBERS = [*INTEGERS, 0.5, 864e5, 864e5 + 1e-8, 946_684_800_000.0, 946_684_799_999.9, 1e15, 9e18, 1e300, math.inf]
TEXTS = [
    "play",
    "NextSong",
    "x",
    "true",
    "12",
    "",
    "\ud800",
    "2020-01-01",
    "2020-01-01T10:00:00Z",
    "2020-01-01T10:00+02:00",
    "1969-12-31",
]
AWKWARD = [None, True, False, math.nan, [], {}, [1], {"id": 1}, *TEXTS, *NUMBERS, *(-n for n in NUMBERS)]

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(AWKWARD)
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
GOOD = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=8) | st.integers(0, 2**64 - 1),
        "at": st.integers(1_500_000_000_000, 1_600_000_000_000) | st.floats(1.5e12, 1.6e12),
        "user": st.fixed_dictionaries({"id": st.sampled_from(["ann", "bob", "ü", "7"]) | st.integers(0, 9)}),
        "type": st.sampled_from(["play", "skip", "NextSong"]),
        "country": st.sampled_from(["SE", "DE"]),
        "amount": st.integers(-1000, 1000) | st.floats(-1e3, 1e3),
        "grid": st.tuples(JSON, st.tuples(st.integers(0, 9)) | st.tuples(st.floats(0, 1), JSON)),
    },
    optional={
        "plan": st.sampled_from(["free", "premium", "gold", None]),
        "offline": st.sampled_from([True, False, "true", "false", "maybe"]),
        "track": st.fixed_dictionaries(
            {}, optional={"id": st.text(max_size=3), "artist": st.fixed_dictionaries({"id": st.integers(0, 9)})}
        ),
        "ms_played": st.integers(0, 86_400_000) | st.floats(0, 864e5) | st.none(),
        "created": st.integers(0, 1_600_000_000_000) | st.floats(0, 1.6e12),
        "born": st.integers(0, 10**9).map(lambda s: datetime.fromtimestamp(s, UTC).isoformat()),
        "made": st.integers(0, 2**62) | st.floats(0, 4e18),
        "items": st.lists(
            st.fixed_dictionaries({}, optional={"id": st.text(max_size=3), "price": st.floats(0, 99)}) | st.none(),
            max_size=4,
        ),
    },
)
PATHS = [f.path for f in SPEC.fields] + [
    SPEC.event_id,
    SPEC.event_time,
    SPEC.subject,
    ("track",),
    ("user",),
    ("extra",),
    ("items",),
    ("items", 0),
    ("grid",),
    ("grid", 1),
]
DROPPED = object()


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A good line with one value replaced or dropped."""
    document = draw(GOOD)
    path = draw(st.sampled_from(PATHS))
    value = draw(SCALARS | SCALARS | JSON | st.just(DROPPED))
    return dump(put(document, path, value))


def put(document: Any, path: Sequence[str | int], value: Any) -> Any:
    """The document with a value at the end of a path, through objects and arrays that are made where there are none."""
    if not path:
        return value
    key, *rest = path
    if isinstance(key, int):
        items = list(document) if isinstance(document, list | tuple) else []
        items += [None] * (key + 1 - len(items))
        items[key] = put(items[key], rest, value)
        return items[:key] if items[key] is DROPPED else items
    members = dict(document) if isinstance(document, dict) else {}
    members[key] = put(members.get(key), rest, value)
    return {name: member for name, member in members.items() if member is not DROPPED}


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good line, cut or with a byte replaced."""
    line = dump(draw(GOOD))
    at = draw(st.integers(0, len(line) - 1))
    return line[:at] + draw(st.just(b"") | st.binary(max_size=2).map(lambda new: new + line[at + 1 :]))


LINES = st.lists(
    st.one_of(
        GOOD.map(dump), changed(), changed(), changed(), damaged(), JSON.map(dump), st.sampled_from([b"", b" " * 601])
    ),
    max_size=20,
)


def rows_of(lines: list[bytes]) -> tuple[list[dict[str, Any]], list[tuple[int, Reason]]]:
    rows, rejects = [], []
    for position, line in enumerate(lines):
        try:
            rows.append(twin(line))
        except BadLineError as bad:
            rejects.append((position, bad.args[0]))
    return rows, rejects


def check(lines: list[bytes], chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flows.wire.decode, "_CHUNK", chunk)
        decoded = Decoder(SPEC).decode(lines)
    rows, rejects = rows_of(lines)
    assert [(r.row, r.reason) for r in decoded.rejects] == rejects
    assert sorted([*decoded.row.tolist(), *(r.row for r in decoded.rejects)]) == list(range(len(lines)))
    for name, values in decoded.batch.columns.items():
        np.testing.assert_array_equal(values, np.array([row[name] for row in rows], values.dtype), err_msg=name)


@pytest.mark.parametrize("chunk", [1, 7, 512])
def test_every_awkward_value_at_every_path_agrees_with_the_twin(chunk: int) -> None:
    """Values, reasons and positions are the twin's for each awkward value in each place, good lines in between."""
    good = {
        "id": "e", "at": 1_500_000_000_000, "user": {"id": "u"}, "type": "play", "country": "SE", "amount": 1,
        "grid": [[], [3, {}]],
    }  # fmt: skip
    lines = []
    for path in PATHS:
        for value in AWKWARD:
            lines += [dump(put(good, path, value)), dump(good)]
    check(lines, chunk)


@given(LINES, st.integers(1, 9))
@settings(max_examples=120, deadline=None)
def test_decoding_agrees_with_the_twin_on_every_line_and_every_reason(lines: list[bytes], chunk: int) -> None:
    """Good rows have the twin's values, bad ones its reason, and every line is one of the two, at any chunk size."""
    check(lines, chunk)


@given(LINES, st.lists(st.integers(0, 25), max_size=4))
@settings(max_examples=40, deadline=None)
def test_cutting_the_lines_into_batches_changes_nothing(lines: list[bytes], cuts: list[int]) -> None:
    """One decoder that saw other lines before gives, batch by batch, what a new one gives for all lines at once."""
    whole = Decoder(SPEC).decode(lines)
    edges = [0, *sorted(min(c, len(lines)) for c in cuts), len(lines)]
    decoder = Decoder(SPEC)
    parts = [(a, decoder.decode(lines[a:b])) for a, b in pairwise(edges)]
    assert [(a + r.row, r.reason, r.detail) for a, part in parts for r in part.rejects] == [
        (r.row, r.reason, r.detail) for r in whole.rejects
    ]
    for name, values in whole.batch.columns.items():
        pieces = [part.batch[name] for _, part in parts]
        assert {piece.dtype for piece in pieces} == {values.dtype}
        np.testing.assert_array_equal(np.concatenate(pieces), values, err_msg=name)


@given(st.lists(st.binary(max_size=60), max_size=30))
@settings(max_examples=40, deadline=None)
def test_arbitrary_bytes_are_rejected_one_by_one_and_never_raise(lines: list[bytes]) -> None:
    """Noise gives a reject per line, with a detail for people."""
    decoded = Decoder(SPEC).decode(lines)
    assert len(decoded.batch) + len(decoded.rejects) == len(lines)
    assert all(reject.detail for reject in decoded.rejects)


PART = replace(SPEC, where=(Condition("type", words=("play",)), Condition("plan", excluded=("premium",))))


@settings(max_examples=100, deadline=None)
@given(LINES)
def test_a_part_of_the_stream_is_the_whole_without_the_rest(lines: list[bytes]) -> None:
    """Rows are those of the whole that meet the conditions; rejects are among those of the whole; nothing is lost."""
    whole, part = Decoder(SPEC).decode(lines), Decoder(PART).decode(lines)
    kept = (whole.batch["type"] == 0) & (whole.batch["plan"] != 1)
    assert part.row.tolist() == whole.row[kept].tolist()
    for name, values in part.batch.columns.items():
        np.testing.assert_array_equal(values, whole.batch[name][kept], err_msg=name)
    assert set(part.rejects) <= set(whole.rejects)
    for reject in set(whole.rejects) - set(part.rejects):
        document, _ = parse(lines[reject.row])
        assert document["type"] == "skip" or document.get("plan") in ("premium", "gold")
    assert len(part.row) + len(part.rejects) + part.filtered == len(lines)
