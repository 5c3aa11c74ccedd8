"""Promise P3 under fire: runs that are killed, resumed and rescaled again and again say what a quiet run says.

`python -m tests.simulation.chaos --kills 500 --seed 1` (`make chaos`). A life is one job from its beginning to its end
through some dozens of kills; then its complete records and totals are compared with those of the local driver. A life
that fails prints the command that repeats it.
"""

import argparse
import logging
import os
import random
import signal
import sqlite3
import sys
import time
import traceback
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import orjson

from flows.assemble import Opener
from flows.engine.plan import Options
from flows.engine.run import execute
from flows.job import Job
from flows.operators.messages import Stream
from flows.sinks.specs import SqliteSink
from flows.sources.base import Source
from tests.engine.scenarios import SCENARIOS, Told, bytewax_plan, run_local, same, told, write_files
from tests.simulation.fault_points import POINTS, arm

_PARTS: Final = 2
_KILLS_PER_LIFE: Final = 40
_RANDOM: Final = "a random moment"
_MEMBER: Final = "one of two processes"
_PARENT: Final = "the parent of two processes"
_HANG_S: Final = 120.0


class ChaosError(AssertionError):
    """A life that did not end as it should."""


@dataclass(frozen=True)
class Attempt:
    """One process, or a parent with two.  point: where it is killed, "" for nowhere.  hits, after_s: when."""

    options: Options
    point: str = ""
    hits: int = 0
    after_s: float = 0.0


@dataclass
class Life:
    """A job between its first start and its end.  Attempts are drawn from the seed."""

    seed: int
    place: Path
    kills_max: int = _KILLS_PER_LIFE
    clusters: bool = True
    kills: Counter[str] = field(default_factory=Counter)
    attempts: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self.name = self._rng.choice(sorted(SCENARIOS))
        self.source = write_files(self.name, _PARTS, self.place)
        self._usual_s = 1.0

    def live(self) -> Told:
        """What is found at the end.  Raises ChaosError when a process ends otherwise than by the kill or its work."""
        while True:
            attempt = self._draw() if self.kills.total() < self.kills_max else Attempt(self._options(1))
            self.attempts += 1
            started_s = time.monotonic()
            if self._run(attempt):
                return self._found()
            self.kills[attempt.point] += 1
            if attempt.point == _RANDOM:
                self._usual_s = min(4.0, max(self._usual_s, time.monotonic() - started_s))

    def _options(self, processes: int) -> Options:
        rng = self._rng
        return Options(
            workers=1 if processes > 1 else rng.choice([1, 1, 2, 3, 4]),
            processes=processes,
            batch_lines=rng.choice([60, 150, 400]),
            epoch_s=rng.choice([0.0, 0.005, 0.05]),
            state_dir=self.place / "state",
        )

    def _draw(self) -> Attempt:
        rng = self._rng
        if self.clusters and rng.random() < 0.04:
            return Attempt(self._options(2), rng.choice([_MEMBER, _PARENT]), after_s=rng.uniform(1.5, 3.5))
        if rng.random() < 0.35:
            return Attempt(self._options(1), _RANDOM, after_s=rng.uniform(0.02, 1.2 * self._usual_s))
        point = rng.choice(sorted(POINTS))
        return Attempt(self._options(1), point, hits=rng.randint(1, POINTS[point][3]))

    def _run(self, attempt: Attempt) -> bool:
        """Whether it came to the end of the input."""
        log = self.place / "log.txt"
        child = os.fork()
        if not child:
            _child(attempt, job(self.name), self.source, self.place, log)
        status = _wait(child, attempt)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return True
        if attempt.point and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return False
        if attempt.point == _MEMBER and "exit code -9" in log.read_text():
            return False
        raise ChaosError(f"{attempt}: ended with status {status}\n{log.read_text()[-3000:]}")

    def _found(self) -> Told:
        """The records; each file's lines are whole, and the store has each alert once."""
        out = self.place / "out"
        for file in out.glob("*.jsonl"):
            text = file.read_bytes()
            assert not text or text.endswith(b"\n"), f"{file.name} ends in the middle of a line"
            for line in text.splitlines():
                orjson.loads(line)
        records = [orjson.loads(line) for line in (out / "alerts.jsonl").read_bytes().splitlines()]
        with closing(sqlite3.connect(out / "store.db")) as db:
            stored = sorted(id_ for (id_,) in db.execute("SELECT id FROM alerts"))
        assert stored == sorted(r["alert_id"] for r in records), "the store has other alerts than the file"
        summary = orjson.loads((self.place / "summary.json").read_bytes())
        return told(out, _Summary(summary))  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Summary:
    """What another process summed up."""

    table: dict[str, object]

    def to_json(self) -> dict[str, object]:
        return self.table


@cache
def job(name: str) -> Job:
    return SCENARIOS[name].job()


@cache
def reference(name: str) -> Told:
    """What the local driver says, in one go."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        return run_local(job(name), write_files(name, _PARTS, place), place / "out", 8192)


def _child(attempt: Attempt, job_: Job, source: Source, place: Path, log: Path) -> None:
    """Never returns."""
    code = 7
    try:
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        logging.basicConfig(level=logging.WARNING, stream=os.fdopen(fd, "w"), force=True)
        if attempt.hits:
            arm(attempt.point, attempt.hits)
        plan = bytewax_plan(job_, source, place / "out", attempt.options)
        store = Opener(SqliteSink(str(place / "out" / "store.db")), "alerts", "run")
        plan = replace(plan, openers={**plan.openers, "store": (Stream.ALERTS, store)})
        summary = execute(plan)
        (place / "summary.json").write_bytes(orjson.dumps(summary.to_json()))
        code = 0
    except BaseException:
        with log.open("a") as file:
            traceback.print_exc(file=file)
    finally:
        os._exit(code)


def _wait(child: int, attempt: Attempt) -> int:
    """The child's status; kills it, or what it has started, when it is time."""
    started_s, due = time.monotonic(), bool(attempt.after_s)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        passed_s = time.monotonic() - started_s
        if due and passed_s >= attempt.after_s:
            due = False
            _kill(child, attempt)
        if passed_s > _HANG_S:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise ChaosError(f"{attempt}: still running after {_HANG_S:.0f} s")
        time.sleep(0.002)


def _kill(child: int, attempt: Attempt) -> None:
    if attempt.point != _MEMBER:
        os.kill(child, signal.SIGKILL)
        return
    members = [p for p in map(int, _children(child)) if "spawn_main" in _command(p)]
    if members:
        os.kill(members[-1], signal.SIGKILL)
    else:
        os.kill(child, signal.SIGKILL)


def _children(process: int) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def survive(seed: int, kills_max: int = _KILLS_PER_LIFE, *, clusters: bool = True) -> Life:
    """One life, compared.  Raises AssertionError when its records are not those of a quiet run."""
    with TemporaryDirectory(prefix="driftnet-chaos-") as folder:
        life = Life(seed, Path(folder), kills_max, clusters)
        same(life.live(), reference(life.name))
        return life


def main() -> int:
    """Exit code 1 when a life failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="lives are begun until there were so many")
    parser.add_argument("--seed", type=int, default=1, help="of the first life")
    parser.add_argument("--one", action="store_true", help="one life only")
    given = parser.parse_args()
    survived: Counter[str] = Counter()
    started_s, lives, seed = time.monotonic(), 0, given.seed
    while survived.total() < given.kills and not (given.one and lives):
        try:
            life = survive(seed)
        except AssertionError as error:
            print(f"life {seed} failed: {error}\nagain: python -m tests.simulation.chaos --one --seed {seed}")
            return 1
        survived += life.kills
        lives, seed = lives + 1, seed + 1
        print(
            f"life {life.seed}: {life.name}, {life.kills.total()} kills, records equal; {survived.total()} so far,"
            f" {time.monotonic() - started_s:.0f} s",
            flush=True,
        )
    print(f"\n{survived.total()} kills survived in {lives} lives, all records and totals equal to a quiet run's")
    for point, count in survived.most_common():
        print(f"{count:5}  {point}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
