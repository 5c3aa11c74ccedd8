"""The program as a whole: help, version, errors, what it imports."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.version import driftnet_version
from tests.unit.cli.conftest import Cli

_HEAVY = ("numpy", "pydantic", "river", "bytewax", "orjson", "structlog", "pyarrow")


def test_version(cli: Cli) -> None:
    """--version prints the version and nothing else."""
    done = cli("--version")
    assert (done.code, done.out, done.err) == (0, f"driftnet {driftnet_version()}\n", "")


def test_help_imports_nothing_heavy() -> None:
    """Help is there at once, because nothing is imported that only a run needs."""
    code = f"""
import sys, contextlib, io
from flows.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(["--help"])
print(*[name for name in {_HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("run", "--processes", "0"), ("alerts", "list", "--since", "x", "--db", "a.db"), ("replay",),
     ("run", "--epoch", "soon")],
)  # fmt: skip
def test_wrong_usage_ends_with_2(cli: Cli, arguments: tuple[str, ...]) -> None:
    """A wrong command, option or value is explained on standard error; the exit code is 2."""
    done = cli(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    assert done.err


def test_errors_of_ours_are_messages(cli: Cli) -> None:
    """An error that a person can fix is its message, without a traceback; the exit code is 2."""
    done = cli("config", "check", "none.toml")
    assert done.code == 2
    assert done.err.startswith("driftnet: none.toml: no such file")
    assert "Traceback" not in done.err


def test_errors_that_nobody_planned_are_not_hidden(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug keeps its traceback: it is not dressed up as a message."""
    monkeypatch.setattr("flows.cli.config.load_config", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli("config", "show")


def test_reader_that_stops_reading_is_no_error(small: Path) -> None:
    """`driftnet config show | head -1` ends without a complaint."""
    command = f"{sys.executable} -m flows.cli config show {small} --json | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.splitlines() == ["{", "0"]
    assert done.stderr == ""


def test_completion_for_the_shell() -> None:
    """The program can print a completion script for bash."""
    environment = {"_DRIFTNET_COMPLETE": "source_bash", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())}
    code = "import sys; sys.argv = ['driftnet']; from flows.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert "complete" in done.stdout
    assert "_DRIFTNET_COMPLETE" in done.stdout
