"""What two series of times say: slower, faster, the same, another result, or no comparison at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median

from bench.compare.child import Outcome
from bench.quality.guard import worse
from bench.report.tables import Cell, Column, Table, Tone
from bench.report.units import NONE, duration, percent, times
from bench.results import spread


class Verdict(StrEnum):
    """In words."""

    SAME = "same"
    FASTER = "faster"
    SLOWER = "slower"
    ONCE = "slower once, not again"
    OTHER_RESULT = "another result"
    SLOWER_OTHER_RESULT = "slower, another result"
    NEW = "fails on the first"
    BROKEN = "fails on the second"
    WORSE = "more mistakes"
    SKIPPED = "skipped"


LOSSES = frozenset({Verdict.SLOWER, Verdict.SLOWER_OTHER_RESULT, Verdict.WORSE, Verdict.BROKEN})
_TONES: dict[Verdict, Tone] = {
    Verdict.FASTER: "good",
    Verdict.SLOWER: "bad",
    Verdict.SLOWER_OTHER_RESULT: "bad",
    Verdict.OTHER_RESULT: "bad",
    Verdict.WORSE: "bad",
    Verdict.BROKEN: "bad",
    Verdict.NEW: "quiet",
    Verdict.SKIPPED: "quiet",
}


@dataclass(slots=True)
class Side:
    """One commit's runs of one case.  cpu_s: of each turn.  results: what the case said its result was.

    mistakes: what a case that judges verdicts counted, by name.
    """

    cpu_s: list[float] = field(default_factory=list)
    results: set[str] = field(default_factory=set)
    failed: str = ""
    skipped: str = ""
    mistakes: Mapping[str, int] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """One more turn."""
        if outcome.case is not None:
            self.cpu_s.append(outcome.case.cpu_s)
            self.results.add(str(outcome.case.info.get("result")))
            self.mistakes = outcome.case.info.get("mistakes", {})
        else:
            self.failed = self.failed or outcome.failed or ("" if outcome.skipped else "took no time")
            self.skipped = self.skipped or outcome.skipped

    @property
    def measured(self) -> bool:
        """Whether every turn gave a time."""
        return bool(self.cpu_s) and not self.failed and not self.skipped


@dataclass(slots=True)
class Pair:
    """One case on both commits.  again: the second measurement, in fresh processes, of a case that looked slower."""

    case: str
    base: Side = field(default_factory=Side)
    head: Side = field(default_factory=Side)
    again: "Pair | None" = None

    @property
    def ratio(self) -> float | None:
        """How many times the CPU time of the first the second takes: smallest over smallest."""
        if not (self.base.measured and self.head.measured):
            return None
        return min(self.head.cpu_s) / max(min(self.base.cpu_s), 1e-12)

    @property
    def spread(self) -> float | None:
        """How far the middle turn lies above the smallest, on the noisier side."""
        return None if self.ratio is None else max(spread(self.base.cpu_s), spread(self.head.cpu_s))

    @property
    def worse(self) -> list[str]:
        """The mistakes that are more on the second than noise explains, in words."""
        return worse(self.base.mistakes, self.head.mistakes)

    def slower(self, limit: float) -> bool:
        """Whether this measurement alone is a loss past the limit."""
        return self.ratio is not None and self.ratio > 1 + limit

    def verdict(self, limit: float) -> Verdict:
        """limit: the loss that counts, as a share."""
        if self.head.failed:
            return Verdict.BROKEN
        if self.base.failed:
            return Verdict.NEW
        if self.ratio is None:
            return Verdict.SKIPPED
        if self.worse:
            return Verdict.WORSE
        other = len(self.base.results | self.head.results) > 1
        lost = self.slower(limit) and self.again is not None and self.again.slower(limit)
        if other:
            return Verdict.SLOWER_OTHER_RESULT if lost else Verdict.OTHER_RESULT
        if self.slower(limit):
            return Verdict.SLOWER if lost else Verdict.ONCE
        return Verdict.FASTER if self.ratio < 1 / (1 + limit) else Verdict.SAME


def table(pairs: Sequence[Pair], names: tuple[str, str], limit: float) -> Table:
    """One row per case, losses first."""
    columns = [Column("case", left=True), *(Column(name) for name in names), Column("ratio"), Column("again")]
    columns += [Column("spread"), Column("verdict", left=True)]
    known = [(pair, pair.verdict(limit)) for pair in pairs]
    rows: list[list[Cell | str]] = [
        [
            pair.case.removeprefix("bench/cases/"),
            _time(pair.base),
            _time(pair.head),
            Cell(times(pair.ratio), _TONES.get(verdict, "")),
            times(pair.again.ratio) if pair.again else "",
            percent(pair.spread, 0),
            Cell(_words(pair, verdict), _TONES.get(verdict, "")),
        ]
        for pair, verdict in sorted(known, key=lambda found: found[1] not in LOSSES)
    ]
    note = (
        "CPU time, smallest of the turns; ratio: second over first; again: in fresh processes; spread: how far the "
        f"middle turn lies above the smallest. A loss past {limit:.0%} seen twice counts; another result is no gain."
    )
    return Table(f"{names[0]} and {names[1]}", columns, rows, note)


def median_ratio(pairs: Sequence[Pair]) -> float | None:
    """The middle of all ratios: where the whole set lies."""
    ratios = [pair.ratio for pair in pairs if pair.ratio is not None]
    return median(ratios) if ratios else None


def _time(side: Side) -> str:
    return duration(min(side.cpu_s)) if side.measured else NONE


def _words(pair: Pair, verdict: Verdict) -> str:
    why = {
        Verdict.NEW: pair.base.failed,
        Verdict.BROKEN: pair.head.failed,
        Verdict.SKIPPED: pair.head.skipped or pair.base.skipped,
        Verdict.WORSE: ", ".join(pair.worse),
    }.get(verdict, "")
    return f"{verdict}: {why}" if why else str(verdict)
