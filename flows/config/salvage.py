"""All mistakes of a configuration at once: those of single keys, and what the rest of it amounts to without them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from flows.config.compile import mistakes
from flows.config.layers import Key, Layers, named_at
from flows.config.models import Config
from flows.config.problems import Problems, of_validation, together
from state.errors import ConfigError

_ROUNDS: Final = 3
"""How often what is wrong is taken out: a value may have hidden another one."""
_SECTION_KEY: Final = 2
"""How many parts of a key say what is taken out, where it is of no named thing."""
_COLUMNS: Final = ("event", "columns")
_NAMES: Final[Mapping[str, tuple[tuple[str, Key], ...]]] = {
    "sequences": (("column", _COLUMNS),),
    "features": (("column", _COLUMNS), ("sequence", ("sequences",))),
    "windows": (("features", ("features",)),),
    "detectors": (("windows", ("windows",)), ("features", ("features",))),
}
"""Named things -> their keys that name others, and where these are."""


def all_mistakes(error: ValidationError, layers: Layers) -> ConfigError:
    """What pydantic reports of these layers, and what compiling says of all that it has nothing against."""
    table, lines, broken = layers.merged(), [], set()
    for _ in range(_ROUNDS):
        for key, line in of_validation(error, layers):
            lines.append(line)
            broken.add(_without(table, key))
        try:
            rest = Config.model_validate(table)
        except ValidationError as further:
            error = further
            continue
        problems = Problems(layers, broken)
        _check_names(layers.merged(), table, broken, problems)
        return together([*lines, *mistakes(rest, problems)])
    return together(lines)


def _without(table: dict[str, Any], key: Key) -> Key:
    """Takes out what the key is about: a named thing as a whole, else a key of a section.  Returns the key of that."""
    at = key[: named_at(key) + 1 if named_at(key) else _SECTION_KEY]
    inner = _at(table, at[:-1])
    if isinstance(inner, dict):
        inner.pop(at[-1], None)
    return at


def _at(table: Any, key: Key) -> Any:
    for part in key:
        table = table.get(part) if isinstance(table, Mapping) else None
    return table


def _check_names(whole: Any, rest: Any, broken: Iterable[Key], problems: Problems) -> None:
    """Whether there is what the named things that were taken out name."""
    for at in sorted(broken):
        for key, where in _NAMES.get(at[0], ()):
            named = _at(whole, (*at, key))
            for name in named if isinstance(named, list) else [named]:
                known = _at(rest, where) or {}
                if isinstance(name, str) and name not in known and not problems.is_broken(*where, name):
                    problems.unknown((*at, key), name, known, f"names of {'.'.join(where)}")
