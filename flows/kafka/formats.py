"""Values that are not JSON: Avro of a schema registry, Protocol Buffers of a descriptor.  Each becomes a JSON line.

So paths, limits, dead letters and everything behind them are the same for all formats.
"""

import base64
import decimal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from flows.placeholders import Value, expanded, redacted
from flows.redaction import hidden
from state.errors import ConfigError, SourceError

_MAGIC: Final = b"\0"
_HEAD: Final = 5
"""Confluent's framing: the magic byte and the schema's id, in front of the value."""
_TRIES: Final = 5


class UndecodableError(Exception):
    """A value that is not of the format, or of an unknown schema.  Its text is for the dead-letter stream."""


class Format(Protocol):
    """Decodes values."""

    def line(self, value: bytes) -> bytes:
        """The value as JSON.  Raises UndecodableError; SourceError when the registry does not answer."""


class FormatSpec(Protocol):
    """A format as it is configured."""

    def build(self) -> Format:
        """A decoder.  Raises ConfigError."""


@dataclass(frozen=True, slots=True, repr=False)
class AvroSpec:
    """Avro, framed with the id of its schema.  registry: properties of confluent_kafka's SchemaRegistryClient."""

    registry: tuple[tuple[str, Value], ...]

    def __repr__(self) -> str:
        return f"AvroSpec({redacted(dict(self.registry))!r})"

    def build(self) -> "Avro":
        """A decoder.  Raises ConfigError."""
        return Avro(dict(self.registry))


@dataclass(frozen=True, slots=True)
class ProtobufSpec:
    """Protocol Buffers.

    descriptor: a file descriptor set (protoc --include_imports --descriptor_set_out).  message: its full name.
    framed: whether values begin with Confluent's framing, which is then skipped.
    """

    descriptor: str
    message: str
    framed: bool = False

    def build(self) -> "Protobuf":
        """A decoder.  Raises ConfigError."""
        return Protobuf(self)


class Avro:
    """Schemas are asked for once, and remembered.  Logical types become what JSON has: times ISO 8601 text, decimals
    numbers, bytes base64 text.
    """

    def __init__(self, registry: Mapping[str, Value]) -> None:
        try:
            import fastavro
            from confluent_kafka.schema_registry import SchemaRegistryClient
        except ImportError as error:
            raise ConfigError(f'format "avro" needs more packages ({error}): pip install "driftnet[avro]"') from error
        self._url = hidden(str(registry.get("url", "")))
        try:
            self._registry = SchemaRegistryClient(expanded(registry))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"registry: {hidden(str(error))}") from None
        self._parse, self._read = fastavro.parse_schema, fastavro.schemaless_reader
        self._schemas: dict[bytes, Any] = {}

    def line(self, value: bytes) -> bytes:
        """The record as JSON."""
        if value[:1] != _MAGIC or len(value) < _HEAD:
            raise UndecodableError(f"expected Avro behind a schema id, found {value[:8]!r}")
        head = value[1:_HEAD]
        schema = self._schemas.get(head)
        if schema is None:
            schema = self._schemas[head] = self._ask(int.from_bytes(head, "big"))
        stream = BytesIO(value)
        stream.seek(_HEAD)
        try:
            return orjson.dumps(self._read(stream, schema, None), default=_plain)
        except Exception as error:  # fastavro raises whatever the bytes lead to
            number = int.from_bytes(head, "big")
            raise UndecodableError(f"not of its schema, id {number}: {type(error).__name__} {error}") from error

    def _ask(self, number: int) -> Any:
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        reason: Exception | None = None
        for attempt in range(_TRIES):
            time.sleep(0.1 * 2**attempt if attempt else 0.0)
            try:
                return self._parse(orjson.loads(self._registry.get_schema(number).schema_str or ""))
            except SchemaRegistryError as error:
                if error.http_status_code == 404:
                    raise UndecodableError(f"the registry has no schema with id {number}") from error
                reason = error
            except Exception as error:  # the client's HTTP library has errors of its own
                reason = error
        raise SourceError(
            f"schema registry {self._url}: no schema with id {number} after {_TRIES} tries: {hidden(str(reason))};"
            " nothing is lost, the run goes on from its last checkpoint"
        ) from None


class Protobuf:
    """Fields by their names in the definition; enums as their words, bytes as base64 text; no value is null."""

    def __init__(self, spec: ProtobufSpec) -> None:
        try:
            from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
            from google.protobuf.message import DecodeError
        except ImportError as error:
            raise ConfigError(
                f'format "protobuf" needs more packages ({error}): pip install "driftnet[protobuf]"'
            ) from error
        self._spec = spec
        pool = descriptor_pool.DescriptorPool()
        try:
            files = descriptor_pb2.FileDescriptorSet.FromString(Path(spec.descriptor).read_bytes()).file
            for file in files:
                pool.Add(file)
            found = pool.FindMessageTypeByName(spec.message)
        except (OSError, DecodeError, TypeError) as error:
            raise ConfigError(f"descriptor {spec.descriptor}: cannot be read: {error}") from error
        except KeyError as error:
            names = ", ".join(f"{file.package}.{m.name}".lstrip(".") for file in files for m in file.message_type)
            raise ConfigError(f"descriptor {spec.descriptor}: no message {spec.message!r}; it has: {names}") from error
        self._type = message_factory.GetMessageClass(found)
        self._error = DecodeError

    def line(self, value: bytes) -> bytes:
        """The message as JSON."""
        try:
            message = self._type.FromString(value[_behind_frame(value) :] if self._spec.framed else value)
        except self._error as error:
            raise UndecodableError(f"not a {self._spec.message}: {error}") from error
        return orjson.dumps(_fields(message))


def _behind_frame(value: bytes) -> int:
    """Where the message begins: behind magic byte, schema id and the path of message indexes, which are zigzag."""
    if value[:1] != _MAGIC or len(value) <= _HEAD:
        raise UndecodableError(f"expected Confluent's framing, found {value[:8]!r}")
    at = _HEAD
    count, at = _varint(value, at)
    for _ in range(count >> 1):
        _, at = _varint(value, at)
    return at


def _varint(value: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(value):
        byte = value[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    raise UndecodableError("expected Confluent's framing, found an end in its midst")


def _fields(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            of_value = field.message_type.fields_by_name["value"]
            found[field.name] = {str(key): _value(of_value, each) for key, each in value.items()}
        elif field.is_repeated:
            found[field.name] = [_value(field, each) for each in value]
        elif field.has_presence and not message.HasField(field.name):
            found[field.name] = None
        else:
            found[field.name] = _value(field, value)
    return found


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return _fields(value)
    if field.enum_type is not None:
        word = field.enum_type.values_by_number.get(value)
        return word.name if word is not None else value
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _plain(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"no JSON for {type(value).__name__}")
