"""`python -m bench.others setup [NAME...]` installs the systems that need it; `... run` runs the job in all of them."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import orjson

from bench.others.cli import JOBS
from bench.others.run import Arena, Measured
from bench.others.systems import SYSTEMS
from bench.others.venvs import names, setup


def main() -> int:
    """Exit code 1 when a system failed or gave other rows."""
    parser = argparse.ArgumentParser(prog="python -m bench.others", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("setup", help="make the virtual environments")
    making.add_argument("name", nargs="*", choices=[[], *names()], help="all by default")
    running = commands.add_parser("run", help="run the job in turns, print a table")
    running.add_argument("--events", type=int, default=200_000)
    running.add_argument("--rounds", type=int, default=3)
    running.add_argument("--job", choices=JOBS, action="append", help="both by default")
    running.add_argument("--system", choices=SYSTEMS, action="append", help="all that can run, by default")
    running.add_argument("--json", type=Path, help="write the figures there, too")
    given = parser.parse_args()
    if given.command == "setup":
        setup(given.name or names())
        return 0
    return run(given.events, given.rounds, given.job or JOBS, given.system or list(SYSTEMS), given.json)


def run(events: int, rounds: int, jobs: Sequence[str], wanted: Sequence[str], to: Path | None) -> int:
    """Prints the figures of each job."""
    systems = [SYSTEMS[name] for name in wanted]
    for system in systems:
        if why := system.missing():
            print(f"left out: {why}", file=sys.stderr)
    able = [system for system in systems if not system.missing()]
    found = {}
    with TemporaryDirectory(prefix="driftnet-others-") as folder:
        arena = Arena(Path(folder), events)
        for job in jobs:
            found[job] = arena.rounds(able, job, rounds, lambda text: print(text, file=sys.stderr))
            for system in able:
                if not found[job][system.name].failed:
                    found[job][system.name].start_up_cpu_s = arena.start_up(system, job)
            print(table(job, events, found[job]))
    if to:
        figures = {job: {name: asdict(m) for name, m in by_system.items()} for job, by_system in found.items()}
        to.write_bytes(orjson.dumps({"events": events, "jobs": figures}, option=orjson.OPT_INDENT_2))
    return int(any(m.failed for by_system in found.values() for m in by_system.values()))


def table(job: str, events: int, found: dict[str, Measured]) -> str:
    """One line per system."""
    lines = [f"\n{job}, {events:,} events: medians (smallest to largest); CPU of the whole process tree"]
    lines.append(f"{'':24}{'CPU s':>26}{'start-up':>10}{'wall s':>26}{'peak MB':>9}  equal rows")
    for name, m in found.items():
        if m.failed:
            lines.append(f"{name:24}{m.failed.splitlines()[0][:120]}")
            continue
        cpu, wall = (f"{median(s):.2f} ({min(s):.2f} to {max(s):.2f})" for s in (m.cpu_s, m.wall_s))
        equal = f"{m.equal_rows:,} of {m.rows:,}"
        lines.append(f"{name:24}{cpu:>26}{m.start_up_cpu_s:>10.2f}{wall:>26}{m.peak_rss_bytes / 1e6:>9.0f}  {equal}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
