"""Which detectors exist: the built-in ones, plug-ins found by the entry point group `driftnet.detectors`, and files.

A plug-in is a frozen dataclass that extends `DetectorSpec`, named in its distribution's pyproject.toml:

    [project.entry-points."driftnet.detectors"]
    my_detector = "my_package.my_module:MySpec"

One that cannot be loaded is reported and left out; the others work. A detector in a file of its own needs no
distribution: its type is the path, `path/to/my_module.py`, with `:MySpec` where there are several.
"""

import dataclasses
import importlib
import sys
import types
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final, cast

from detectors.base import DetectorSpec
from detectors.baseline import HistoryBaselineSpec
from detectors.binned_logistic import BinnedLogisticSpec
from detectors.discord import DiscordSpec
from detectors.ecod import EcodSpec
from detectors.extremes import ExtremesSpec
from detectors.half_space.trees import HalfSpaceTreesSpec
from detectors.isolation_forest import IsolationForestSpec
from detectors.resonance import ResonanceSpec
from detectors.river_model import RiverModelSpec
from detectors.rolling import RollingDeviationSpec
from detectors.rules import RulesSpec
from detectors.seasonal import SeasonalDeviationSpec
from detectors.settings import spec_of
from detectors.values import ValuesSpec
from state.errors import ConfigError, Mistake, PluginError
from state.plugins import Registry, installed
from state.plugins import load as plugins_beside

GROUP: Final = "driftnet.detectors"
_FILE: Final = ".py"
BUILT_IN: Final[tuple[type[DetectorSpec], ...]] = (
    HalfSpaceTreesSpec,
    IsolationForestSpec,
    ExtremesSpec,
    EcodSpec,
    HistoryBaselineSpec,
    RollingDeviationSpec,
    SeasonalDeviationSpec,
    DiscordSpec,
    ResonanceSpec,
    RulesSpec,
    ValuesSpec,
    BinnedLogisticSpec,
    RiverModelSpec,
)


@cache
def registry() -> Registry[type[DetectorSpec]]:
    """Built-in detectors and installed plug-ins; looked up once per process."""
    return load(installed(GROUP))


def detector_types() -> dict[str, type[DetectorSpec]]:
    """Detector specifications by the word used in configuration."""
    return dict(registry().types)


def load(plugins: tuple[EntryPoint, ...]) -> Registry[type[DetectorSpec]]:
    """Built-in detectors and these plug-ins, in the order of their names."""
    return plugins_beside(BUILT_IN, plugins, lambda spec: spec.type, _checked)


def type_of(word: str) -> type[DetectorSpec]:
    """The specification of a type's word, or of a file's path.

    Raises PluginError for one that there is, but that cannot be used; ConfigError for what is not there.
    """
    if _FILE in word:
        return _of_file(word)
    known = registry()
    if (found := known.of(word)) is not None:
        return found
    raise ConfigError(f"unknown detector {word!r}; known are {', '.join(sorted(known.types))}, or the path of a file")


def _of_file(word: str) -> type[DetectorSpec]:
    path, _, name = word.partition(":")
    if not Path(path).is_file():
        raise ConfigError(f"no such file: {Path(path).resolve()}")
    try:
        module = _module(Path(path).resolve())
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise PluginError(f"detector file {path}: {type(error).__name__}: {error}") from error
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, DetectorSpec) and value.__module__ == module.__name__
    ]
    chosen = [spec for spec in own if spec.__name__ == name or not name]
    if len(chosen) != 1:
        there = ", ".join(spec.__name__ for spec in own) or "none"
        raise PluginError(
            f"detector file {path}: seen {there}, expected one subclass of DetectorSpec; {path}:NAME names it"
        )
    try:
        return _checked(chosen[0])
    except ConfigError as error:
        raise PluginError(f"detector file {path}: {error}") from None


def _module(path: Path) -> types.ModuleType:
    """The module in a file, imported under its own name: processes of a run find it again, by the module search path,
    which they are given.
    """
    name = path.stem
    if not name.isidentifier():
        raise ConfigError(f"a module cannot be called {name!r}; rename the file")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    module = importlib.import_module(name)
    if module.__file__ is None or Path(module.__file__).resolve() != path:
        raise ConfigError(f"the module name {name!r} is taken by {module.__file__}; rename the file")
    return module


def _checked(spec: object) -> type[DetectorSpec]:
    if not (isinstance(spec, type) and issubclass(spec, DetectorSpec)):
        raise ConfigError(f"{spec!r} is not a subclass of detectors.base.DetectorSpec")
    if not isinstance(getattr(spec, "type", None), str) or not dataclasses.is_dataclass(spec):
        raise ConfigError(f"{spec.__qualname__} must be a frozen dataclass with a class variable `type`, a word")
    if not cast(Any, spec).__dataclass_params__.frozen:
        raise ConfigError(f"{spec.__qualname__} must be frozen, so that it can be compared and hashed")
    return spec


def spec_from(type_: str, params: Mapping[str, Any], where: str = "detectors") -> DetectorSpec:
    """A specification from configuration values (numbers, texts, lists, tables).

    where: the dotted path of the table, for the text of the error.  Raises ConfigError, whose mistakes have their
    places below that path: what was seen and what is allowed.
    """
    try:
        spec = type_of(type_)
    except ConfigError as error:
        raise type(error)(f"{where}.type: {error}", [Mistake(("type",), str(error))]) from error
    try:
        return spec_of(spec, params)
    except ConfigError as error:
        raise ConfigError.of((Mistake(("params", *m.key), m.text) for m in error.mistakes), where) from None
