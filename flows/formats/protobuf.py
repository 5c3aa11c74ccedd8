"""Protocol Buffers of a descriptor, with or without Confluent's framing."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from flows.formats.base import HEAD, MAGIC, UndecodableError
from state.errors import ConfigError


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
    if value[:1] != MAGIC or len(value) <= HEAD:
        raise UndecodableError(f"expected Confluent's framing, found {value[:8]!r}")
    at = HEAD
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
