"""Values of the configuration that may be secrets, and may stand in the environment: "${NAME}"."""

import os
import re
from collections.abc import Mapping
from typing import Final

from flows.redaction import REDACTED, is_secret, remember, shown
from state.errors import ConfigError

Value = str | int | float | bool
VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_USER_INFO: Final = re.compile(r"://([^/\s@]+)@")


def redacted(properties: Mapping[str, Value]) -> dict[str, Value]:
    """The properties as they may be shown: a secret that is not a mere "${VARIABLE}" is replaced."""
    return {key: value if VARIABLE.fullmatch(str(value)) else shown(value, key) for key, value in properties.items()}


def expanded(properties: Mapping[str, Value]) -> dict[str, Value]:
    """The properties with each "${NAME}" replaced by the environment variable.  Raises ConfigError for an unset one.

    What is a secret by its name, or came from the environment, is one from now on, whoever prints it.
    """
    found = {key: expand(key, value) if isinstance(value, str) else value for key, value in properties.items()}
    for key, value in found.items():
        if is_secret(key) or value != properties[key]:
            for part in (str(value), *_USER_INFO.findall(str(value))):
                remember(part)
    return found


def expand(key: str, text: str) -> str:
    """One such text.  key: what it stands under.  Raises ConfigError."""
    if REDACTED in text:
        raise ConfigError(
            f"{key}: seen {text!r}, where {REDACTED} stands where a secret was not written down;"
            f' give it as "${{NAME}}" and set that environment variable, so that saved configurations can be run again'
        )

    def value(name: re.Match[str]) -> str:
        found = os.environ.get(name[1])
        if found is None:
            raise ConfigError(f"{key}: names the environment variable {name[1]}, which is not set")
        return found

    return VARIABLE.sub(value, text)
