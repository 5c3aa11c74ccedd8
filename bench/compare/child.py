"""A process that has one tree's code loaded and measures cases on demand."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.compare.trees import Tree
from bench.results import BenchError, Case
from bench.runner import INI, environment

_HERE = Path(__file__).parent
_PLUGIN = "driftnet_lockstep"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one run: the figures, or why there are none."""

    case: Case | None = None
    failed: str = ""
    skipped: str = ""


class Child:
    """The parent's side of `lockstep.py`.

    cases: ids in the order of the files.  broken: file -> why it cannot be imported with this tree's code.  dead: why
    the process ended.
    """

    def __init__(self, tree: Tree, process: subprocess.Popen[bytes], channel: socket.socket, log: Path) -> None:
        self.tree = tree
        self.cases: list[str] = []
        self.broken: dict[str, str] = {}
        self._process = process
        self._log = log
        self._lines = channel.makefile("rw", encoding="utf-8")
        self.dead = ""
        channel.close()  # the file keeps it open

    def start(self) -> None:
        """Waits until it has collected its cases.  Raises BenchError when it runs other code than the tree's."""
        hello = self._hear()
        if self.dead:
            return
        self.cases, self.broken = hello["cases"], hello["broken"]
        strays = [
            str(path) for path in hello["packages"].values() if self.tree.root not in Path(path).resolve().parents
        ]
        if strays:
            raise BenchError(f"{self.tree.name}: would measure other code than its own: {', '.join(strays)}")

    def run(self, case: str) -> Outcome:
        """Measures one case once."""
        if not self.dead and case in self.cases:
            with suppress(BrokenPipeError):
                self._lines.write(json.dumps({"run": case}) + "\n")
                self._lines.flush()
            heard = self._hear()
            if "min" in heard:
                return Outcome(Case(case.rpartition("::")[2], case, heard["min"], heard["median"], heard["extra_info"]))
            if heard:
                return Outcome(failed=heard.get("failed", ""), skipped=heard.get("skipped", ""))
        return Outcome(failed=self.dead or self.broken.get(case.partition("::")[0], "no such case"))

    def release(self) -> None:
        """Nobody asks any more."""
        with suppress(BrokenPipeError):
            self._lines.close()

    def stop(self) -> None:
        """After `release`: it ends, or is ended."""
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _hear(self) -> Any:
        line = self._lines.readline()
        if line:
            return json.loads(line)
        code = self._process.wait()
        said = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("E ") or "Error" in line]
        last = (errors or said or ["nothing said"])[-1].removeprefix("E ").strip()
        self.dead = f"the process ended with {code}: {last}"
        return {}


@contextmanager
def children(pair: Sequence[Tree], files: Sequence[str], *, smoke: bool) -> Iterator[list[Child]]:
    """A child for each tree, started and ready.  files: of cases, relative to the tree."""
    with TemporaryDirectory(prefix="driftnet-lockstep-") as scratch:
        shutil.copy(_HERE / "lockstep.py", Path(scratch, f"{_PLUGIN}.py"))
        found: list[Child] = []
        try:
            for number, tree in enumerate(pair):
                found.append(_launch(tree, files, Path(scratch), f"{number}.log", smoke))
            for child in found:
                child.start()
            yield found
        finally:
            for child in found:
                child.release()
            for child in found:
                child.stop()


def _launch(tree: Tree, files: Sequence[str], scratch: Path, log: str, smoke: bool) -> Child:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "pytest", "-c", str(INI), "--rootdir", str(tree.root), "-p", _PLUGIN, "-q"]
    command += ["--continue-on-collection-errors", "--benchmark-enable", f"--benchmark-storage=file://{scratch}"]
    command += ["--benchmark-timer=time.process_time", "--benchmark-min-rounds=1", "--benchmark-max-time=0.2"]
    command += ["--benchmark-disable"] if smoke else []
    env = environment(str(tree.root), str(scratch))
    env |= {"PYTHONHASHSEED": "0", "DRIFTNET_LOCKSTEP": str(theirs.fileno())}
    with theirs, (scratch / log).open("wb") as output:
        process = subprocess.Popen(
            [*command, *files],
            cwd=tree.root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
        )
    return Child(tree, process, ours, scratch / log)
