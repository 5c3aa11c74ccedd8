"""Features, windows and detectors that had another name when state was saved (`renamed_from`)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

Value = TypeVar("Value")
Names = Mapping[str, str]
"""Name in saved state -> name now."""
_TABLES: Final = {
    "features": ("layout", "feature"),
    "windows": ("layout", "window"),
    "detectors": ("replaceable", "detector"),
}
"""Kind -> the table of a shape in which there are settings of it, and what they are called there."""


@dataclass(frozen=True, slots=True)
class Renames:
    """What the configuration says was called otherwise: (name in saved state, name now) of each.

    A name of before is nobody's name now, so state that has one is from before, and state that has not has been renamed
    already.
    """

    features: tuple[tuple[str, str], ...] = ()
    windows: tuple[tuple[str, str], ...] = ()
    detectors: tuple[tuple[str, str], ...] = ()

    def to_plain(self) -> dict[str, dict[str, str]]:
        """As JSON values, by kind; nothing where nothing was."""
        return {kind: dict(getattr(self, kind)) for kind in _TABLES if getattr(self, kind)}


def moved(table: Mapping[str, Value], names: Names) -> dict[str, Value]:
    """A table under the names of now.  What had an old name takes the place of what had the new one."""
    return {k: v for k, v in table.items() if k not in names} | {names[k]: v for k, v in table.items() if k in names}


def called(names: Iterable[str], renamed: Names) -> tuple[str, ...]:
    """Some names, as they are now."""
    return tuple(renamed.get(name, name) for name in names)


def told_in(text: str, renamed: Names) -> str:
    """A list of names as settings have it."""
    return ", ".join(called(text.split(", "), renamed))


def renamed_shape(
    shape: Mapping[str, Any], renames: Mapping[str, Names]
) -> tuple[dict[str, Any], list[str], list[str]]:
    """The shape of saved state under the names of now; sentences about what was renamed, and about what could not be.

    renames: name before -> name now, by kind.  The layout in a shape is not renamed here (`Layout.renamed`).
    """
    found, told, missing = dict(shape), list[str](), list[str]()
    for kind, (table, word) in _TABLES.items():
        names = renames.get(kind, {})
        settings = dict(found[table])
        for old, new in names.items():
            of = settings.pop(f"{word} {old}", None)
            if of is not None:
                # A declaration's settings tell its name, a detector's do not.
                settings[f"{word} {new}"] = of | ({"name": repr(new)} if "name" in of else {})
                told.append(f"{word} {new} was called {old}")
            elif f"{word} {new}" not in settings:
                missing.append(f"{word} {new}: nothing was called {old}")
        found[table] = settings
    features, windows = renames.get("features", {}), renames.get("windows", {})
    for table in ("layout", "replaceable"):
        found[table] = {
            name: of | {"features": told_in(of["features"], features)} if "features" in of else of
            for name, of in found[table].items()
        }
    detectors = moved(shape.get("detectors") or {}, renames.get("detectors", {}))
    found["detectors"] = {name: list(called(of, windows)) for name, of in detectors.items()}
    return found, told, missing
