"""`driftnet status`: what a run does, or did last."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, print_json, print_text
from flows.printing import shown

if TYPE_CHECKING:
    from rich.table import Table


def status(
    state_dir: Annotated[
        Path, typer.Argument(help="The --state-dir of a run, which may go on meanwhile.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Say whether a run goes on, how far its last checkpoint is, and, where it listens (--listen), how it is now.

    Example: [bold]driftnet status state/[/]

    Exit code 1 when the run does not go on, or says that it is not alive.
    """
    from flows.metrics.status import status as status_of

    told = status_of(state_dir)
    if as_json:
        print_json(told)
    else:
        print_text(_table(told))
    health = [answer for answer in told["health"].values() if answer is not None]
    if not told["running"] or not all(answer["alive"] for answer in health):
        raise typer.Exit(1)


def _table(told: dict[str, Any]) -> "Table":
    from flows.summary import two_columns

    table = two_columns(shown(told["state_dir"]))

    def row(name: str, text: str) -> None:
        table.add_row(shown(name), shown(text))

    row("running", "yes" if told["running"] else "no")
    for run in told["runs"]:
        row("run", f"{run['run']} of {run['job']}, driftnet {run['version']}, {run['processes']} processes")
        row("", f"started {run['started']} on {run['host']}, process {run['pid']}")
        if run["ended"]:
            row("", f"ended {run['ended']}: {run['how']}")
        elif not told["running"]:
            row("", "was killed: it says nothing of its end")
    for address, health in told["health"].items():
        _health(row, address, health)
    checkpoint = told["checkpoint"]
    if checkpoint is None:
        row("checkpoint", "none yet")
    else:
        _checkpoint(row, checkpoint)
    if told["archive"] is not None:
        _archive(row, told["archive"])
    return table


def _checkpoint(row: Any, checkpoint: dict[str, Any]) -> None:
    totals = checkpoint["totals"]
    row("checkpoint", f"epoch {checkpoint['epoch']:,}, written {checkpoint['written']}")
    row("", f"{totals['read']:,} lines read, {totals['alerts']:,} alerts")
    for name, partition in checkpoint["partitions"].items():
        waiting = f", {partition['waiting']:,} lines wait" if partition["waiting"] else ""
        row("partition", f"{name}: {'read to its end' if partition['done'] else _moment(partition)}{waiting}")


def _archive(row: Any, archive: dict[str, Any]) -> None:
    row("archive", str(archive["url"]))
    taken = archive["taken"]
    row("", f"epoch {archive['epoch']:,}, of {taken}" if taken else "nothing is there yet")
    if archive["error"]:
        row("", f"{archive['errors']:,} attempts failed, the last of them: {archive['error']}")


def _health(row: Any, address: str, health: dict[str, Any] | None) -> None:
    if health is None:
        row("listens", f"{address}, and does not answer from here")
        return
    row("listens", address)
    row("ready", "yes" if health["ready"] else "no")
    for reason in health["reasons"]:
        row("", reason)
    for name, stage in health["stages"].items():
        moved = "has not moved yet" if stage["moved"] is None else f"moved {stage['seconds_ago']:,.1f} s ago"
        at = f", at a piece of work for {stage['working_for_s']:,.1f} s" if stage["working_for_s"] else ""
        row(f"stage {name}", moved + at)


def _moment(partition: dict[str, Any]) -> str:
    from state.times import iso

    us = partition["watermark_us"]
    return f"event time {iso(us)}" if us > 0 else "not begun"
