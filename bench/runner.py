"""Runs the cases under pytest-benchmark, in child processes of this interpreter."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from bench.quality.asked import Asked
from bench.results import BenchError, merged

ROOT = Path(__file__).parents[1]
"""Where the package `bench` is: a checkout, or site-packages."""
CASES = ROOT / "bench" / "cases"
INI = ROOT / "bench" / "runner.ini"
_JUDGES = ("test_verdicts.py", "test_company.py")
"""Cases that run only where their scenarios are named."""
NEEDED = ("pytest", "pytest_benchmark", "pyinstrument", "matplotlib", "jinja2")
"""The modules that the extra `bench` installs."""


class Part(StrEnum):
    """What can be asked for: each is the files of cases that begin with its name, the layers are all the others."""

    SCENARIOS = "scenarios"
    LAYERS = "layers"
    QUALITY = "quality"
    GROWTH = "growth"
    OTHERS = "others"


DEFAULT = (Part.SCENARIOS, Part.LAYERS, Part.QUALITY)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run.  scenarios: ids, all when empty.  rounds: at least so many; None: as a case thinks right.

    verdicts: ids of bench.quality.scenarios, none when empty.  company: ids of bench.quality.worlds.  asked: how both
    are measured.
    """

    parts: tuple[Part, ...] = DEFAULT
    scenarios: tuple[str, ...] = ()
    smoke: bool = False
    rounds: int | None = None
    verdicts: tuple[str, ...] = ()
    company: tuple[str, ...] = ()
    asked: Asked = field(default_factory=Asked)

    def batches(self) -> Iterator[tuple[str, list[str]]]:
        """(timer, what pytest is asked for) of each child process.

        Layers are timed in CPU seconds, which a busy neighbour disturbs less; the other cases take their own figures.
        """
        others = [self._targets(part) for part in Part if part in self.parts and part is not Part.LAYERS]
        for file, names in zip(_JUDGES, (self.verdicts, self.company), strict=True):
            others.append([f"{CASES / file}::{file.removesuffix('.py')}[{name}]" for name in names])
        if found := [target for targets in others for target in targets]:
            yield "time.perf_counter", found
        if Part.LAYERS in self.parts:
            yield "time.process_time", layer_files()

    def _targets(self, part: Part) -> list[str]:
        files = _files(part)
        if part is Part.SCENARIOS and self.scenarios:
            return [f"{file}::test_scenario[{name}]" for file in files for name in self.scenarios]
        return files


@dataclass(frozen=True, slots=True)
class Ran:
    """table: the JSON of all batches.  failed: whether a case failed."""

    table: dict[str, Any]
    failed: bool


def layer_files() -> list[str]:
    """The files of cases that belong to no other part."""
    apart = {file for part in Part for file in _files(part)} | {str(CASES / file) for file in _JUDGES}
    return [file for file in map(str, sorted(CASES.glob("test_*.py"))) if file not in apart]


def _files(part: Part) -> list[str]:
    return list(map(str, sorted(CASES.glob(f"test_{part}*.py"))))


def run(plan: Plan) -> Ran:
    """Runs it; progress goes to standard error.  Raises BenchError when nothing was measured."""
    need_extra()
    tables, codes = [], []
    with TemporaryDirectory(prefix="driftnet-bench-") as scratch:
        for index, (timer, targets) in enumerate(plan.batches()):
            path = Path(scratch) / f"{index}.json"
            command = [sys.executable, "-m", "pytest", "-c", str(INI), "--rootdir", str(ROOT), "-p", "bench.progress"]
            command += ["-q", "-q", "--no-header", "--benchmark-quiet", f"--benchmark-storage=file://{scratch}"]
            command += [f"--benchmark-json={path}", f"--benchmark-timer={timer}"]
            # With both, the fixture `smoke` is true and times are taken all the same.
            command += ["--benchmark-enable", *(["--benchmark-disable"] if plan.smoke else [])]
            command += [f"--benchmark-min-rounds={plan.rounds}"] if plan.rounds else []
            sys.stderr.flush()
            # In a checkout the results name its commit, wherever the command was given.
            where = ROOT if is_checkout() else None
            env = environment(str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")]))
            env |= plan.asked.environment()
            done = subprocess.run([*command, *targets], cwd=where, stdout=sys.stderr, env=env, check=False)
            codes.append(done.returncode)
            if path.exists():
                tables.append(orjson.loads(path.read_bytes()))
    if not any(table["benchmarks"] for table in tables):
        raise BenchError(f"no case was measured (pytest ended with {', '.join(map(str, codes))})")
    return Ran(merged(tables) | {"smoke": plan.smoke}, any(codes))


def is_checkout() -> bool:
    """Whether this code is in a git checkout of its own, not only below one."""
    return (ROOT / ".git").exists()


def environment(*path: str) -> dict[str, str]:
    """For a child that finds its packages in `path` first, whatever is installed, and knows of no pytest around it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return {**inherited, "PYTHONPATH": os.pathsep.join(path)}


def need_extra(modules: Sequence[str] = NEEDED) -> None:
    """Raises BenchError, with what to install, when a module of the extra is missing."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise BenchError(
            f"benchmarks need the extra `bench` ({', '.join(missing)} not found): pip install 'driftnet[bench]'"
        )
