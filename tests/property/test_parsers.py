"""The two parsers against each other: what msgspec takes, orjson takes as well, with the same values."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.wire.decode import Decoded, Decoder
from flows.wire.reject import Reason
from flows.wire.spec import FieldSpec, WireSpec
from state.schema import Column, Kind


def field(name: str, kind: Kind, path: str = "", words: tuple[str, ...] = (), **options: Any) -> FieldSpec:
    return FieldSpec(Column(name, kind, values=words), tuple((path or name).split(".")), **options)


SPEC = WireSpec(
    fields=(
        field("type", Kind.ENUM, words=("play", "skip"), required=True, strict=True),
        field("plan", Kind.ENUM, words=("free", "größer")),
        field("plan_id", Kind.ID, "plan"),
        field("offline", Kind.ENUM, words=("false", "true"), strict=True),
        field("artist", Kind.ID, "track.artist.id"),
        field("track", Kind.ID, "track.id"),
        field("again", Kind.TIME, "at", unit="ms"),
        field("ms", Kind.NUMBER, low=0, high=864e5),
        field("amount", Kind.NUMBER, scale=0.01),
        field("created", Kind.TIME, unit="s"),
        field("born", Kind.TIME, unit="iso8601"),
        field("made", Kind.TIME, unit="ns"),
    ),
    event_id=("id",),
    event_time=("at",),
    time_unit="ms",
    subject=("user", "id"),
    line_bytes_max=3_000,
)
WIDE = {"time_max_us": 2**62}
"""Times beyond what float64 holds."""
SPECS = [
    SPEC,
    replace(SPEC, event_id=(), time_unit="s", **WIDE),
    replace(SPEC, time_unit="us", fields=(), **WIDE),
    replace(SPEC, time_unit="ns", fields=SPEC.fields[1:4], **WIDE),
    replace(SPEC, fields=(field("who", Kind.ENUM, "user", ("ann",)),)),  # both a word and an object
    replace(SPEC, time_unit="iso8601", subject=("id",), fields=(*SPEC.fields[:2], field("x", Kind.NUMBER, 'q"'))),
    replace(SPEC, time_unit="iso8601", subject=("id",), fields=SPEC.fields[:2]),
]

GOOD = {
    '"id"': ['"e"', "7", '"\\u00fc"', '"a\\nb"', '"größer"', "-9223372036854775808", "-0"],
    '"user"': ['{"id":"ann"}', '{ "id" : 5, "more": [1, {"x": null}] }', '{"id":"\\ud83d\\ude00"}', '{"i\\u0064":1}'],
    '"type"': ['"play"', '"skip"', '"pl\\u0061y"'],
    '"plan"': ['"free"', '"gold"', '"gr\\u00f6\\u00dfer"', "null", "true"],
    '"offline"': ["true", "false", '"true"', "null"],
    '"track"': ['{"id":"t","artist":{"id":3}}', "null", "{}", '{"artist":null}', '{"artist":{}, "id":""}'],
    '"ms"': ["5", "0", "-0", "-0.0", "86400000", "1e3", "123456789012345678901e-15", "null"],
    '"amount"': ["9007199254740991", "-9007199254740991", "0.1e-400", "4.35"],
    '"created"': ["1500000000", "1500000000.123456", "9007199254", "-1.5"],
    '"born"': ['"1990-02-03"', '"1990-W05-3"', '"19900203T101112"'],
    '"made"': ["1500000000000000001", "1.5e18", "-1", "9007199254740991000"],
    '"unread"': ["1e999", "1" * 400, '"\\u00fc"', '"ü"', "[[], {}, [1, 2.5e-3, null]]", "-0.0E+1", '{"at": 5}'],
}
TIMES = {
    "ms": ["1500000000000", "1500000000000.25", "1.5e12"],
    "s": ["1500000000", "1500000000.25", "1.5E+9", "9007199255.000001"],
    "us": ["1500000000000001", "9007199254740993", "1500000000000000.5"],
    "ns": ["1500000000000001999", "1.5e18", "1500000000000001999.0", "99999999999999999999"],
    "iso8601": ['"2020-01-01T10:00:00.25+02:00"', '"2020-01-01"'],
}
"""Event times, by unit."""
DOUBTFUL = [
    *("18446744073709551615", "9223372036854775808", "86400000.00000001", "9007199254740992", "-9007199254740993"),
    *("9007199255", '"1990-02-30"', '""', "1500000000", '"12"'),
]
ODD = [
    *("nul", "True", "NaN", "-Infinity", "01", "1.", ".5", "+1", "-", "1e", "0x1", "1_0", "--1", "1e5000"),
    *("1" * 5000, "[", "]", "{", "[1,]", "{,}", '{"a":1,}', '{"a"}', "{1:2}", "[1 2]", "'a'", "/**/1", ""),
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\u12"', '"\\q"', '"a\x01"', '"a\nb"', '"a', "\ufeff1", "\x0c1", "\xa01"),
    *('"' + "x" * 3000 + '"', "[" * 300 + "]" * 300, "[" * 520 + "1e999" + "]" * 520, "[" * 1100 + "]" * 1100),
    *("[" * 200 + "1e999" + "]" * 200, '{"a":' * 260 + "1" + "}" * 260, '"{{{{"', '"' + "[" * 1001 + '"'),
]
ODD_BYTES = [text.encode() for text in ODD] + [
    b'"\xff"',
    b'"\xc3"',
    b'"\xed\xa0\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"\xc0\xaf"',
]
VALUES = ODD_BYTES + [v.encode() for values in [*GOOD.values(), *TIMES.values(), DOUBTFUL] for v in values]
KEYS = [*(key.encode() for key in [*GOOD, '"at"']), b'"\\u0069d"', b'"x\xff"', b'"q\\""', b'"m0"', b"id"]
SPACES = [b""] * 20 + [b" ", b"\t", b"\r\n", b"\x0b", b"\x00"]


def number(rng: Random) -> bytes:
    """A number as JSON may have it, mostly."""
    digits = [str(rng.randrange(10 ** rng.randint(1, 23))) for _ in range(3)]
    text = rng.choice(["", "", "-"]) + digits[0] + rng.choice(["", "." + digits[1]])
    return (text + rng.choice(["", "", f"{rng.choice('eE')}{rng.choice(['', '+', '-'])}{digits[2][:3]}"])).encode()


def document(rng: Random, spec: WireSpec) -> bytes:
    """An object with the wanted members, good ones save for a few, some of them twice, in any order and spelling."""
    good = GOOD | {'"at"': TIMES[spec.time_unit]}
    keys = ['"id"', '"at"', '"user"', '"type"', *rng.choices(list(good), k=rng.randint(0, 8))]
    members = [(key.encode(), rng.choice(good[key]).encode()) for key in rng.sample(keys, len(keys))]
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        value = number(rng) if rng.random() < 0.4 else rng.choice(VALUES)
        members.insert(rng.randint(0, len(members)), (rng.choice(KEYS), value))
    space = rng.choice(SPACES)
    return space + b"{" + b",".join(space + key + b":" + value for key, value in members) + b"}" + rng.choice(SPACES)


def one_line(rng: Random, spec: WireSpec) -> bytes:
    """A document as it is, cut, or with a byte or a mark too many; sometimes nothing like it."""
    line = document(rng, spec)
    at = rng.randrange(len(line))
    byte = bytes([rng.randrange(256)])
    damages = [line[:at], line[:at] + byte + line[at + 1 :], line[:at] + byte + line[at:], b"\xef\xbb\xbf" + line]
    return rng.choice([line] * 8 + [*damages, rng.choice(VALUES)])


def decoded(spec: WireSpec, batch: Iterable[bytes], judged: bool) -> Decoded:
    """judged: all lines are refused by msgspec."""
    decoder = Decoder(spec)
    decoder.decode([])
    if judged:
        decoder._plans[None]._parser._read = refuse
    return decoder.decode(list(batch))


def refuse(_line: bytes) -> msgspec.Struct:
    raise msgspec.DecodeError


def same(one: Decoded, other: Decoded) -> None:
    assert one.rejects == other.rejects
    assert one.row.tolist() == other.row.tolist()
    for name, values in one.batch.columns.items():
        assert values.dtype == other.batch[name].dtype
        assert values.tolist() == other.batch[name].tolist() or values.tobytes() == other.batch[name].tobytes(), name
        if values.dtype == np.float64:
            assert (np.signbit(values) == np.signbit(other.batch[name])).all(), name


@given(st.randoms(use_true_random=True), st.sampled_from(SPECS))
@settings(max_examples=200, deadline=None)
def test_what_msgspec_takes_orjson_takes_with_the_same_values(rng: Random, spec: WireSpec) -> None:
    """Judging every line by orjson alone gives the same rows, the same rejects, and the same reasons."""
    batch = [one_line(rng, spec) for _ in range(rng.randint(1, 40))]
    same(decoded(spec, batch, judged=False), decoded(spec, batch, judged=True))


@pytest.mark.parametrize("spec", SPECS, ids=range(len(SPECS)))
def test_every_odd_value_in_every_place_is_judged_alike(spec: WireSpec) -> None:
    """As above, for each odd value as each member, by itself and after a good one."""
    good = {key: values[0].encode() for key, values in GOOD.items()}
    good['"at"'] = TIMES[spec.time_unit][0].encode()
    batch = []
    for key, last in good.items():
        for value in VALUES:
            once = b",".join(k.encode() + b":" + v for k, v in (good | {key: value}).items())
            batch += [b"{" + once + b"}", b"{" + once + b"," + key.encode() + b":" + last + b"}"]
    both = decoded(spec, batch, judged=False)
    same(both, decoded(spec, batch, judged=True))
    assert len(both.rejects) > 100


@given(st.randoms(use_true_random=True))
@settings(max_examples=50, deadline=None)
def test_a_line_is_judged_without_its_neighbours(rng: Random) -> None:
    """Each line by itself becomes the row or the reject that it becomes among others."""
    batch = [one_line(rng, SPEC) for _ in range(rng.randint(1, 20))]
    whole = decoded(SPEC, batch, judged=False)
    alone = [decoded(SPEC, [line], judged=False) for line in batch]
    assert [(at, r.reason, r.detail) for at, one in enumerate(alone) for r in one.rejects] == [
        (r.row, r.reason, r.detail) for r in whole.rejects
    ]
    for name, values in whole.batch.columns.items():
        np.testing.assert_array_equal(np.concatenate([one.batch[name] for one in alone]), values, err_msg=name)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (b"1e999", None),
        (b"-" + b"9" * 400, None),
        (b"[" * 200 + b"1e999" + b"]" * 200, None),
        (b'"\xff"', Reason.INVALID_UTF8),
        (b'"\\ud800"', Reason.INVALID_UTF8),
        (b'"\x01"', Reason.NOT_JSON),
        (b"01", Reason.NOT_JSON),
        (b"NaN", Reason.NAN),
        (b"[" * 1100 + b"]" * 1100, Reason.NESTED),
        (b"[" * 501 + b"1e999" + b"]" * 501, Reason.NAN),
    ],
)
@pytest.mark.parametrize("judged", [False, True])
def test_what_is_not_read_has_to_be_json_but_its_numbers_may_have_any_size(
    member: bytes, reason: Reason | None, judged: bool
) -> None:
    """Unread members are not converted, so nothing is lost by a number that float64 cannot hold."""
    line = b'{"id":"e","at":1500000000000,"user":{"id":"u"},"type":"play","unread":' + member + b"}"
    outcome = decoded(SPEC, [line], judged)
    assert [r.reason for r in outcome.rejects] == ([] if reason is None else [reason])
    read = decoded(SPEC, [line.replace(b"unread", b"ms")], judged)
    assert len(read.rejects) == 1
