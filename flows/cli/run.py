"""`driftnet run`: the live worker, on Bytewax."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.batches import BATCH_LINES
from flows.cli.display import display
from flows.cli.logs import as_here, for_machines
from flows.cli.options import AsJson, BatchLines, Settings, duration_option, load_config, store_note
from flows.cli.results import finish, read_records, scratch_file, truth_of

if TYPE_CHECKING:
    from flows.archive.archive import Archive, ArchiveOptions
    from flows.drive.assembly import Assembly
    from flows.engine.supervise import Restarts
    from flows.summary import Summary

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
    from_savepoint: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|URL",
            help="Start from this savepoint, in a --state-dir that is empty; a second start goes on.",
            show_default=False,
        ),
    ] = None,
    rewind_sinks: Annotated[
        bool, typer.Option("--rewind-sinks", help="With --from-savepoint: cut files back to where they were then.")
    ] = False,
    epoch: Annotated[str, typer.Option(help="Time between checkpoints.")] = "5s",
    restarts: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How often in an hour processes that died are started again, from the last checkpoint.",
            show_default="10 with --state-dir and several processes, else 0",
        ),
    ] = None,
    drain_timeout: Annotated[str, typer.Option(help="How long a run that is asked to stop may take to do so.")] = "30s",
    addresses: Annotated[
        str | None,
        typer.Option(
            envvar="DRIFTNET_ADDRESSES",
            help="HOST:PORT of each host of a cluster, separated by commas, the same on all; one process runs on each.",
            show_default=False,
        ),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            envvar="DRIFTNET_INDEX",
            help="Which of --addresses this is, from 0; a name that ends with it, such as a pod's, will do.",
            show_default=False,
        ),
    ] = None,
    finish_input: Annotated[
        bool,
        typer.Option(
            "--finish",
            help="With --state-dir: nothing follows the end of the input, so close all windows there. Else the end of"
            " files and pipes pauses the run, and a later one goes on with what has come since.",
        ),
    ] = False,
    listen: Annotated[
        str,
        typer.Option(
            envvar="DRIFTNET_LISTEN",
            help="HOST:PORT on which to answer /metrics, /livez and /readyz; a port alone is this machine's own.",
            show_default="nowhere",
        ),
    ] = "",
    archive: Annotated[
        str,
        typer.Option(
            envvar="DRIFTNET_ARCHIVE",
            metavar="URL",
            help="With --state-dir: copy checkpoints to s3://BUCKET/PREFIX or gs://BUCKET/PREFIX; where the directory"
            " is empty, go on from the last one there.",
            show_default="nowhere",
        ),
    ] = "",
    archive_every: Annotated[str, typer.Option(help="Time between copies into --archive, at least.")] = "10s",
    archive_keep: Annotated[int, typer.Option(min=1, help="Checkpoints that stay in --archive.")] = 3,
    network_state: Annotated[
        bool,
        typer.Option(
            "--network-state", help="The --state-dir is on a network file system, and no other host ever uses it."
        ),
    ] = False,
    batch_lines: BatchLines = BATCH_LINES,
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

      [bold]driftnet run fraud.toml --state-dir state/ --archive s3://bucket/fraud[/]

      [bold]driftnet run fraud.toml --state-dir /shared/state --addresses a:9100,b:9100 --index 0[/]

    Alerts go where the configuration's [bold]sinks[/] say, driftnet.db without one.  A first signal drains the run, a
    second one ends it at once.  Exit code 1 when a line is unaccounted for, 3 when the run had to be ended before it
    had drained.

    Metrics and traces are sent to where OTEL_EXPORTER_OTLP_ENDPOINT says, see docs/monitoring.md.
    """
    from flows import counters
    from flows.checked import nowhere
    from flows.drive.assembly import Assembly
    from flows.drive.worker import work
    from flows.engine.plan import Options
    from flows.savepoint.copy import SEEN
    from flows.sinks import ConsoleSink, JsonlSink, SinkSpec
    from flows.streams import Stream
    from flows.summary import listing

    found = load_config(config, settings)
    live = found.is_live
    if gone := nowhere(found):
        _log.warning("alerts go %s", gone)
    truth = None if live else truth_of(found)
    hosts = tuple(filter(None, (addresses or "").split(",")))
    options = Options(
        workers=workers,
        processes=processes,
        batch_lines=batch_lines,
        epoch_s=duration_option("--epoch", epoch) / 1e6,
        live=live,
        state_dir=state_dir,
        restarts=_restarts(restarts, state_dir, processes > 1 or len(hosts) > 1),
        drain_s=duration_option("--drain-timeout", drain_timeout) / 1e6,
        addresses=hosts,
        index=_index(index, hosts, processes),
        finish=finish_input or state_dir is None,
        prepare=as_here(),
        listen=listen,
        network_state=network_state,
        alert_log=for_machines() or as_json or not show_alerts,
    )
    archived = _archive_options(archive, archive_every, archive_keep, state_dir, hosts)
    # Beside the state, so that the evaluation, like the summary, tells of all that the state has seen.
    with scratch_file("alerts.jsonl") if state_dir is None else nullcontext(state_dir / SEEN) as copy:
        extra: list[SinkSpec] = [
            *([JsonlSink(str(copy), overwrite=True)] if truth is not None else []),
            *([ConsoleSink()] if show_alerts and not as_json else []),
        ]
        every_s = duration_option("--status-every", status_every) / 1e6
        with display(quiet=as_json and not live, live=live, every_s=every_s) as screen:

            def tell(summary: "Summary", fraction: float | None) -> None:
                aside = {c.name: summary.total(c) for c in (counters.LATE, counters.REJECTED)}
                told = {"alerts": summary.alerts} | {name: n for name, n in aside.items() if n}
                lag = f"lag {summary.lag_in_words}" if summary.lag else ""
                notes = [f"{partition}: {note}" for partition, note in summary.notes.items()]
                screen.update(
                    summary.read, fraction, ", ".join(filter(None, (listing(told), lag, *notes))), summary.resumed
                )

            if config is None:
                _log.info("simulating a day of a platform; `driftnet run --help` says how to run on your events")
            assembly = Assembly(found, {Stream.ALERTS: extra})
            with _archive(archived, state_dir, assembly) as held:
                if from_savepoint is not None:
                    restored = archive if held is not None and held.restored else ""
                    _start_from(from_savepoint, state_dir, Assembly(found), rewind=rewind_sinks, restored=restored)
                summary = work(assembly, options, tell, held)
        finish(summary, read_records(copy), truth, as_json=as_json, where=store_note(found))


def _start_from(savepoint: str, state_dir: Path | None, assembly: "Assembly", *, rewind: bool, restored: str) -> None:
    """restored: the archive that state_dir was filled from just now; "" for none."""
    from flows.objects import is_url
    from flows.savepoint.copy import start
    from flows.savepoint.remote import start_at
    from state.errors import SnapshotError

    if state_dir is None:
        raise typer.BadParameter("seen without --state-dir, allowed: with an empty one", param_hint="--from-savepoint")
    positions = None if rewind else assembly.positions
    try:
        if is_url(savepoint):
            start_at(savepoint, state_dir, positions)
        else:
            start(Path(savepoint), state_dir, positions)
    except SnapshotError as error:
        if not restored:
            raise
        raise SnapshotError(f"{error} and, as {restored} goes before a savepoint, another --archive") from error


def _archive_options(
    url: str, every: str, keep: int, state_dir: Path | None, hosts: tuple[str, ...]
) -> "ArchiveOptions | None":
    every_s = duration_option("--archive-every", every) / 1e6
    if not url:
        return None
    from flows.archive.archive import ArchiveOptions

    if state_dir is None:
        raise typer.BadParameter("seen without --state-dir, allowed: with it", param_hint="--archive")
    if hosts:
        raise typer.BadParameter(
            "seen with --addresses, allowed: without them; what other hosts have just written is not sure to be seen"
            " by the one that copies",
            param_hint="--archive",
        )
    return ArchiveOptions(url, every_s, keep)


@contextmanager
def _archive(
    options: "ArchiveOptions | None", state_dir: Path | None, assembly: "Assembly"
) -> "Iterator[Archive | None]":
    """The archive, where there is one, for the life of a run; an empty state directory has its last checkpoint then."""
    if options is None or state_dir is None:
        yield None
        return
    from flows.archive.archive import Archive
    from flows.config.endpoints import JsonlConfig, ParquetConfig, SqliteConfig
    from flows.streams import STREAMS

    here = [
        f"{stream}: {sink.path}"
        for stream in STREAMS
        for sink in assembly.config.sinks.of(stream)
        if isinstance(sink, JsonlConfig | ParquetConfig | SqliteConfig)
    ]
    if here:
        _log.info("these outputs are files of this host, and are not archived: %s", ", ".join(here))
    with Archive(options, state_dir, job=assembly.config.job().name, run=assembly.run_id).held() as archive:
        archive.restore()
        yield archive


def _restarts(wanted: int | None, state_dir: Path | None, several: bool) -> "Restarts":
    from flows.engine.supervise import Restarts

    if wanted and state_dir is None:
        raise typer.BadParameter(
            "seen without --state-dir, allowed: with it; without saved state a restart would repeat everything",
            param_hint="--restarts",
        )
    return Restarts(10 if wanted is None and several and state_dir is not None else wanted or 0)


def _index(given: str | None, hosts: tuple[str, ...], processes: int) -> int:
    """The number at the end of the text: of "driftnet-2" it is 2."""
    if not hosts:
        if given is not None:
            raise typer.BadParameter("seen without --addresses, allowed: with them", param_hint="--index")
        return 0
    if processes > 1:
        raise typer.BadParameter(
            "seen with --addresses, allowed: one process on each host; name a host several times, with other ports",
            param_hint="--processes",
        )
    found = re.search(r"(\d+)$", given or "")
    if found is None or int(found[1]) >= len(hosts):
        raise typer.BadParameter(
            f"seen {given!r}, allowed: 0 to {len(hosts) - 1}, or a name that ends so", param_hint="--index"
        )
    return int(found[1])
