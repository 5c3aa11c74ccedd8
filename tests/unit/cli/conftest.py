"""The command line, called as a person calls it, in a directory of its own."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.cli import main
from tests.small import SMALL


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


Cli = Callable[..., Done]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Runs `driftnet ARGUMENTS` in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        text = capfd.readouterr()
        return Done(int(ended.value.code or 0), text.out, text.err)

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A configuration that is quick to run."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path
