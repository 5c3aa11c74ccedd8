"""Which interpreter `make` builds its environment with, on machines with few programs."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_TOO_NEW = "#!/bin/sh\nexit 1\n"
_FITS = """#!/bin/sh
# An interpreter that says yes to all, and copies itself to where an environment is asked for.
case "$2" in venv) for place; do :; done; mkdir -p "$place/bin"; cp "$0" "$place/bin/python";; esac
[ "$1" = --version ] && echo "Python of $0"
exit 0
"""
_UV = """#!/bin/sh
echo "uv $*" >&2
[ "$1 $2" = "python install" ] && [ {fetches} = no ] && exit 1
[ "$1 $2" = "python find" ] && echo {kept}
exit 0
"""


class Machine:
    """A folder with the Makefile and the files that it looks at, and the programs on its PATH."""

    def __init__(self, place: Path) -> None:
        self.place, self.programs = place / "clone", place / "programs"
        self.place.mkdir()
        self.programs.mkdir()
        shutil.copy(_ROOT / "Makefile", self.place)
        for name in ("pyproject.toml", "requirements.lock"):
            (self.place / name).touch()
        for name in ("sh", "bash", "mkdir", "cp", "touch"):
            found = shutil.which(name)
            assert found is not None
            (self.programs / name).symlink_to(found)
        for name in ("python3.12", "python3.11", "python3", "python"):
            self.add(name, _TOO_NEW)

    def add(self, name: str, text: str) -> Path:
        program = self.programs / name
        program.write_text(text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return program

    def add_uv(self, fetches: str) -> None:
        kept = self.programs / "kept"
        kept.mkdir()
        self.add("kept/python3.12", _FITS)
        self.add("uv", _UV.format(fetches=fetches, kept=kept / "python3.12"))

    def make(self, *words: str) -> subprocess.CompletedProcess[str]:
        make = shutil.which("make")
        assert make is not None
        environ = {key: value for key, value in os.environ.items() if not re.match(r"MAKE|MFLAGS|PYTHON$", key)}
        return subprocess.run(
            [make, ".venv/.installed", *words],
            cwd=self.place,
            env=environ | {"PATH": str(self.programs)},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def is_built(self) -> bool:
        return (self.place / ".venv" / ".installed").exists()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_first_that_fits_is_taken(machine: Machine) -> None:
    """Stand-ins that cannot make environments are passed over; uv is not asked."""
    machine.add("python3", _FITS)
    machine.add_uv("yes")
    done = machine.make()
    assert done.returncode == 0, done.stderr
    assert machine.is_built
    assert "uv" not in done.stderr


def test_uv_brings_one(machine: Machine) -> None:
    """Where no Python fits and uv is on the PATH, it brings 3.12, and make says so."""
    machine.add_uv("yes")
    done = machine.make()
    assert done.returncode == 0, done.stderr
    assert machine.is_built
    assert "No Python 3.11 or 3.12 with pip and venv on the PATH: uv brings 3.12." in done.stderr
    assert "uv python install 3.12" in done.stderr


@pytest.mark.parametrize("uv", ["none", "that cannot fetch"])
def test_none_is_found(machine: Machine, uv: str) -> None:
    """The message says what was looked for and what to do."""
    if uv != "none":
        machine.add_uv("no")
    done = machine.make()
    assert done.returncode == 2
    assert not machine.is_built
    assert "Driftnet needs Python 3.11 or 3.12 with pip and venv; tried: python3.12 python3.11" in done.stderr
    assert "make .venv/.installed PYTHON=/path/to/python3.12, or install uv, which brings one." in done.stderr


def test_an_interpreter_that_was_named_is_the_only_one(machine: Machine) -> None:
    """When it does not fit nothing else is taken in its place, from uv neither."""
    machine.add("python3", _FITS)
    machine.add_uv("yes")
    done = machine.make("PYTHON=/opt/python3.13")
    assert done.returncode == 2
    assert "tried: /opt/python3.13." in done.stderr
    assert "uv python" not in done.stderr
