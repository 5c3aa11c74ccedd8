"""Two commits as directories: git worktrees that are gone afterwards, both with the bench folder of the second, or each
with its own.
"""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from bench.results import BenchError

WORK = "WORK"
"""The name for the working tree as it is, with what is not committed."""
_IGNORED = shutil.ignore_patterns("__pycache__")


@dataclass(frozen=True, slots=True)
class Tree:
    """name: as it was asked for.  commit: the full hash; "" for the working tree.  root: where it is."""

    name: str
    commit: str
    root: Path

    @property
    def title(self) -> str:
        """For people."""
        short = self.commit[:12]
        return self.name if not short or self.name.startswith(short[:7]) else f"{self.name} ({short})"


def repository(start: Path) -> Path:
    """The root of the git checkout around a directory.  Raises BenchError."""
    return Path(_git(start, "rev-parse", "--show-toplevel"))


@contextmanager
def trees(root: Path, base: str, head: str, *, own_cases: bool) -> Iterator[tuple[Tree, Tree]]:
    """Both commits, checked out side by side.  Nothing stays behind, not even after SIGTERM.  Raises BenchError.

    own_cases: each keeps its bench folder; else the first has that of the second.
    """
    commits = {name: "" if name == WORK else _commit(root, name) for name in (base, head)}
    with _terminated_like_interrupted(), TemporaryDirectory(prefix="driftnet-compare-") as scratch:
        found = {
            side: Tree(name, commits[name], Path(scratch, side).resolve() if commits[name] else root)
            for side, name in (("base", base), ("head", head))
        }
        checked_out = [tree for tree in found.values() if tree.commit]
        try:
            for tree in checked_out:
                _git(root, "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", str(tree.root), tree.commit)
            for tree in found.values() if own_cases else (found["head"],):
                if not (tree.root / "bench" / "cases").is_dir():
                    raise BenchError(f"{tree.name}: has no bench/cases to run")
            if not own_cases:
                _replace_bench(found["base"], found["head"])
            yield found["base"], found["head"]
        finally:
            for tree in checked_out:
                _git(root, "worktree", "remove", "--force", str(tree.root), check=False)
            _git(root, "worktree", "prune", check=False)


def _commit(root: Path, name: str) -> str:
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except BenchError:
        raise BenchError(
            f"{name!r}: no such commit here; a hash, branch or tag, or {WORK} for the working tree"
        ) from None


def _replace_bench(base: Tree, head: Tree) -> None:
    if base.commit:
        shutil.rmtree(base.root / "bench", ignore_errors=True)
        shutil.copytree(head.root / "bench", base.root / "bench", ignore=_IGNORED)
    elif base.root != head.root:
        raise BenchError(f"{WORK} can be the second of the two: the first one gets the bench folder of the second")


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _git(directory: Path, *arguments: str, check: bool = True) -> str:
    command = ["git", "-C", str(directory), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BenchError("commits are compared with git, which is not installed") from None
    if check and done.returncode:
        raise BenchError(f"git {arguments[0]}: {done.stderr.strip() or f'ended with {done.returncode}'}")
    return done.stdout.strip()
