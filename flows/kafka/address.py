"""A topic as people write it on a command line: kafka://host:port/topic."""

import re
from typing import Final, NamedTuple

from flows.kafka.connection import Connection
from flows.placeholders import Value
from flows.redaction import hidden
from state.errors import ConfigError

_FORM: Final = re.compile(r"kafka://([^/\s@]+:\d+(?:,[^/\s@]+:\d+)*)/([A-Za-z0-9._-]+)")


class Topic(NamedTuple):
    """A topic and where it is."""

    connection: Connection
    name: str


def parse_topic(text: str, properties: tuple[tuple[str, Value], ...] = ()) -> Topic:
    """The topic of "kafka://host:port,host:port/topic".  Raises ConfigError."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ConfigError(f"seen {hidden(text)!r}, allowed: kafka://host:port/topic, or several host:port with commas")
    return Topic(Connection(found[1], properties), found[2])
