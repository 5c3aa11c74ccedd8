"""`driftnet run`: the live worker, on Bytewax."""

import logging
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.display import display
from flows.cli.options import AsJson, BatchLines, Settings, duration_option, load_config, store_note
from flows.cli.results import finish, read_records, scratch_file, truth_of

if TYPE_CHECKING:
    from flows.report import Summary

_log = logging.getLogger("driftnet")


def run(
    config: Annotated[
        Path | None,
        typer.Argument(help="A TOML file; without one, a simulated day of a streaming platform.", show_default=False),
    ] = None,
    settings: Settings = None,
    processes: Annotated[
        int, typer.Option("--processes", "-p", min=1, help="Processes on this machine; about one core each.")
    ] = 1,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="Worker threads per process.")] = 1,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            help="Where state survives a stop or a crash; the next run goes on from there.", show_default=False
        ),
    ] = None,
    epoch: Annotated[str, typer.Option(help="Time between checkpoints.")] = "5s",
    batch_lines: BatchLines = 8192,
    status_every: Annotated[
        str, typer.Option(help="Time between status lines, where there is no progress bar.")
    ] = "10s",
    show_alerts: Annotated[bool, typer.Option("--print/--no-print", help="Print each alert as it is found.")] = True,
    as_json: AsJson = False,
) -> None:
    """Run a job as a worker, until its input ends or SIGINT or SIGTERM asks it to stop; then print a summary.

    Examples:

      [bold]driftnet run[/]                                  simulate a day with 5,000 users and find the fraud in it

      [bold]tail -F events.jsonl | driftnet run fraud.toml --set sources.main.kind=stdin[/]

      [bold]driftnet run fraud.toml --processes 2 --state-dir state/[/]

    Alerts go where the configuration's [bold]sinks[/] say, driftnet.db without one.  A first signal drains the run, a
    second one ends it at once.  Exit code 1 when a line is unaccounted for.
    """
    from flows.assemble import Assembly
    from flows.engine.plan import Options
    from flows.operators.messages import Stream
    from flows.report import listing
    from flows.sinks.specs import ConsoleSink, JsonlSink, SinkSpec
    from flows.worker import work

    found = load_config(config, settings)
    live = found.is_live
    truth = None if live else truth_of(found)
    options = Options(
        workers=workers,
        processes=processes,
        batch_lines=batch_lines,
        epoch_s=duration_option("--epoch", epoch) / 1e6,
        live=live,
        state_dir=state_dir,
    )
    # Beside the state, so that the evaluation, like the summary, tells of all that the state has seen.
    with scratch_file("alerts.jsonl") if state_dir is None else nullcontext(state_dir / "alerts-seen.jsonl") as copy:
        extra: list[SinkSpec] = [
            *([JsonlSink(str(copy), overwrite=True)] if truth is not None else []),
            *([ConsoleSink()] if show_alerts and not as_json else []),
        ]
        every_s = duration_option("--status-every", status_every) / 1e6
        with display(quiet=as_json and not live, live=live, every_s=every_s) as screen:

            def tell(summary: "Summary", fraction: float | None) -> None:
                aside = {"late": summary.late, "rejected": summary.rejected}
                counts = {"alerts": summary.alerts} | {name: n for name, n in aside.items() if n}
                screen.update(summary.read, fraction, listing(counts))

            if config is None:
                _log.info("simulating a day of a platform; `driftnet run --help` says how to run on your events")
            summary = work(Assembly(found, {Stream.ALERTS: extra}), options, tell)
        finish(summary, read_records(copy), truth, as_json=as_json, where=store_note(found))
