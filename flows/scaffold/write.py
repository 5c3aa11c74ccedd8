"""Fills the templates in."""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final, Literal

from state.errors import ConfigError

What = Literal["detector", "sink", "source", "format"]
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,40}")
_PACKAGE: Final = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "fraud.toml": "fraud.toml",
    "init.py": "$package/__init__.py",
    "test_contract.py": "tests/test_contract.py",
}
_FILES: Final[Mapping[What, Mapping[str, str]]] = {
    "detector": _PACKAGE | {"detector.py": "$package/detector.py", "test_speed.py": "bench/test_speed.py"},
    "sink": _PACKAGE | {"sink.py": "$package/sink.py", "trial.py": "$package/trial.py"},
    "source": _PACKAGE | {"source.py": "$package/source.py", "trial.py": "$package/trial.py"},
    "format": _PACKAGE | {"format.py": "$package/format.py", "trial.py": "$package/trial.py"},
}
"""What is begun -> file of the template (with .txt at its end) -> file of the package."""


def write_package(what: What, name: str, into: Path) -> list[Path]:
    """Writes the package `driftnet-NAME` into a new directory of that name; its files.

    name: the plug-in's word in configurations.  Raises ConfigError for another kind of name, and where something is
    there already: nothing is overwritten.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{what} name: seen {name!r}, allowed: lower-case letters, digits and _, such as night_owl")
    words = {
        "word": name,
        "package": f"driftnet_{name}",
        "distribution": f"driftnet-{name.replace('_', '-')}",
        "cls": "".join(part.capitalize() for part in name.split("_")),
    }
    root = into / words["distribution"]
    if root.exists():
        raise ConfigError(f"{root}: there is something already; choose another name, or another directory with --into")
    template = files("flows.scaffold").joinpath("template", what)
    written = []
    for source, target in _FILES[what].items():
        path = root / Template(target).substitute(words)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = template.joinpath(f"{source}.txt").read_text(encoding="utf-8")
            path.write_text(Template(text).substitute(words), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error}") from None
        written.append(path)
    return written
