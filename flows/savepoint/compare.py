"""What changed between two looks into state."""

from collections.abc import Iterator
from typing import Any

from flows.evolution.layout import changes
from flows.savepoint.look import Look


def compare(one: Look, other: Look) -> dict[str, Any]:
    """figures: path -> [before, after] of every number that differs.  settings: how the jobs differ, as text."""
    before, after = (dict(_flat(look.describe())) for look in (one, other))
    names = sorted(before.keys() | after.keys())
    figures = {name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)}
    settings = [
        line for part in ("layout", "replaceable") for line in changes(one.shape[part], other.shape[part]).values()
    ]
    settings += [
        f"{name} was {one.shape[name]!r}, is {other.shape[name]!r}"
        for name in ("key_groups", "cohorts", "partitions")
        if one.shape[name] != other.shape[name]
    ]
    return {"figures": figures, "settings": settings}


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", len(value) if isinstance(value, list) else value
