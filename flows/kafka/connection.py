"""Where a Kafka cluster is, and how to speak to it without telling its secrets to anybody else."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flows.placeholders import Value, expand, expanded, redacted
from flows.redaction import hidden
from state.errors import ConfigError

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Producer
    from confluent_kafka.admin import AdminClient

_log: Final = logging.getLogger("driftnet.kafka.client")
"""The client's own lines, several a second while something is wrong; what they mean is said by those who use it."""
_log.setLevel(logging.CRITICAL)
_DEFAULTS: Final[Mapping[str, Mapping[str, Value]]] = {
    # A fetch that is answered with the first message costs as much as one that is answered with hundreds.
    "Consumer": {"fetch.min.bytes": 1 << 16, "fetch.wait.max.ms": 50},
}
"""What the configured properties may change, by kind of client."""


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    """A cluster.

    brokers: "host:port" of one or more, separated by commas.  properties: further ones of librdkafka, as it names them
    ("security.protocol", "sasl.password", "ssl.ca.location", ...).  In both "${NAME}" stands for an environment
    variable, which is read when a client is made.
    """

    brokers: str
    properties: tuple[tuple[str, Value], ...] = ()

    @property
    def address(self) -> str:
        """The brokers, whatever stands for them.  Raises ConfigError."""
        return expand("brokers", self.brokers)

    def __repr__(self) -> str:
        return f"Connection({self.brokers!r}, {redacted(dict(self.properties))!r})"

    def consumer(self, own: Mapping[str, Any]) -> "Consumer":
        """A consumer.  own: properties that the configured ones may not change.  Raises ConfigError."""
        return self._client("Consumer", own)

    def producer(self, own: Mapping[str, Any]) -> "Producer":
        """A producer.  own: properties that the configured ones may not change.  Raises ConfigError."""
        return self._client("Producer", own)

    def admin(self) -> "AdminClient":
        """A client that looks at topics and makes them.  Raises ConfigError."""
        require_kafka()
        from confluent_kafka.admin import AdminClient

        return self._made(AdminClient, {})

    def _client(self, kind: str, own: Mapping[str, Any]) -> Any:
        require_kafka()
        import confluent_kafka

        return self._made(getattr(confluent_kafka, kind), own)

    def _made(self, kind: Any, own: Mapping[str, Any]) -> Any:
        from confluent_kafka import KafkaException

        defaults = {"client.id": "driftnet", **_DEFAULTS.get(kind.__name__, {})}
        settings = {**defaults, **expanded(dict(self.properties)), **own}
        try:
            return kind(settings | {"bootstrap.servers": self.address}, logger=_log)
        except (KafkaException, TypeError, ValueError) as error:
            reason = error.args[0].str() if isinstance(error, KafkaException) else error
            raise ConfigError(
                hidden(f"Kafka at {self.address}: the client's properties do not fit: {reason}")
            ) from None


def require_kafka() -> None:
    """Raises ConfigError where the client library is not installed."""
    try:
        import confluent_kafka  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f'kind "kafka" needs the package confluent-kafka ({error}); install it: pip install "driftnet[kafka]"'
        ) from error
