"""From tables of a configuration to frozen specifications, and back: one rule for detectors, policy, drift, commands.

A specification is a dataclass; its fields are the keys of its table.  A field `x_us` is written as the duration `x`.
"""

import dataclasses
import types
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from state.durations import ALLOWED, parse_duration_us
from state.errors import ConfigError, DriftnetError, Mistake
from state.words import did_you_mean, one_of

Spec = TypeVar("Spec")
Readers = Mapping[str, Callable[[Any], Any]]
"""Field -> how its value is read, where a table writes it otherwise.  Each raises ConfigError."""
_NONE: Final[Readers] = MappingProxyType({})


class UnfitError(Exception):
    """A value that a field does not take.  mistakes: as of ConfigError."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes


def keys_of(spec: type[Any]) -> dict[str, str]:
    """Key in the configuration -> field of the specification."""
    return {f.name.removesuffix("_us"): f.name for f in dataclasses.fields(spec) if f.init}


def parameters(spec: type[Any]) -> dict[str, tuple[str, Any]]:
    """Fields of a specification: name -> (type as text, default; dataclasses.MISSING for none)."""
    hints = get_type_hints(spec)
    return {f.name: (_text(hints[f.name]), f.default) for f in dataclasses.fields(spec) if f.init}


def spec_of(kind: type[Spec], table: Mapping[str, Any], readers: Readers = _NONE) -> Spec:
    """The specification that a table gives: numbers, texts, lists, tables.

    Raises ConfigError with all mistakes, each under its key: what was seen and what is allowed.
    """
    try:
        return _dataclass(kind, table, readers)
    except UnfitError as error:
        raise ConfigError.of(error.mistakes) from None


def value_of(kind: type[Any], key: str, value: Any, readers: Readers = _NONE) -> tuple[str, Any]:
    """The field that a key of a table stands for, and the value that it gets.  Raises ConfigError."""
    try:
        field = _field(kind, key)
        return field, _read(kind, field, key, value, readers)
    except UnfitError as error:
        raise ConfigError.of(error.mistakes) from None


def _field(kind: type[Any], key: str) -> str:
    names = keys_of(kind)
    if key in names.values():  # also a field `x_us` under its own name, in microseconds
        return key
    if key in names:
        return names[key]
    hint = did_you_mean(key, names)
    allowed = f"seen the key {key!r}, allowed: the keys {one_of(names)}"
    raise UnfitError(Mistake((key,), allowed + (f"; {hint}" if hint else "")))


def _read(kind: type[Any], field: str, key: str, value: Any, readers: Readers) -> Any:
    try:
        if field in readers:
            return readers[field](value)
        if field != key:
            return parse_duration_us(value)
        return _value(get_type_hints(kind)[field], value)
    except (UnfitError, ConfigError) as error:
        raise UnfitError(*_below((key,), error.mistakes)) from None
    except ValueError:
        raise UnfitError(Mistake((key,), f"seen {value!r}, allowed: {ALLOWED}")) from None


def _dataclass(kind: type[Any], table: Mapping[str, Any], readers: Readers = _NONE) -> Any:
    values: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    given = set()
    for key, value in table.items():
        try:
            field = _field(kind, key)
            given.add(field)
            values[field] = _read(kind, field, key, value, readers)
        except UnfitError as error:
            mistakes += error.mistakes
    keys = {field: key for key, field in keys_of(kind).items()}
    for f in dataclasses.fields(kind):
        if f.init and f.name not in given and f.default is dataclasses.MISSING is f.default_factory:
            mistakes.append(Mistake((keys[f.name],), "seen nothing, allowed: a value; this key is needed"))
    try:
        built = kind(**values)
    except ConfigError as error:
        found = [Mistake(tuple(keys.get(k, k) for k in m.key), m.text) for m in error.mistakes]
        # Of what was put in the place of values that are wrong nothing is said.
        mistakes += [m for m in found if not mistakes or set(m.key) & table.keys()]
    except DriftnetError as error:
        mistakes = mistakes or [Mistake((), str(error))]
    except (TypeError, ValueError) as error:
        mistakes = mistakes or [Mistake((), f"{kind.__name__} does not accept {dict(table)}: {error}")]
    if mistakes:
        raise UnfitError(*mistakes)
    return built


def _below(key: tuple[str, ...], mistakes: Iterable[Mistake]) -> list[Mistake]:
    return [Mistake((*key, *m.key), m.text) for m in mistakes]


def _value(hint: Any, value: Any) -> Any:
    """A configuration value as the type that a field declares."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _first_fit(args, value, hint)
    if origin is tuple:
        return _tuple(args, value, hint)
    if origin is Literal or (isinstance(hint, type) and issubclass(hint, Enum)):
        words = args if origin is Literal else [member.value for member in hint]
        if value not in words:
            hinted = did_you_mean(value, words)
            text = f"seen {value!r}, allowed: {one_of(map(str, words))}" + (f"; {hinted}" if hinted else "")
            raise UnfitError(Mistake((), text))
        return value if origin is Literal else hint(value)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return _dataclass(cast(type[Any], hint), value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # bool is an int to Python, but not to a person who writes n_trees = true
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise UnfitError(_wrong(value, hint))


def _wrong(value: Any, hint: Any) -> Mistake:
    return Mistake((), f"seen {value!r}, allowed: {_text(hint)}")


def _first_fit(args: tuple[Any, ...], value: Any, hint: Any) -> Any:
    # Exact types first: 1 stays an int where int | float is asked for, whatever their order.
    for arg in sorted(args, key=lambda a: type(value) is not a):
        try:
            return _value(arg, value)
        except UnfitError:
            continue
    raise UnfitError(_wrong(value, hint))


def _tuple(args: tuple[Any, ...], value: Any, hint: Any) -> tuple[Any, ...]:
    if isinstance(value, Mapping):
        # A table stands for pairs, in the order of names, so that equal tables give equal specifications.
        value = sorted(value.items())
    if not isinstance(value, list | tuple):
        raise UnfitError(_wrong(value, hint))
    if len(args) == 2 and args[1] is Ellipsis:
        args = (args[0],) * len(value)
    if len(args) != len(value):
        raise UnfitError(Mistake((), f"seen {value!r}, which has {len(value)} items, allowed: {_text(hint)}"))
    found: list[Any] = []
    mistakes: list[Mistake] = []
    for i, (arg, item) in enumerate(zip(args, value, strict=True)):
        try:
            found.append(_value(arg, item))
        except UnfitError as error:
            mistakes += _below((str(i),), error.mistakes)
    if mistakes:
        raise UnfitError(*mistakes)
    return tuple(found)


_WORDS: Final = {int: "an integer", float: "a number", str: "a text", bool: "true or false", type(None): "absent"}


def _text(hint: Any) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if hint in _WORDS:
        return _WORDS[hint]
    if origin in (Union, types.UnionType):
        return " or ".join(_text(a) for a in args)
    if origin is Literal:
        return one_of(map(str, args))
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            pair = get_origin(args[0]) is tuple
            return "a table" if pair else f"a list, each item {_text(args[0])}"
        return "a list of " + ", ".join(_text(a) for a in args)
    if dataclasses.is_dataclass(hint):
        return f"a table of {', '.join(parameters(cast(type[Any], hint)))}"
    return getattr(hint, "__name__", str(hint))
