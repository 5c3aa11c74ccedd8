"""The layers that make up a configuration, and where in them each key was written."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Key = tuple[str, ...]
NAMED: Final = (("event", "columns"), ("sequences",), ("features",), ("windows",), ("detectors",))
"""Tables of named things: a later layer's entry changes single keys of the earlier one; `name = false` removes it."""
SUBJECTS: Final = "subjects"
"""The table of kinds of subjects, each with tables of named things of its own."""
_OPTIONAL: Final = (("campaigns",),)
"""Sections that a job may be without: as of a named thing, `name = false` removes one."""
_WHOLE: Final = (("sources",), ("job", "cohorts"), ("event", "time"))
"""Tables that a later file replaces as a whole."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A file, or one key set from outside.  name: for messages.  lines: key -> line number.

    single: one key, which changes nothing beside it; a file's sources replace those of the layers below.
    """

    name: str
    table: Mapping[str, Any]
    lines: Mapping[Key, int] = field(default_factory=dict)
    single: bool = False


@dataclass(frozen=True, slots=True)
class Layers:
    """Layers in their order; a later one wins."""

    layers: tuple[Layer, ...] = ()

    def merged(self) -> dict[str, Any]:
        """One table."""
        table: dict[str, Any] = {}
        for layer in self.layers:
            table = _merge(table, layer.table, (), layer.single)
        return table

    def place(self, key: Key) -> str:
        """Where a key was written, as "file:line"; if it was not, where the table was that should hold it."""
        decided, best = 0, self.layers[-1] if self.layers else Layer("configuration", {})
        for layer in reversed(self.layers):
            length, whole = _held(layer.table, key)
            if length > decided:
                decided, best = length, layer
            if whole or length == len(key):
                break
        lines = [best.lines[key[:n]] for n in range(decided, 0, -1) if key[:n] in best.lines]
        return f"{best.name}:{lines[0]}" if lines else best.name


def named_at(at: Key) -> int:
    """How many parts of a key make up a table of named things that it leads to or into; 0 for none."""
    if at[:1] == (SUBJECTS,):
        return 3 if at[2:3] in NAMED else 1
    return next((len(named) for named in NAMED if at[: len(named)] == named), 0)


def _held(table: Any, key: Key) -> tuple[int, bool]:
    """How many parts of the key are there, and whether they end in what hides the layers below: a list, or no table."""
    hides = False
    for length, part in enumerate(key):
        if isinstance(table, (list, tuple)) and part.isdigit() and int(part) < len(table):
            table, hides = table[int(part)], True
        elif isinstance(table, Mapping) and part in table:
            table = table[part]
        else:
            return length, hides or not isinstance(table, Mapping)
    return len(key), True


def _merge(base: Mapping[str, Any], over: Mapping[str, Any], at: Key, single: bool) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        here = (*at, name)
        before = merged.get(name)
        is_named = bool(at) and named_at(at) == len(at)
        if (is_named or here in _OPTIONAL) and value is False:
            merged.pop(name, None)
        elif not (isinstance(value, Mapping) and isinstance(before, Mapping)) or (here in _WHOLE and not single):
            merged[name] = value
        elif (is_named and at != (SUBJECTS,)) or at == ("sources",) or here in _OPTIONAL:
            merged[name] = _merge_entry(before, value)
        else:
            merged[name] = _merge(before, value, here, single)
    return merged


def _merge_entry(before: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """Key by key, `params` too; another kind of thing, or what is about other objects, replaces the whole entry."""
    if any(key in value and value[key] != before.get(key) for key in ("kind", "type", "objects")):
        return dict(value)
    merged = dict(before) | dict(value)
    if isinstance(before.get("params"), Mapping) and isinstance(value.get("params"), Mapping):
        merged["params"] = dict(before["params"]) | dict(value["params"])
    return merged


_HEADER: Final = re.compile(r"\s*\[(\[)?(.+?)\]?\]\s*(?:#.*)?$")
_PAIR: Final = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=(.*)"""
)
_PART: Final = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_TEXTS: Final = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|#.*')


def line_numbers(toml: str) -> dict[Key, int]:
    """Key -> the line it stands on, of text that is valid TOML.  Keys inside inline tables are not listed."""
    lines: dict[Key, int] = {}
    table: Key = ()
    arrays: dict[Key, int] = {}
    for number, line in _statements(toml):
        if header := _HEADER.match(line):
            table = _key(header[2])
            if header[1]:
                arrays[table] = arrays.get(table, -1) + 1
                table = (*table, str(arrays[table]))
            _note(lines, table, number)
        elif pair := _PAIR.match(line):
            _note(lines, (*table, *_key(pair[1])), number)
    return lines


def _statements(toml: str) -> Iterator[tuple[int, str]]:
    """(line number, text) of each line that begins a header or a pair: not those inside brackets or long texts."""
    depth, quote = 0, ""
    for number, line in enumerate(toml.splitlines(), 1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if not depth:
            yield number, line
        for mark in ('"""', "'''"):
            if line.count(mark) % 2:
                quote = mark
        if depth or "=" in line:
            bare = _TEXTS.sub("", line)
            depth += sum(bare.count(c) for c in "[{") - sum(bare.count(c) for c in "]}")


def _key(text: str) -> Key:
    return tuple(part.strip("\"'") for part in _PART.findall(text))


def _note(lines: dict[Key, int], key: Key, number: int) -> None:
    for length in range(1, len(key) + 1):
        lines.setdefault(key[:length], number)
