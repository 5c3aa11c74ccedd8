"""The ten-minute tutorial does what it says, from nothing to a detector that finds something."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
_BLOCK = re.compile(r"```(console|python)\n(.*?)```", re.DOTALL)
_IMPORTS_BEFORE = "@dataclass(frozen=True, slots=True)\nclass FarOutSpec"
_CLASS_BEFORE = "    remember: int = 2048"


def test_the_tutorial(tmp_path: Path) -> None:
    """Commands are run in order, in one directory; each line that the page shows below a command is in its output, but
    for how columns are spaced; pieces of Python go where the page says.
    """
    here, code = tmp_path, 0
    places = iter((_IMPORTS_BEFORE, _CLASS_BEFORE))
    commands = 0
    for kind, text in _BLOCK.findall(_PAGE.read_text()):
        if kind == "python":
            file = here / "driftnet_far_out" / "detector.py"
            before, source = next(places), file.read_text()
            assert source.count(before) == 1
            file.write_text(source.replace(before, f"{text}{before}"))
            settings = here / "fraud.toml"
            settings.write_text(settings.read_text().partition("windows = ")[0])
            continue
        for step in text.split("$ ")[1:]:
            command, *promised = step.strip().splitlines()
            if command.startswith("cd "):
                here = here / command.removeprefix("cd ")
                continue
            done = _run(command, here)
            code, said = done.returncode, " ".join(done.stdout.split())
            assert code == 0, f"{command}: {done.stdout}{done.stderr}"
            for line in promised:
                assert " ".join(line.split()) in said, (
                    f"{command}: {line!r} is not in {done.stdout[-2000:]}{done.stderr}"
                )
            commands += 1
    assert commands == 8
    assert next(places, None) is None


def _run(command: str, here: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    binaries = Path(sys.executable).parent
    environ = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}
    return subprocess.run(words, cwd=here, env=environ, capture_output=True, text=True, check=False, timeout=300)
