"""The comparison itself: all cases in turns, the suspicious ones once more in fresh processes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.compare.child import Child, children
from bench.compare.trees import Tree, repository, trees
from bench.compare.verdict import LOSSES, Pair, Side, Verdict
from bench.results import BenchError

QUICK = (
    "test_flow.py",
    "test_wire.py",
    "test_routing.py::test_split[16]",
    "test_panes.py",
    "test_windows.py",
    "test_features.py::test_together",
    "test_detectors.py::test_detector[half_space_trees-score and learn-1024]",
    "test_detectors.py::test_detector[ecod-score and learn-1024]",
    "test_detectors.py::test_detector[history_baseline-score and learn-1024]",
    "test_detectors.py::test_detector[rules-score and learn-1024]",
    "test_calibration.py::test_tail_and_learn[1024]",
    "test_calibration.py::test_combine[1024]",
    "test_drift.py::test_update[1024-12-steady]",
    "test_alerts.py::test_policy[1024]",
    "test_snapshot.py",
    "test_sinks.py::test_sink[sqlite-alerts]",
    "test_sinks.py::test_sink[jsonl-alerts]",
    "test_verdicts.py::test_verdicts[null-2000-41]",
    "test_verdicts.py::test_verdicts[shipped-2000-41]",
)
"""What is compared when nobody says: the flow, and each layer at its usual size; minutes, not hours."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """names: parts of case ids, e.g. "test_wire", "decode", "scenario[zipf]"; QUICK ones when empty.

    limit: the loss that counts, as a share.  rounds: turns of each commit.  own_cases: each runs what its own bench
    folder has under a case's id.
    """

    base: str
    head: str
    names: tuple[str, ...] = QUICK
    limit: float = 0.2
    rounds: int = 3
    smoke: bool = False
    own_cases: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """titles: of the commits.  notes: what else a reader should know."""

    asked: Asked
    titles: tuple[str, str]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()

    @property
    def comparable(self) -> bool:
        """Whether any case ran on both."""
        return any(pair.ratio is not None for pair in self.pairs)

    @property
    def losses(self) -> list[Pair]:
        """Cases that got slower, seen twice, that make more mistakes, or that fail now."""
        return [pair for pair in self.pairs if pair.verdict(self.asked.limit) in LOSSES]

    @property
    def other_results(self) -> list[Pair]:
        """Cases that compute something else now."""
        found = (Verdict.OTHER_RESULT, Verdict.SLOWER_OTHER_RESULT)
        return [pair for pair in self.pairs if pair.verdict(self.asked.limit) in found]

    def to_json(self) -> dict[str, Any]:
        """Both commits, every case with all its times, the losses."""
        limit = self.asked.limit
        cases = [
            {
                "case": pair.case,
                "base_cpu_s": pair.base.cpu_s,
                "head_cpu_s": pair.head.cpu_s,
                "ratio": pair.ratio,
                "again": pair.again.ratio if pair.again else None,
                "spread": pair.spread,
                "mistakes": {"base": dict(pair.base.mistakes), "head": dict(pair.head.mistakes)},
                "verdict": str(pair.verdict(limit)),
            }
            for pair in self.pairs
        ]
        losses = [pair.case for pair in self.losses]
        return {"base": self.titles[0], "head": self.titles[1], "limit": limit, "cases": cases, "losses": losses}


def compare(asked: Asked, directory: Path, tell: Tell) -> Compared:
    """Measures; tell gets a line for people now and then.  Raises BenchError when nothing can be compared."""
    root = repository(directory)
    with trees(root, asked.base, asked.head, own_cases=asked.own_cases) as pair:
        files = _files(pair[1], asked.names)
        measured = _measure(asked, pair, files, None, tell)
        suspects = {found.case: found for found in measured if found.slower(asked.limit)}
        if suspects:
            tell(f"{len(suspects)} slower by more than {asked.limit:.0%}; once more, in fresh processes")
            suspicious_files = [file for file in files if any(case.startswith(f"{file}::") for case in suspects)]
            for again in _measure(asked, pair, suspicious_files, set(suspects), tell):
                suspects[again.case].again = again
        notes = ["requirements.lock differs; both ran with what is installed"] if _locks_differ(pair) else []
        notes += [
            "each ran its own cases; a ratio is one of the code alone where the case is the same"
        ] * asked.own_cases
        return Compared(asked, (pair[0].title, pair[1].title), tuple(measured), tuple(notes))


def _files(head: Tree, names: Sequence[str]) -> list[str]:
    """Files that may hold wanted cases: those that are named, when every name holds that of a file."""
    found = sorted((head.root / "bench" / "cases").glob("test_*.py"))
    if all(any(path.stem in name for path in found) for name in names):
        found = [path for path in found if any(path.stem in name for name in names)]
    return [f"bench/cases/{path.name}" for path in found]


def _measure(asked: Asked, pair: Sequence[Tree], files: Sequence[str], only: set[str] | None, tell: Tell) -> list[Pair]:
    with children(pair, files, smoke=asked.smoke) as (base, head):
        if head.dead:
            raise BenchError(f"{head.tree.title}: {head.dead}")
        wanted = [case for case in head.cases if (only is None or case in only) and any(n in case for n in asked.names)]
        if not wanted and not head.broken:
            raise BenchError(f"no case has {' or '.join(map(repr, asked.names))} in its id")
        found = [Pair(file, head=Side(failed=why)) for file, why in head.broken.items()]
        for index, case in enumerate(wanted, 1):
            measured = Pair(case)
            _take_turns(measured, base, head, asked.rounds)
            words = f"{measured.ratio:.2f} x" if measured.ratio is not None else measured.verdict(asked.limit)
            tell(f"[{index}/{len(wanted)}] {case.removeprefix('bench/cases/')}: {words}")
            found.append(measured)
        return found


def _take_turns(measured: Pair, base: Child, head: Child, rounds: int) -> None:
    sides = [(measured.base, base), (measured.head, head)]
    for turn in range(rounds):
        for side, child in sides if turn % 2 == 0 else reversed(sides):
            side.add(child.run(measured.case))
        if not (measured.base.measured and measured.head.measured):
            return


def _locks_differ(pair: Sequence[Tree]) -> bool:
    locks = [tree.root / "requirements.lock" for tree in pair]
    texts = [lock.read_bytes() if lock.exists() else b"" for lock in locks]
    return texts[0] != texts[1]
