"""What other distributions bring along: classes that they name under an entry point group, beside those of our own.

One rule for detectors, sinks, sources and formats: one that cannot be loaded, or does not fit, is reported and left
out, and the others work.
"""

import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from state.errors import ConfigError, PluginError

Kind = TypeVar("Kind", bound=type)


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """A plug-in that was left out.  name: its entry point.  distribution: the package it came with.  error: why."""

    name: str
    distribution: str
    error: str

    def __str__(self) -> str:
        return f"plug-in {self.name!r} of the distribution {self.distribution!r}: {self.error}"


@dataclass(frozen=True, slots=True)
class Registry(Generic[Kind]):
    """types: by the word used in configuration.  problems: plug-ins that were left out.  origins: word -> distribution
    of those that are not our own.
    """

    types: Mapping[str, Kind]
    problems: tuple[PluginProblem, ...]
    origins: Mapping[str, str]

    def of(self, word: str) -> Kind | None:
        """What a word stands for; None for one that nobody knows.  Raises PluginError for one that is left out."""
        if word not in self.types:
            for problem in self.problems:
                if problem.name == word:
                    raise PluginError(f"{problem}; repair it, or uninstall it and take another kind")
        return self.types.get(word)


@cache
def _installed() -> Any:
    """All entry points: one look at what is installed does for all groups."""
    return entry_points()


def installed(group: str) -> tuple[EntryPoint, ...]:
    """What is installed under a group; looked up once per process."""
    return tuple(_installed().select(group=group))


def load(
    own: Iterable[Kind], plugins: Iterable[EntryPoint], word: Callable[[Kind], str], checked: Callable[[object], Kind]
) -> Registry[Kind]:
    """Our own and these plug-ins, in the order of their names.

    word: of a class, in configuration.  checked: the class that an entry point names, where it is one that can be used;
    raises ConfigError.
    """
    found = {word(kind): kind for kind in own}
    problems: list[PluginProblem] = []
    origins: dict[str, str] = {}
    for plugin in sorted(plugins, key=lambda p: (p.name, p.value)):
        origin = plugin.dist.name if plugin.dist is not None else "?"
        try:
            kind = checked(plugin.load())
            if found.get(word(kind), kind) is not kind:
                taken = f"{found[word(kind)].__module__}.{found[word(kind)].__qualname__}"
                raise ConfigError(f"the type {word(kind)!r} is taken by {taken}; choose another word")
            found[word(kind)] = kind
            origins[word(kind)] = origin
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a stranger's import may raise anything, Rust panics included
            problems.append(PluginProblem(plugin.name, origin, f"{type(error).__name__}: {error}"))
    return Registry(types.MappingProxyType(found), tuple(problems), types.MappingProxyType(origins))
