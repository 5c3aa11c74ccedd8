"""Avro of a schema registry, framed as Confluent does."""

import base64
import decimal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import orjson

from flows.formats.base import HEAD, MAGIC, UndecodableError
from flows.placeholders import Value, expanded, redacted
from flows.redaction import hidden
from state.errors import ConfigError, SourceError

_TRIES: Final = 5


@dataclass(frozen=True, slots=True, repr=False)
class AvroSpec:
    """Avro, framed with the id of its schema.  registry: properties of confluent_kafka's SchemaRegistryClient."""

    registry: tuple[tuple[str, Value], ...]

    def __repr__(self) -> str:
        return f"AvroSpec({redacted(dict(self.registry))!r})"

    def build(self) -> "Avro":
        """A decoder.  Raises ConfigError."""
        return Avro(dict(self.registry))


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
        if value[:1] != MAGIC or len(value) < HEAD:
            raise UndecodableError(f"expected Avro behind a schema id, found {value[:8]!r}")
        head = value[1:HEAD]
        schema = self._schemas.get(head)
        if schema is None:
            schema = self._schemas[head] = self._ask(int.from_bytes(head, "big"))
        stream = BytesIO(value)
        stream.seek(HEAD)
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


def _plain(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"no JSON for {type(value).__name__}")
