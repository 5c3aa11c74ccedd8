"""A virtual environment per system, so that nobody's pins touch Driftnet's."""

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from bench.others.systems import SYSTEMS, folder

_HERE = Path(__file__).parent


def names() -> list[str]:
    """All that can be set up."""
    return [system.venv for system in SYSTEMS.values() if system.venv]


def setup(wanted: Sequence[str]) -> None:
    """Makes the environments anew with this interpreter.  Raises subprocess.CalledProcessError when pip fails."""
    for name in wanted:
        place = folder() / name
        print(f"{name}: installing into {place}", file=sys.stderr)
        venv.create(place, clear=True, with_pip=True)
        _pip(place, "-r", str(_HERE / f"requirements-{name}.txt"))
        bare = _HERE / f"requirements-{name}-nodeps.txt"
        if bare.exists():
            _pip(place, "--no-deps", "-r", str(bare))


def _pip(place: Path, *what: str) -> None:
    subprocess.run([place / "bin" / "python", "-m", "pip", "install", "--quiet", *what], check=True)
