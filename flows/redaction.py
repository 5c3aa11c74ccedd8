"""Secrets out of what is shown or written: by the name that they stand under, by their shape, and by their value.

Errors of libraries say what they were given, and people mistype names and quotes; so a name that is known to hold a
secret is not enough.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

REDACTED: Final = "[redacted]"
_NAME: Final = re.compile(
    r"pas+w|pwd|passphrase|secret|token|credential|api.?key|routing.?key|jaas|\.pem$|oauthbearer\.config|user\.info|private.?key",
    re.IGNORECASE,
)
_SHAPES: Final = (
    # scheme://user:password@host
    (re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://)[^\s/@'\"]*@", re.IGNORECASE), rf"\g<before>{REDACTED}@"),
    # user:password@host, where the scheme is missing or mistyped, or a / is in the password; not host:port/...@...
    (re.compile(r"[^\s/@:'\"\[\]{}=,]+:(?!//|\d+[/?#])[^\s@'\"]+@(?=[\w.\[])"), f"{REDACTED}@"),
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL), REDACTED),
    (re.compile(r"(?P<before>\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE), rf"\g<before>{REDACTED}"),
    # password = ..., 'sasl.password': ..., as in TOML, JSON, Python and Java's JAAS
    (
        re.compile(
            r"(?P<before>[\w.-]*(?:pas+w|pwd|passphrase|secret|token|credential|jaas)[\w.-]*"
            r"(?:[\"']?\s*=\s*|[\"']\s*:\s*))(?!\[redacted\])(?:\"[^\"]*\"?|'[^']*'?|[^\s,;}\]]+)",
            re.IGNORECASE,
        ),
        rf"\g<before>{REDACTED}",
    ),
)
_HARMLESS: Final = (".url", ".location", ".source", ".file", ".client.id", ".type")
"""Ends of names that tell where a secret is, and not the secret."""
_VALUE_MIN: Final = 4
"""A shorter text is in too many others."""
_values: set[str] = set()


def is_secret(name: str) -> bool:
    """Whether what stands under this name is not to be shown."""
    return _NAME.search(name) is not None and not name.endswith(_HARMLESS)


def remember(value: str) -> None:
    """From now on this text is a secret, wherever it appears in this process."""
    if len(value) >= _VALUE_MIN:
        _values.add(value)


def hidden(text: str) -> str:
    """The text without secrets that it looks like having, or that were remembered."""
    for value in sorted(_values, key=len, reverse=True):
        text = text.replace(value, REDACTED)
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text


def shown(value: Any, name: str = "") -> Any:
    """A value of a configuration, of any depth, as it may be shown.  name: what it stands under."""
    if isinstance(value, Mapping):
        return {key: shown(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [shown(inner, name) for inner in value]
    if is_secret(name):
        return REDACTED
    return hidden(value) if isinstance(value, str) else value
