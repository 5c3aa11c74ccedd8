"""PostgreSQL, Valkey or Redis, and webhooks as sinks: tables, and the specs they stand for."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from flows.config.plugged import SinkSettings
from flows.config.secrets import Address, Secret, shown_headers, shown_path, shown_values
from flows.config.section import problem
from flows.durations import Duration
from flows.placeholders import Value
from flows.sinks.base import Delivery
from state.types import MINUTE_US, SECOND_US

if TYPE_CHECKING:
    from flows.sinks.base import SinkSpec

_TABLE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)?")
_OUTAGE: Final = "how long the server may be away while records wait in memory"


def _table(value: str) -> str:
    if value and not _TABLE.fullmatch(value):
        raise problem(value, 'a name such as "alerts", or "schema.alerts"')
    return value


class PostgresConfig(SinkSettings):
    """A table of PostgreSQL for one stream; a record is there once, as it was last told; needs `driftnet[postgres]`."""

    kind: Literal["postgres"] = Field(description="postgres")
    url: Address = Field(
        min_length=1,
        description='the database, as libpq takes it: "postgresql://user@host/name" or "host=... dbname=..."; "${NAME}"'
        " stands for an environment variable; passwords are never printed",
    )
    table: Annotated[str, AfterValidator(_table)] = Field(
        "", description="its name, or schema.name; it is made if it is not there; absent: the stream's name"
    )
    outage: Duration = Field(5 * MINUTE_US, description=f"{_OUTAGE}; after that the run is started again")

    @property
    def delivery(self) -> Delivery:
        return Delivery.UPSERT

    def sink(self) -> "SinkSpec":
        """What it stands for."""
        from flows.sinks.specs import PostgresSink

        return PostgresSink(self.url, self.table, self.outage / SECOND_US)


class RedisConfig(SinkSettings):
    """Keys, or a stream, of Valkey or Redis, for one stream; needs `driftnet[redis]`."""

    kind: Literal["redis"] = Field(description="redis")
    url: Address = Field(
        "redis://localhost:6379/0",
        min_length=1,
        description='the server: redis://, rediss:// (TLS) or unix://; "${NAME}" stands for an environment variable;'
        " passwords are never printed",
    )
    prefix: str = Field("", description="of the keys, PREFIX:ID, or the stream's key; absent: driftnet: and the stream")
    form: Literal["keys", "stream"] = Field(
        "keys",
        description="keys: one per record, which holds what was told last, as JSON; stream: an entry per record, each"
        " once",
    )
    expire: Duration = Field(0, description="of keys, how long they stay after they were last written; 0s: for ever")
    length_max: int = Field(0, ge=0, description="of the stream, about how many entries are kept; 0: all")
    outage: Duration = Field(5 * MINUTE_US, description=f"{_OUTAGE}; after that the run is started again")

    @property
    def delivery(self) -> Delivery:
        return Delivery.UPSERT if self.form == "keys" else Delivery.POSITION

    def mistakes(self) -> Iterator[PydanticCustomError]:
        if self.expire and self.form != "keys":
            yield problem("expire with a stream", 'expire with form "keys"; length_max bounds a stream', "expire")
        if self.length_max and self.form != "stream":
            yield problem("length_max with keys", 'length_max with form "stream"; expire bounds keys', "length_max")

    def sink(self) -> "SinkSpec":
        """What it stands for."""
        from flows.sinks.specs import RedisSink

        return RedisSink(
            self.url,
            self.prefix,
            self.form,
            self.expire / SECOND_US,
            self.length_max,
            self.outage / SECOND_US,
        )


class WebhookConfig(SinkSettings):
    """A request to an HTTP endpoint per record of one stream, signed; needs `driftnet[webhook]`."""

    kind: Literal["webhook"] = Field(description="webhook")
    url: Annotated[str, PlainSerializer(shown_path)] = Field(
        min_length=1,
        repr=False,
        description='http:// or https://; "${NAME}" stands for an environment variable; paths are never printed',
    )
    dead_letters: str = Field(
        min_length=1, description="the file, JSON Lines, of records that were refused, or not taken in time"
    )
    template: str = Field(
        "record", min_length=1, description="what is sent: record (as it is), slack, pagerduty, or a file, of Jinja"
    )
    headers: Annotated[dict[str, str], PlainSerializer(shown_headers)] = Field(
        {}, repr=False, description='further headers, such as "authorization"; their values are never printed'
    )
    values: Annotated[dict[str, Value], PlainSerializer(shown_values)] = Field(
        {}, repr=False, description='for the template, as `values`; pagerduty wants "routing_key"'
    )
    secret: Secret = Field(
        "", description='to sign with: text, or "whsec_" and base64; never printed; absent: no signature'
    )
    timeout: Duration = Field(10 * SECOND_US, ge=SECOND_US // 10, description="how long to wait for an answer")
    outage: Duration = Field(
        2 * MINUTE_US, description="how long it may be away while records wait; after that they are dead letters"
    )

    def mistakes(self) -> Iterator[PydanticCustomError]:
        if self.template == "pagerduty" and not self.values.get("routing_key"):
            yield problem("nothing", "the service's integration key", ("values", "routing_key"))

    def sink(self) -> "SinkSpec":
        """What it stands for."""
        from flows.sinks.specs import WebhookSink

        return WebhookSink(
            self.url,
            self.dead_letters,
            self.template,
            tuple(self.headers.items()),
            tuple(self.values.items()),
            self.secret,
            self.timeout / SECOND_US,
            self.outage / SECOND_US,
        )
