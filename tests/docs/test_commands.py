"""Is every command explained, and documented?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from flows.cli import app

_ROOT = Path(__file__).parents[2]


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _commands(inner, (*path, name))
    else:
        yield path, command


_ALL = list(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize(("path", "command"), _ALL, ids=[" ".join(path) for path, _ in _ALL])
def test_command_has_help(path: tuple[str, ...], command: Any) -> None:
    """Each command says what it does, shows an example, and explains each of its options and arguments."""
    assert command.help
    assert f"driftnet {' '.join(path)}" in command.help, "an example"
    for parameter in command.params:
        assert getattr(parameter, "help", None) or parameter.name == "help", parameter.name


@pytest.mark.parametrize("path", [path for path, _ in _ALL], ids=" ".join)
def test_command_is_in_the_readme(path: tuple[str, ...]) -> None:
    """Each command has its place in the README."""
    readme = (_ROOT / "README.md").read_text()
    if path[0] == "convert":
        assert f"`{path[1]}`" in readme or f"`driftnet convert {path[1]}`" in readme
    else:
        assert f"`driftnet {' '.join(path)}" in readme


def test_all_commands_are_found() -> None:
    """The walk over the commands reaches the inner ones too."""
    assert {"run", "replay", "simulate", "explain", "alerts list", "alerts show", "config check", "config show"} <= {
        " ".join(path) for path, _ in _ALL
    }
