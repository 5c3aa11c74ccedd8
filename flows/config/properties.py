"""Properties of Kafka's clients in the configuration, as librdkafka and the schema registry's client name them."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from flows.config.section import problem
from flows.kafka.properties import CLIENT, REGISTRY, instead
from flows.placeholders import Value, redacted


def _plain(value: object) -> object:
    """Properties as librdkafka names them.  TOML reads a bare key with dots as tables inside each other, as --set does,
    which is to win over quoted keys.
    """
    if not isinstance(value, dict):
        raise problem(f"a {type(value).__name__}", 'a table such as { "security.protocol" = "SASL_SSL" }')
    found = dict(_flat(value))
    for key, each in found.items():
        if not isinstance(each, Value):  # without its value, which may be a secret
            raise problem(f"a {type(each).__name__}", "a text, a number, true or false", key)
    return found


def _flat(table: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in sorted(table.items(), key=lambda item: isinstance(item[1], dict)):
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _ours(value: dict[str, Value]) -> dict[str, Value]:
    _known(value, CLIENT)
    for key in value:
        if key in ("bootstrap.servers", "metadata.broker.list", "group.id", "enable.auto.commit", "transactional.id"):
            raise problem(f"the property {key!r}", "properties that Driftnet does not set itself", key)
    return value


def _known(value: dict[str, Value], known: AbstractSet[str]) -> dict[str, Value]:
    for key in value:
        if key not in known:
            hint = instead(key, known)
            raise problem(f"the property {key!r}", "properties that the client knows", key, hint)
    return value


_shown = PlainSerializer(redacted, return_type=dict)
Client = Annotated[dict[str, Value], BeforeValidator(_plain), AfterValidator(_ours), _shown]
Registry = Annotated[dict[str, Value], BeforeValidator(_plain), AfterValidator(partial(_known, known=REGISTRY)), _shown]
