"""What was measured: pytest-benchmark's JSON, read once, asked by kind."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from state.errors import DriftnetError

KINDS = ("scenario", "layer", "growth", "others", "quality", "verdicts")
"""What `extra_info["kind"]` can be."""


class BenchError(DriftnetError):
    """The suite cannot do what was asked: a file, a name, a commit or an installation that does not fit."""


@dataclass(frozen=True, slots=True)
class Case:
    """One measured case.

    name: as pytest prints it, e.g. "test_scenario[zipf]".  fullname: with its file.  min_s, median_s: of the rounds, by
    the case's timer.  info: `extra_info`, whose keys bench/README.md lists.
    """

    name: str
    fullname: str
    min_s: float
    median_s: float
    info: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """One of KINDS; "" for a case that does not say."""
        return str(self.info.get("kind", ""))

    @property
    def spread(self) -> float | None:
        """How far the middle round lies above the smallest, as a share of it; None for a case that took no time."""
        return self.median_s / self.min_s - 1 if self.min_s > 0 else None

    @property
    def cpu_s(self) -> float:
        """What two commits are compared by: the smallest CPU time of the whole flow, of a replay, or of the case."""
        match self.kind:
            case "scenario":
                return min(self.info["cpu_s"]["whole"])
            case "verdicts":
                return float(self.info["cpu_s"])
            case _:
                return self.min_s


@dataclass(frozen=True, slots=True)
class Results:
    """All cases of one run, and where and when it was.  smoke: at the sizes of the tests, so not worth quoting."""

    machine: Mapping[str, Any]
    commit: Mapping[str, Any]
    date: str
    cases: tuple[Case, ...]
    smoke: bool = False

    def of(self, kind: str) -> tuple[Case, ...]:
        """The cases of one kind, in the order in which they ran."""
        return tuple(case for case in self.cases if case.kind == kind)

    @property
    def versions(self) -> dict[str, str]:
        """Package -> version, Python and Driftnet first."""
        return dict(self.machine.get("versions", {}))

    @property
    def machine_line(self) -> str:
        """The machine in a line: processor, cores, memory, system."""
        cpu = self.machine.get("cpu", {})
        parts = [cpu.get("brand_raw") or self.machine.get("machine"), _count(cpu.get("count"), "core")]
        if memory := self.machine.get("memory_bytes"):
            parts.append(f"{memory / 2**30:.0f} GiB")
        parts.append(f"{self.machine.get('system', '')} {self.machine.get('machine', '')}".strip())
        return ", ".join(part for part in parts if part)


def read_results(path: Path) -> Results:
    """From the file that pytest-benchmark wrote.  Raises BenchError."""
    try:
        return results_of(orjson.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{path}: not the JSON of a benchmark run ({error!r})") from None


def results_of(table: Mapping[str, Any]) -> Results:
    """From pytest-benchmark's JSON as a table."""
    cases = tuple(_case(case) for case in table["benchmarks"])
    return Results(table["machine_info"], table["commit_info"], table["datetime"], cases, bool(table.get("smoke")))


def merged(tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One table of several runs: where and when of the first, the cases of all."""
    tables = list(tables)
    return {**tables[0], "benchmarks": [case for table in tables for case in table["benchmarks"]]}


def spread(values: Iterable[float]) -> float:
    """How far the middle value lies above the smallest, as a share of it: 0.05 says the machine was quiet."""
    values = sorted(values)
    return median(values) / values[0] - 1 if values and values[0] > 0 else 0.0


def _case(table: Mapping[str, Any]) -> Case:
    stats = table["stats"]
    return Case(table["name"], table["fullname"], stats["min"], stats["median"], table["extra_info"])


def _count(number: int | None, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}" if number else ""
