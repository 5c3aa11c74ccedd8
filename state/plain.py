"""Specifications as JSON values, to tell whether two are the same: in digests of jobs, and of what saved state means.

A key at its default changes nothing: one that a newer build adds leaves the digests of all who do not use it as they
were, if it is marked LATER, and so what was saved under them.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

LATER: Final[Mapping[str, bool]] = MappingProxyType({"later": True})
"""Metadata of a field that was not there when digests of jobs were first taken."""


def by_default(field: Field[Any], value: Any) -> bool:
    """Whether a field has the value that it has where nothing is said."""
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return bool(value == default)


def told(thing: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a dataclass instance, and their values, without later ones that are as by default."""
    for field in fields(thing):
        value = getattr(thing, field.name)
        if not (field.name.startswith("_") or (LATER.items() <= field.metadata.items() and by_default(field, value))):
            yield field.name, value


def not_by_default(thing: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a dataclass instance that are not as by default, and their values."""
    for field in fields(thing):
        value = getattr(thing, field.name)
        if not by_default(field, value):
            yield field.name, value


def plain(value: Any) -> Any:
    """A value as JSON has it; of dataclasses what is `told`, and of those that have one their type and version."""
    if is_dataclass(value) and not isinstance(value, type):
        kind = getattr(value, "type", None)
        about = {"type": kind, "version": value.version} if isinstance(kind, str) and hasattr(value, "version") else {}
        return {name: plain(each) for name, each in told(value)} | about
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    return None if isinstance(value, float) and math.isnan(value) else value
