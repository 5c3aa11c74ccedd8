"""Starting: a command that does next to nothing, beside an interpreter that imports numpy."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import Size, fingerprint, tell
from bench.scenarios import SCENARIOS

_NUMPY: Final = ("-c", "import numpy")


def _cpu_s(arguments: tuple[str, ...], directory: Path) -> float:
    """CPU seconds of an interpreter with these arguments; bytecode is there, as for whoever starts it again."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    kept["PYTHONPYCACHEPREFIX"] = str(directory / "bytecode")
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, cwd=directory, env=kept, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.benchmark(group="start")
@pytest.mark.parametrize("command", ["help", "config show", "replay"])
def test_start(benchmark: BenchmarkFixture, size: Size, smoke: bool, tmp_path: Path, command: str) -> None:
    """replay: a thousand events through the shipped configuration."""
    lines = SCENARIOS["uniform"].lines(1_000)
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    told = {"help": ("--help",), "config show": ("config", "show"), "replay": ("replay", "events.jsonl", "--no-print")}
    arguments = ("-m", "driftnet", *told[command])
    cpu_s: list[float] = []
    numpy_s: list[float] = []

    def run() -> None:
        cpu_s.append(_cpu_s(arguments, tmp_path))
        numpy_s.append(_cpu_s(_NUMPY, tmp_path))

    benchmark.pedantic(run, rounds=size(1, 5), warmup_rounds=0 if smoke else 1)  # type: ignore[no-untyped-call]
    figures = {} if smoke else {"cpu_s_min": min(cpu_s), "times_numpy": min(cpu_s) / min(numpy_s)}
    tell(benchmark, per="start", n=1, result=fingerprint(command), command=command, **figures)
