"""What a webhook's request says: a template of Jinja, in a sandbox, rendered for each record."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import orjson

from flows.sinks.base import Record
from flows.streams import Stream
from state.errors import ConfigError

SHIPPED: Final = ("record", "slack", "pagerduty")
"""Templates that are there, in flows/sinks/templates; other names are files."""


class UnrenderableError(Exception):
    """A record of which the template makes no body.  Its text is for the dead letters."""


class Body:
    """Renders records of one stream.

    A template sees `record`, `stream`, `id`, `time` (in event time, "" where the stream has none), `line` (the record
    in a line, for people), `heading` (the severity, or what the stream is called) and `values` (of the configuration);
    the filter `tojson` writes JSON, `mrkdwn` a text that Slack takes for nothing but a text.  What renders to nothing
    but blanks is not sent.  Names that are not there are mistakes, but for fields of `record`, which are empty.

    template: one of SHIPPED, or a file.  Raises ConfigError for one that is not there, or no template.
    """

    def __init__(self, template: str, stream: Stream, values: Mapping[str, Any]) -> None:
        try:
            from jinja2 import StrictUndefined, TemplateSyntaxError
            from jinja2.sandbox import ImmutableSandboxedEnvironment
        except ImportError as error:
            raise ConfigError(
                f'kind "webhook" needs the package jinja2 ({error}); install it: pip install "driftnet[webhook]"'
            ) from error
        found = files("flows.sinks") / "templates" / f"{template}.j2" if template in SHIPPED else Path(template)
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        environment.filters |= {"tojson": _json, "mrkdwn": _mrkdwn}
        try:
            self._template = environment.from_string(found.read_text())
        except OSError as error:
            allowed = ", ".join(SHIPPED)
            raise ConfigError(
                f"webhook: template: seen {template!r} ({error.strerror}), allowed: {allowed}, or a file to read"
            ) from None
        except (TemplateSyntaxError, UnicodeDecodeError) as error:
            line = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
            raise ConfigError(f"webhook: template {template}{line}: {error}") from None
        self._stream = stream
        self._values = dict(values)

    def render(self, record: Record, name: str) -> bytes:
        """The body; empty for what is not to be sent.  name: the record's id.  Raises UnrenderableError."""
        told = self._stream.records
        try:
            text = self._template.render(
                record=_Fields(record),
                stream=self._stream.value,
                id=name,
                time=record.get(told.time, "") if told.time else "",
                line=told.line(record),
                heading=record.get("severity") or self._stream.value,
                values=self._values,
            )
        except Exception as error:  # whatever somebody's template does
            raise UnrenderableError(f"the template fails: {type(error).__name__}: {error}") from error
        return text.strip().encode()


class _Fields(dict[str, Any]):
    """A record whose fields are empty where it has none."""

    def __missing__(self, key: str) -> str:
        return ""


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS, default=dict).decode()


def _mrkdwn(value: Any) -> str:
    """Ids come from outside, and <!channel> calls everybody."""
    return str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
