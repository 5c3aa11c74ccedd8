"""The systems that do the job, and whether they can here."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
"""Where the package `bench` is."""
VENVS: Final = "DRIFTNET_BENCH_VENVS"
"""The environment variable that names the folder with a virtual environment per system; default .venv/others."""


@dataclass(frozen=True, slots=True)
class System:
    """A program `python -m bench.others.<module>`.

    venv: the virtual environment that it needs, "" for the one that Driftnet is in.  needs: programs on the PATH.
    """

    name: str
    module: str
    options: tuple[str, ...] = ()
    venv: str = ""
    needs: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        """Its interpreter, which may not exist."""
        return folder() / self.venv / "bin" / "python" if self.venv else Path(sys.executable)

    def missing(self) -> str:
        """Why it cannot run, and what to do; "" when it can."""
        if not self.python.exists():
            return f"{self.python} does not exist: python -m bench.others setup {self.venv}"
        absent = [program for program in self.needs if shutil.which(program) is None]
        return f"{self.name} needs {' and '.join(absent)} on the PATH" if absent else ""

    def command(self, source: Path, target: Path, job: str) -> list[str]:
        """What runs it."""
        program = [str(self.python), "-m", f"bench.others.{self.module}", *self.options]
        return [*program, str(source), str(target), "--job", job]

    def environ(self, bare: Path) -> dict[str, str]:
        """bare: a folder that holds the package `bench` alone: other environments must not see our packages."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "PYTHON", "DRIFTNET_"))}
        return kept | {"PYTHONPATH": str(bare if self.venv else ROOT)}


SYSTEMS: Final = {
    system.name: system
    for system in (
        System("driftnet", "driftnet"),
        System("driftnet, local driver", "driftnet", ("--engine", "local")),
        System("plain script", "plain_script"),
        System("idiomatic bytewax", "idiomatic_bytewax"),
        System("pathway", "pathway_job", venv="pathway"),
        System("pyflink", "pyflink_job", venv="pyflink", needs=("java",)),
    )
}
REFERENCE: Final = SYSTEMS["plain script"]
"""Its output is what the others are compared with; it knows nothing of Driftnet's code."""
HERE: Final = tuple(name for name, system in SYSTEMS.items() if not system.venv)
"""Those that need nothing but Driftnet's own environment."""


def folder() -> Path:
    """Where the virtual environments are."""
    return Path(os.environ.get(VENVS) or ROOT / ".venv" / "others").absolute()
