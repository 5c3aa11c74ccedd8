"""Promise P3 under fire: runs that are killed, resumed and rescaled again and again say what a quiet run says, whatever
strangers send meanwhile (tests.simulation.strangers).

`python -m tests.simulation.chaos --kills 500 --seed 1` (`make chaos`). A life is one job from its beginning to its end
through some dozens of kills; then its complete records and totals are compared with those of the local driver. A life
that fails prints the command that repeats it.
"""

import argparse
import faulthandler
import logging
import os
import random
import signal
import sqlite3
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import orjson

from flows.drive.assembly import Opener
from flows.engine.plan import Options
from flows.engine.run import execute
from flows.engine.supervise import Restarts
from flows.sinks.specs import SqliteSink
from flows.sources.base import Source
from flows.streams import Stream
from tests.engine.beside import ToldAll, audit_of, plan_beside, run_beside_local, same_all
from tests.engine.scenarios import SCENARIOS, told
from tests.simulation.fault_points import POINTS, arm
from tests.simulation.strangers import job, write_sources

_KILLS_PER_LIFE: Final = 40
_RANDOM: Final = "a random moment"
_MEMBER: Final = "one of the processes"
_SIGTERM: Final = "one of the processes, by SIGTERM"
_PARENT: Final = "the parent of the processes"
_HANG_UP: Final = "SIGHUP to the run"
_DEATHS: Final = {_MEMBER: ("exit code -9",), _SIGTERM: ("which it alone got", "exit code -15")}
"""What a run says of them that ends with one of its processes."""
_HANG_S: Final = 300.0


class ChaosError(AssertionError):
    """A life that did not end as it should."""


@dataclass(frozen=True)
class Attempt:
    """One process, or a parent with others.  point: where it is killed, "" for nowhere.  hits, after_s: when.

    victim: which of the processes.
    """

    options: Options
    point: str = ""
    hits: int = 0
    after_s: float = 0.0
    victim: int = 0


@dataclass
class Life:
    """A job between its first start and its end.  Attempts are drawn from the seed."""

    seed: int
    place: Path
    kills_max: int = _KILLS_PER_LIFE
    clusters: bool = True
    kills: Counter[str] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)
    attempts: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self.name = self._rng.choice(sorted(SCENARIOS))
        self.sources = write_sources(self.name, self.place)
        self._usual_s = 1.0

    def live(self) -> ToldAll:
        """What is found at the end.  Raises ChaosError when a process ends otherwise than by what befell it, or its
        work.
        """
        while True:
            attempt = self._draw() if self.kills.total() < self.kills_max else Attempt(self._options(1))
            self.attempts += 1
            started_s = time.monotonic()
            if self._run(attempt):
                return self._found()
            self.kills[attempt.point] += 1
            if attempt.point == _RANDOM:
                self._usual_s = min(4.0, max(self._usual_s, time.monotonic() - started_s))

    def _options(self, processes: int, restarts: int = 0) -> Options:
        rng = self._rng
        return Options(
            workers=1 if processes > 1 else rng.choice([1, 1, 2, 3, 4]),
            processes=processes,
            batch_lines=rng.choice([60, 150, 400]),
            epoch_s=rng.choice([0.0, 0.005, 0.05]),
            state_dir=self.place / "state",
            restarts=Restarts(restarts, pause_s=0.01),
            drain_s=2 * _HANG_S,
            prepare=tell_where_on_signal,
        )

    def _draw(self) -> Attempt:
        rng = self._rng
        if self.clusters and rng.random() < 0.08:
            point = rng.choice([_MEMBER, _SIGTERM, _SIGTERM, _PARENT, _HANG_UP])
            options = self._options(2, rng.choice([0, 2]))
            return Attempt(options, point, after_s=rng.uniform(1.5, 3.5), victim=rng.randrange(2))
        if rng.random() < 0.4:
            point = _HANG_UP if rng.random() < 0.15 else _RANDOM
            return Attempt(self._options(1), point, after_s=rng.uniform(0.02, 1.2 * self._usual_s))
        # Nothing is restored in a first run.
        point = rng.choice([p for p in sorted(POINTS) if self.attempts or not p.startswith("while")])
        return Attempt(self._options(1), point, hits=1 + int(POINTS[point][3] * rng.random() ** 3))

    def _run(self, attempt: Attempt) -> bool:
        """Whether it came to the end of the input, and nothing befell it."""
        log = self.place / "log.txt"
        child = os.fork()
        if not child:
            _child(attempt, self.name, self.sources, self.place, log)
        status, struck = _wait(child, attempt, log)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            # One that has drained goes on; so does one that ended a moment before, or has started again by itself.
            return not struck
        if os.WIFSIGNALED(status) and attempt.point:
            expected = signal.SIGHUP if attempt.point == _HANG_UP else signal.SIGKILL
            if os.WTERMSIG(status) == expected:
                return False
        if any(word in log.read_text() for word in _DEATHS.get(attempt.point, ())):
            return False
        raise ChaosError(f"{attempt}: ended with status {status}\n{log.read_text()[-3000:]}")

    def _found(self) -> ToldAll:
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
        return told(out, _Summary(summary)), audit_of(out)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Summary:
    """What another process summed up."""

    table: dict[str, object]

    def to_json(self) -> dict[str, object]:
        return self.table


@cache
def reference(name: str) -> ToldAll:
    """What the local driver says, in one go."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        return run_beside_local(job(name), write_sources(name, place), place / "out")


def tell_where_on_signal() -> None:
    """SIGUSR1 to this process, and it says where it is."""
    faulthandler.register(signal.SIGUSR1)


def _child(attempt: Attempt, name: str, sources: Sequence[Source], place: Path, log: Path) -> None:
    """Never returns."""
    code = 7
    try:
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        tell_where_on_signal()
        logging.basicConfig(level=logging.WARNING, stream=os.fdopen(fd, "w"), force=True)
        if attempt.hits:
            arm(attempt.point, attempt.hits)
        plan = plan_beside(job(name), sources, place / "out", attempt.options)
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


def _wait(child: int, attempt: Attempt, log: Path) -> tuple[int, bool]:
    """The child's status, and whether it was struck, or what it has started, when it was time."""
    started_s, struck = time.monotonic(), False
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status, struck
        passed_s = time.monotonic() - started_s
        if attempt.after_s and not struck and passed_s >= attempt.after_s:
            struck = _strike(child, attempt)
        if passed_s > _HANG_S:
            for process in (child, *_members(child)):
                os.kill(process, signal.SIGUSR1)  # it says where it is
            time.sleep(2.0)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise ChaosError(f"{attempt}: still running after {_HANG_S:.0f} s\n{log.read_text()[-6000:]}")
        time.sleep(0.002)


def _strike(child: int, attempt: Attempt) -> bool:
    """Whether there was somebody to strike."""
    if attempt.point not in (_MEMBER, _SIGTERM):
        os.kill(child, signal.SIGHUP if attempt.point == _HANG_UP else signal.SIGKILL)
        return True
    members = _members(child)
    if len(members) < attempt.options.processes:
        return False
    with suppress(ProcessLookupError):
        os.kill(members[attempt.victim], signal.SIGTERM if attempt.point == _SIGTERM else signal.SIGKILL)
    return True


def _members(process: int) -> list[int]:
    """The processes of the run that it has started."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [child for child in map(int, children) if "spawn_main" in _command(child)]


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def survive(seed: int, kills_max: int = _KILLS_PER_LIFE, *, clusters: bool = True) -> Life:
    """One life, compared.  Raises AssertionError when its records are not those of a quiet run."""
    with TemporaryDirectory(prefix="driftnet-chaos-") as folder:
        life = Life(seed, Path(folder), kills_max, clusters)
        expected = reference(life.name)  # first: what it imports need not be imported again by each child
        same_all(life.live(), expected)
        life.strange = _strange(expected)
        return life


def _strange(found: ToldAll) -> Counter[str]:
    """What strangers and colleagues sent that was set aside, by source and reason."""
    (records, _), audit = found
    rejects = map(orjson.loads, records["rejects"])
    counts = Counter(f"{Path(r['source']).stem.split('-')[0]}: line rejected, {r['reason']}" for r in rejects)
    counts["control: command refused"] = sum(orjson.loads(r)["outcome"] == "refused" for r in audit)
    return counts


def main() -> int:
    """Exit code 1 when a life failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.chaos", description=__doc__)
    parser.add_argument(
        "--kills", type=int, default=500, help="lives, of at most 40 each, are begun until there were so many"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first life")
    parser.add_argument("--one", action="store_true", help="one life only")
    given = parser.parse_args()
    survived: Counter[str] = Counter()
    strange: Counter[str] = Counter()
    started_s, lives, seed = time.monotonic(), 0, given.seed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # one that is cut off says how far it came
    try:
        while survived.total() < given.kills and not (given.one and lives):
            life = survive(seed, min(_KILLS_PER_LIFE, given.kills))
            survived += life.kills
            strange += life.strange
            lives, seed = lives + 1, seed + 1
            print(
                f"life {life.seed}: {life.name}, {life.kills.total()} kills, records equal; {survived.total()} so far,"
                f" {time.monotonic() - started_s:.0f} s",
                flush=True,
            )
    except AssertionError as error:
        again = f"python -m tests.simulation.chaos --one --seed {seed} --kills {given.kills}"
        print(f"life {seed} failed: {error}\nagain: {again}")
        return 1
    finally:
        print(f"\n{survived.total()} kills survived in {lives} lives, all records and totals equal to a quiet run's")
        for kind, count in [*survived.most_common(), *strange.most_common()]:
            print(f"{count:7,}  {kind}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
