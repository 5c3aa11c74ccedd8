"""docs/metrics.md, from the catalogue."""

import sys
from typing import Final

from flows.metrics.catalogue import CATALOGUE, OF_COUNTERS

_PAGE: Final = """\
# Metrics

What `/metrics` of `driftnet run --listen HOST:PORT` has, by name. How to watch a run with them:
[monitoring.md](monitoring.md).

All series of a job are there from its first second, with 0 where nothing has happened. A counter starts at 0 with the
supervising process and only grows, also when worker processes are started again from a checkpoint: what is done twice
counts once. (Of all but the totals, what a process counted in the last second before it was killed is lost with it.)
Times are timestamps, in seconds since 1970; those of events are in event time. No label holds an id of a
subject, an event or an alert.

## Totals

One for each entry of [counters.md](counters.md). Where there are further kinds of subjects
([subjects.md](subjects.md)), `kind` tells them apart from the stream's own; what has no such label and is counted of
several kinds is their sum, but for lines: each has its fate once, and that is `driftnet_lines_unaccounted` below.

{totals}

## Of the run

{others}
"""


def markdown() -> str:
    """docs/metrics.md."""
    totals = {metric.name for metric in OF_COUNTERS.values()}
    return _PAGE.format(
        totals=_table([name for name in CATALOGUE if name in totals]),
        others=_table([name for name in CATALOGUE if name not in totals]),
    )


def _table(names: list[str]) -> str:
    lines = ["| metric | kind | labels | what |", "|---|---|---|---|"]
    for metric in (CATALOGUE[name] for name in names):
        labels = ", ".join(metric.labels)
        lines.append(f"| `{metric.exposed}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(markdown())
