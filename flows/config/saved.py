"""Configurations that lie beside saved state or in a store: they may say what to compute, and nothing about what to run
or to open that a configuration of the operator's own does not name.
"""

import shlex
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.registry import BUILT_IN
from detectors.river_objects import is_river
from flows.config.endpoints import BUILT_IN_SINKS, BUILT_IN_SOURCES
from flows.config.formats import BUILT_IN as BUILT_IN_FORMATS
from flows.config.formats import as_of_now
from flows.config.load import check, layers_of
from flows.config.plugged import word_of
from flows.config.removed import without_removed
from state.errors import ConfigError

if TYPE_CHECKING:
    from flows.config.models import Config

_BUILT_IN = {spec.type for spec in BUILT_IN}
_KINDS = {word_of(model) for model in (*BUILT_IN_SINKS, *BUILT_IN_SOURCES, *BUILT_IN_FORMATS)}
_WHERE_IT_BEGINS = ("start", "until")
"""Keys of a source that a run writes down as what they stood for."""


def load_saved(toml: str, where: str, own: "Config", inputs: Collection[str] | None = None) -> "Config":
    """The configuration in a text that anybody may have written, perhaps a run of an earlier version.

    own: the operator's configuration.  inputs: files that the operator names beside it; None where no source is opened.
    Raises ConfigError, before anything of it is imported or opened, when the text names code or inputs that neither
    names.
    """
    # Who is exempt is in the saved state, and the file that said so is not ours to open.
    layers = layers_of(toml, where, _as_of_now)
    table = layers.merged()
    known = set(_code(own.to_table()))
    if unknown := [what for what in dict.fromkeys(_code(table)) if what not in known]:
        raise ConfigError(
            f"{where}: names code that your own configuration does not: {', '.join(unknown)}; nothing of it was"
            " imported. If you trust it, give a configuration of yours that has the same: --config FILE"
        )
    if inputs is not None:
        _check_inputs(_table(table, "sources"), where, own, inputs)
    return check(layers)


def _as_of_now(then: Mapping[str, Any]) -> dict[str, Any]:
    table = {key: value for key, value in without_removed(then).items() if key != "exempt"}
    sources = _table(table, "sources")
    now = {name: as_of_now(source) if isinstance(source, Mapping) else source for name, source in sources.items()}
    return table | ({"sources": now} if now else {})


def _code(table: Mapping[str, Any]) -> Iterator[str]:
    """What a configuration would import, and all texts that it gives to code that Driftnet does not ship."""
    for detector in _table(table, "detectors").values():
        if not isinstance(detector, Mapping):
            continue
        type_, params = str(detector.get("type", "")), detector.get("params", {})
        if type_ in _BUILT_IN:
            yield from (path for key, path in _texts(params) if key == "path" and not is_river(path))
            continue
        if ".py" in type_:
            path, _, name = type_.partition(":")
            type_ = f"{Path(path).absolute()}:{name}".rstrip(":")
        yield type_
        yield from (f"{type_} with {key} = {text!r}" for key, text in _texts(params))
    for found in _ends(table):
        kind = str(found.get("kind", ""))
        if kind not in _KINDS:
            yield kind
            yield from (f"{kind} with {key} = {text!r}" for key, text in _texts(found) if key != "kind")


def _ends(table: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The tables of sources, of their formats, and of sinks."""
    sources = list(_table(table, "sources").values())
    formats = [source["format"] for source in sources if isinstance(source, Mapping) and "format" in source]
    formats = [{"kind": found} if isinstance(found, str) else found for found in formats]
    sinks = [sink for of in _table(table, "sinks").values() for sink in (of if isinstance(of, list | tuple) else [of])]
    yield from (found for found in (*sources, *formats, *sinks) if isinstance(found, Mapping))


def _texts(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text, with the key that it stands under."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, key)


def _check_inputs(sources: Mapping[str, Any], where: str, own: "Config", inputs: Collection[str]) -> None:
    ours = [_plain(source) for source in _table(own.to_table(), "sources").values()]
    files = {str(Path(path).absolute()) for path in inputs}
    files |= {path for source in ours if source.get("kind") == "files" for path in source["paths"]}
    for name, source in sources.items():
        plain = _plain(source)
        if plain.get("kind") in ("simulator", "stdin") or plain in ours:
            continue
        if plain.get("kind") != "files":
            raise ConfigError(
                f"{where}: sources.{name} is not a source of your own configuration; nothing was opened. If it is"
                " yours, name the configuration that has it: --config FILE"
            )
        if unknown := [path for path in plain.get("paths", ()) if path not in files]:
            wanted = " ".join(f"--input {shlex.quote(path)}" for path in unknown)
            raise ConfigError(
                f"{where}: sources.{name} names input that you did not; nothing was opened. If it is yours, say so:"
                f" {wanted}, or --config FILE"
            )


def _plain(source: object) -> dict[str, Any]:
    """A source's table as TOML gives it, with absolute paths, and without where it begins."""
    if not isinstance(source, Mapping):
        return {}
    found = {key: _list(value) for key, value in source.items() if key not in _WHERE_IT_BEGINS}
    if found.get("kind") == "files":
        paths = found.get("paths")
        found["paths"] = [str(Path(str(path)).absolute()) for path in (paths if isinstance(paths, list) else [paths])]
    return found


def _list(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = table.get(key, {})
    return found if isinstance(found, Mapping) else {}
