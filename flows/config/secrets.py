"""Types of values that are secrets, or hold some: they are used, and never shown."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, PlainSerializer

from flows.placeholders import VARIABLE, Value, redacted
from flows.redaction import REDACTED, is_secret, shown


def shown_secret(text: str) -> str:
    """A variable's name, which is no secret, or that there is one."""
    return text if not text or VARIABLE.fullmatch(text) else REDACTED


def shown_path(url: str) -> str:
    """Paths of webhooks are secrets as a rule."""
    if VARIABLE.search(url):
        return str(shown(url))
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}/{REDACTED}" if parts.path.strip("/") or parts.query else str(shown(url))


def shown_values(values: dict[str, Value]) -> dict[str, Value]:
    """Those whose names say that they are secrets are none that are shown."""
    return {k: REDACTED if is_secret(k) and not VARIABLE.search(str(v)) else v for k, v in redacted(values).items()}


def shown_headers(headers: dict[str, str]) -> dict[str, str]:
    """Headers are for secrets, but for those that are known to be none."""
    return {k: v if k.lower() in ("content-type", "accept") else shown_secret(v) for k, v in headers.items()}


Secret = Annotated[str, Field(repr=False), PlainSerializer(shown_secret)]
"""A text that is never shown; "${NAME}" in it stands for an environment variable, once `expanded` reads it."""
Address = Annotated[str, Field(repr=False), PlainSerializer(shown)]
"""An address that may hold a user and a password, which are never shown."""
