"""load: the shipped defaults, then the user's file, then the environment."""

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flows.config.layers import Key, Layer, Layers, line_numbers
from flows.redaction import hidden
from state.errors import ConfigError

if TYPE_CHECKING:
    from flows.config.models import Config

DEFAULTS: Final = "defaults.toml"
TABLE: Final = "table.toml"
SERIES: Final = "series.toml"
DEFAULT_STORE: Final = "driftnet.db"
"""The SQLite store that a sink without a path means."""
_ENVIRONMENT: Final = re.compile(r"DRIFTNET_([A-Za-z0-9]+(?:__.+)+)")


def load(
    path: Path | str | None = None, environ: Mapping[str, str] | None = None, settings: Sequence[str] = ()
) -> "Config":
    """The effective configuration: defaults, then the file, then DRIFTNET_<SECTION>__<KEY>, then the settings.

    environ: os.environ if None.  settings: "section.key=value".
    Raises ConfigError naming file, line, key, what was seen and what is allowed.
    """
    return check(read(path, os.environ if environ is None else environ, settings))


def loads(toml: str, name: str = "text") -> "Config":
    """Like `load`, of text; for tests and tools.  The environment has no say."""
    return check(layers_of(toml, name))


def layers_of(toml: str, name: str, read_as: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None) -> Layers:
    """The layers that `loads` checks, unchecked.  Raises ConfigError for what is not TOML.

    read_as: what the text's table becomes first.
    """
    user = _layer(toml, name)
    if read_as is not None:
        user = Layer(name, read_as(user.table), user.lines)
    return Layers((*_base([user]), user))


def load_table(
    shipped: str,
    columns: Mapping[str, Any],
    path: Path | str | None,
    environ: Mapping[str, str],
    settings: Sequence[str],
) -> "Config":
    """Like `load`, on top of what is shipped for tables or series (TABLE, SERIES) and what the columns say."""
    layers = [_shipped(shipped), Layer("the table's columns", columns), *([] if path is None else [_file(Path(path))])]
    return check(_with_keys(layers, environ, settings))


def read(path: Path | str | None, environ: Mapping[str, str], settings: Sequence[str] = ()) -> Layers:
    """The layers that `load` checks, unchecked; cheap.  Raises ConfigError for what is not TOML."""
    own = [] if path is None else [_file(Path(path))]
    layers = _with_keys([*_base(own), *own], environ, settings)
    base = _base(layers.layers)
    return layers if base == _base(own) else _with_keys([*base, *own], environ, settings)


def _with_keys(layers: Sequence[Layer], environ: Mapping[str, str], settings: Sequence[str]) -> Layers:
    below = Layers(tuple(layers)).merged()
    return Layers((*layers, *_environment(environ, below), *(_setting(text, below) for text in settings)))


def check(layers: Layers) -> "Config":
    """The configuration that these layers make up.  Raises ConfigError, which tells all that is wrong with it."""
    from pydantic import ValidationError

    from flows.config.models import Config

    try:
        config = Config.model_validate(layers.merged())
    except ValidationError as error:
        from flows.config.salvage import all_mistakes

        raise all_mistakes(error, layers) from None
    config._layers = layers
    return config


def _shipped(name: str = DEFAULTS) -> Layer:
    return _layer(files("flows").joinpath(name).read_text(encoding="utf-8"), name)


def _file(path: Path) -> Layer:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `driftnet config show` prints one to start from") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return _layer(text, str(path))


def _layer(toml: str, name: str) -> Layer:
    try:
        return Layer(name, tomllib.loads(toml), line_numbers(toml))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"\(at line (\d+), column \d+\)", str(error))
        raise ConfigError(f"{name}:{line[1] if line else 'end'}: not valid TOML: {error}") from None


def _base(layers: Sequence[Layer]) -> list[Layer]:
    """The shipped configuration, unless these layers say that they extend nothing."""
    job = Layers(tuple(layers)).merged().get("job")
    nothing = isinstance(job, Mapping) and job.get("extends") == "none"
    return [] if nothing else [_shipped()]


def _environment(environ: Mapping[str, str], below: Mapping[str, Any]) -> list[Layer]:
    """One layer per variable, so that a message can name it.  Names match keys whatever their case."""
    found = [(name, _ENVIRONMENT.fullmatch(name)) for name in sorted(environ)]
    return [
        _single(f"environment variable {name}", _spelled(tuple(parts[1].split("__")), below), environ[name])
        for name, parts in found
        if parts
    ]


def _setting(text: str, below: Mapping[str, Any]) -> Layer:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set: seen {hidden(text)!r}, allowed: KEY=VALUE, such as alerts.budget_per_day=50")
    return _single(f"--set {key.strip()}", _spelled(tuple(key.strip().split(".")), below), value)


def _single(name: str, key: Key, text: str) -> Layer:
    value: Any = value_of(text)
    for part in reversed(key):
        value = {part: value}
    return Layer(name, value, single=True)


def _spelled(parts: Key, table: Any) -> Key:
    spelled = []
    for part in parts:
        names = {name.lower(): name for name in table} if isinstance(table, Mapping) else {}
        name = names.get(part.lower(), part.lower())
        spelled.append(name)
        table = table.get(name) if isinstance(table, Mapping) else None
    return tuple(spelled)


def value_of(text: str) -> object:
    """A TOML value where the text is one, else the text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
