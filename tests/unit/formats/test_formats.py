"""Avro and Protocol Buffers to JSON lines: real encoders write, a registry of a few lines answers over HTTP."""

import datetime as dt
import decimal
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from flows.config import loads
from flows.formats.avro import AvroSpec
from flows.formats.base import UndecodableError
from flows.formats.protobuf import ProtobufSpec, _behind_frame
from state.errors import ConfigError, SourceError

SCHEMA = {
    "type": "record",
    "name": "Play",
    "fields": [
        {"name": "user", "type": "string"},
        {"name": "ms", "type": ["null", "int"], "default": None},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "raw", "type": "bytes"},
        {"name": "device", "type": {"type": "record", "name": "Device", "fields": [{"name": "id", "type": "string"}]}},
    ],
}
AT = dt.datetime(2024, 5, 1, 12, 0, 0, 250_000, dt.UTC)
PLAY = {"user": "ann", "ms": 5, "at": AT, "price": decimal.Decimal("1.25"), "raw": b"\xff", "device": {"id": "d"}}


class Registry(ThreadingHTTPServer):
    """Schema 7, and nothing else; failing: how many requests get an error first."""

    failing = 0
    asked = 0
    handler: type[BaseHTTPRequestHandler]


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.server.failing:
            self.server.failing -= 1
            code, body = 503, {"error_code": 50301, "message": "away"}
        elif "/schemas/ids/7" in self.path:
            code, body = 200, {"schema": json.dumps(SCHEMA)}
        else:
            code, body = 404, {"error_code": 40403, "message": "Schema not found"}
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


Registry.handler = _Handler


@pytest.fixture
def registry() -> Iterator[Registry]:
    server = Registry(("127.0.0.1", 0), Registry.handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def avro(registry: Registry, **more: Any) -> Any:
    url = f"http://127.0.0.1:{registry.server_address[1]}"
    return AvroSpec((("url", url), *more.items())).build()


def framed(record: Any, number: int = 7) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), record)
    return b"\0" + number.to_bytes(4, "big") + out.getvalue()


def test_avro(registry: Registry) -> None:
    """Members by name; times as ISO 8601, decimals as numbers, bytes as base64; the schema is asked for once."""
    reader = avro(registry)
    for _ in range(3):
        assert json.loads(reader.line(framed(PLAY))) == {
            "user": "ann",
            "ms": 5,
            "at": "2024-05-01T12:00:00.250000+00:00",
            "price": 1.25,
            "raw": "/w==",
            "device": {"id": "d"},
        }
    assert json.loads(reader.line(framed(PLAY | {"ms": None})))["ms"] is None
    assert registry.asked == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", "behind a schema id"),
        (b'{"a": 1}', "behind a schema id"),
        (b"\0\0\0", "behind a schema id"),
        (framed(PLAY, 8), "no schema with id 8"),
        (framed(PLAY)[:12], "not of its schema, id 7"),
        (b"\0\0\0\0\x07\xff\xff\xff\xff\xff\xff", "not of its schema, id 7"),
    ],
)
def test_poison_avro(registry: Registry, value: bytes, said: str) -> None:
    """A value that cannot be read says why; the next one can."""
    reader = avro(registry)
    with pytest.raises(UndecodableError, match=said):
        reader.line(value)
    assert json.loads(reader.line(framed(PLAY)))["user"] == "ann"


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    """Never anything else, whatever the bytes are."""
    reader = AvroSpec((("url", "http://127.0.0.1:1"),)).build()
    reader._schemas[b"\0\0\0\x07"] = fastavro.parse_schema(SCHEMA)
    with suppress(UndecodableError):
        reader.line(b"\0\0\0\0\x07" + value)


def test_registry_that_is_away_for_a_moment(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again; messages are not poison because nobody answers."""
    monkeypatch.setattr("flows.formats.avro.time.sleep", lambda seconds: None)
    registry.failing = 2
    reader = avro(registry, **{"max.retries": 0})
    assert json.loads(reader.line(framed(PLAY)))["user"] == "ann"


def test_registry_that_stays_away(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends with the address and what becomes of it."""
    monkeypatch.setattr("flows.formats.avro.time.sleep", lambda seconds: None)
    registry.failing = 1000
    with pytest.raises(SourceError, match=r"schema registry http://127\.0\.0\.1:\d+: .* nothing is lost"):
        avro(registry, **{"max.retries": 0}).line(framed(PLAY))


def _field(name: str, number: int, kind: str, **more: Any) -> descriptor_pb2.FieldDescriptorProto:
    types = descriptor_pb2.FieldDescriptorProto
    label = types.LABEL_REPEATED if more.pop("repeated", False) else types.LABEL_OPTIONAL
    return types(name=name, number=number, type=getattr(types, f"TYPE_{kind}"), label=label, **more)


def definition() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="play.proto", package="music", syntax="proto3")
    kind = file.enum_type.add(name="Kind")
    kind.value.add(name="PLAY", number=0)
    kind.value.add(name="SKIP", number=1)
    file.message_type.add(name="Device").field.append(_field("id", 1, "STRING"))
    play = file.message_type.add(name="Play")
    play.nested_type.add(
        name="CountsEntry",
        field=[_field("key", 1, "STRING"), _field("value", 2, "INT32")],
        options=descriptor_pb2.MessageOptions(map_entry=True),
    )
    play.field.extend(
        [
            _field("user", 1, "STRING"),
            _field("ms", 2, "INT64"),
            _field("kind", 3, "ENUM", type_name=".music.Kind"),
            _field("device", 4, "MESSAGE", type_name=".music.Device"),
            _field("tags", 5, "STRING", repeated=True),
            _field("raw", 6, "BYTES"),
            _field("counts", 7, "MESSAGE", type_name=".music.Play.CountsEntry", repeated=True),
        ]
    )
    return file


@pytest.fixture
def descriptor(tmp_path: Path) -> str:
    path = tmp_path / "play.desc"
    path.write_bytes(descriptor_pb2.FileDescriptorSet(file=[definition()]).SerializeToString())
    return str(path)


def play(**fields: Any) -> bytes:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(definition())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("music.Play"))(**fields).SerializeToString()


def test_protobuf(descriptor: str) -> None:
    """Numbers stay numbers, whatever their size; enums are words; what is not set is null, or proto3's zero."""
    reader = ProtobufSpec(descriptor, "music.Play").build()
    value = play(user="ann", ms=2**40, kind=1, device={"id": "d"}, tags=["a", "b"], raw=b"\xff", counts={"x": 3})
    assert json.loads(reader.line(value)) == {
        "user": "ann",
        "ms": 2**40,
        "kind": "SKIP",
        "device": {"id": "d"},
        "tags": ["a", "b"],
        "raw": "/w==",
        "counts": {"x": 3},
    }
    empty = json.loads(reader.line(b""))
    assert (empty["user"], empty["ms"], empty["kind"], empty["device"]) == ("", 0, "PLAY", None)


def test_protobuf_behind_a_frame(descriptor: str) -> None:
    """The schema's id and the message's place in its file are skipped."""
    reader = ProtobufSpec(descriptor, "music.Play", framed=True).build()
    for indexes in (b"\0", b"\x02\x02", b"\x04\x02\x00"):
        assert json.loads(reader.line(b"\0\0\0\0\x07" + indexes + play(user="ann")))["user"] == "ann"
    for value in (b"", b"\0\0\0\0\x07", b"\0\0\0\0\x07\x02", play(user="ann"), b"\0\0\0\0\x07\x04\x82"):
        with pytest.raises(UndecodableError, match="framing"):
            reader.line(value)


@given(st.binary(max_size=30))
def test_frame_of_any_bytes(value: bytes) -> None:
    """It ends inside the value, or is refused."""
    with suppress(UndecodableError):
        assert 5 < _behind_frame(value) <= len(value)


def test_poison_protobuf(descriptor: str) -> None:
    """A value that is no message says so."""
    with pytest.raises(UndecodableError, match=r"not a music\.Play"):
        ProtobufSpec(descriptor, "music.Play").build().line(b"\xff\xff\xff")


def test_descriptor_that_does_not_fit(descriptor: str, tmp_path: Path) -> None:
    """A missing file, another kind of file and a missing message are told apart."""
    with pytest.raises(ConfigError, match=r"no message 'music\.Song'; it has: music\.Device, music\.Play"):
        ProtobufSpec(descriptor, "music.Song").build()
    with pytest.raises(ConfigError, match="cannot be read"):
        ProtobufSpec(str(tmp_path / "none"), "music.Play").build()
    (tmp_path / "text").write_text("syntax = proto3")
    with pytest.raises(ConfigError, match="cannot be read"):
        ProtobufSpec(str(tmp_path / "text"), "music.Play").build()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('format = "avro"', "sources.a.format: seen 'avro', allowed: a table, { kind = \"avro\", registry = ... }"),
        ('format = { kind = "avro", registry = { timeout = 5 } }', "format.registry.url: seen nothing"),
        ('format = { kind = "protobuf", message = "x" }', "format.descriptor: seen nothing"),
        ('format = { kind = "json", framed = true }', "format.framed: seen the key 'framed', allowed: the keys kind"),
        ('format = "xml"', "sources.a.format: seen 'xml', allowed: avro, json, protobuf"),
        ("format = { framed = true }", "sources.a.format.kind: seen nothing, allowed: avro, json, protobuf"),
        ("format = 3", "sources.a.format: seen 3, allowed: a table with a kind"),
    ],
)
def test_configuration(keys: str, said: str) -> None:
    """What a format needs, and what belongs to another one."""
    with pytest.raises(ConfigError) as caught:
        loads(f'[sources.a]\nkind = "kafka"\ntopics = "plays"\n{keys}\n', "test")
    assert said in str(caught.value)


def test_files_are_of_formats_of_lines() -> None:
    """What has line ends in its midst cannot be read line by line."""
    table = 'format = { kind = "protobuf", descriptor = "d", message = "M" }'
    with pytest.raises(ConfigError, match=r"a\.format: seen 'protobuf', allowed: formats of lines of text: json"):
        loads(f'[sources.a]\nkind = "files"\npaths = ["x"]\n{table}\n', "test")
