"""`driftnet replay`: recorded events through the whole pipeline, in this process."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.batches import BATCH_LINES
from flows.cli.display import display, event_time
from flows.cli.options import AsJson, BatchLines, ConfigFile, Settings, load_config, store_note
from flows.cli.results import finish, read_records, scratch_file

if TYPE_CHECKING:
    from flows.config.plugged import SourceSettings

_log = logging.getLogger("driftnet")


def replay(
    files: Annotated[
        list[str],
        typer.Argument(help="Files, directories and patterns of JSON Lines, plain or .gz; - is standard input."),
    ],
    config: ConfigFile = None,
    settings: Settings = None,
    per_file: Annotated[
        bool,
        typer.Option("--per-file", help="The files were written side by side; else each follows the one before it."),
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(help="truth.jsonl of `driftnet simulate`: compare the alerts with it.", show_default=False),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="What was found out about subjects, and when (docs/labels.md); instead of the configuration's labels.",
            show_default=False,
        ),
    ] = None,
    batch_lines: BatchLines = BATCH_LINES,
    show_alerts: Annotated[bool, typer.Option("--print/--no-print", help="Print each alert as it is found.")] = True,
    as_json: AsJson = False,
) -> None:
    """Replay recorded events to the end, and print a summary.  The same code as a live run, the same alerts.

    Labels and commands are those of the configuration's sources, up to now; its sources of events are not read.

    Examples:

      [bold]driftnet replay day1.jsonl.gz day2.jsonl.gz[/]                days that follow each other

      [bold]driftnet replay out/part-*.jsonl --per-file --truth out/truth.jsonl[/]   partitions of one day

      [bold]driftnet replay events/ --config fraud.toml --set alerts.budget_per_day=50[/]

    Exit code 1 when a line is unaccounted for.
    """
    from flows.config.endpoints import events_of
    from flows.drive.assembly import Assembly
    from flows.drive.local import LocalDriver
    from flows.sinks import ConsoleSink, JsonlSink, SinkSpec
    from flows.streams import Stream

    configured = load_config(config, settings)
    sources = {"replay": events_of(files, per_file=per_file), **_beside(configured.sources, labels)}
    found = configured.model_copy(update={"sources": sources})
    known = read_truth(truth)
    with scratch_file("alerts.jsonl") as copy:
        extra: list[SinkSpec] = [JsonlSink(str(copy)), *([ConsoleSink()] if show_alerts and not as_json else [])]
        with display(quiet=as_json) as screen:
            assembly = Assembly(found, {Stream.ALERTS: extra})
            partitions, reads = assembly.inputs()
            assembly.record()
            sinks = assembly.sinks()
            try:
                driver = LocalDriver(found.job(), partitions, sinks, batch_lines=batch_lines, reads=reads)
                summary = driver.run(lambda p: screen.update(p.read, p.fraction, event_time(p.watermark_us)))
            finally:
                for sink in (s for of_stream in sinks.values() for s in of_stream):
                    sink.close()
        finish(summary, read_records(copy), known, as_json=as_json, where=store_note(found))


def _beside(sources: "Mapping[str, SourceSettings]", labels: Path | None) -> "dict[str, SourceSettings]":
    """The configuration's labels and commands, as far as there are any by now.  labels: a file to read instead."""
    from flows.config.endpoints import FilesConfig, StdinConfig

    found: dict[str, SourceSettings] = {}
    for name, source in sources.items():
        if source.reads == "events" or (source.reads == "labels" and labels is not None):
            continue
        if isinstance(source, StdinConfig):
            _log.warning("sources.%s: %s from standard input are not replayed", name, source.reads)
        elif isinstance(source, FilesConfig) and source.follow and not Path(source.paths[0]).exists():
            _log.info("sources.%s: nothing there yet", name)
        else:
            found["beside_replay" if name == "replay" else name] = source
    if labels is not None:
        found["given_labels" if "labels" in found else "labels"] = FilesConfig(
            kind="files", paths=(str(labels),), reads="labels"
        )
    return found


def read_truth(path: Path | None) -> list[dict[str, object]] | None:
    """Truth records.  Raises SourceError when they cannot be read."""
    from state.errors import SourceError

    if path is None:
        return None
    if not path.exists():
        raise SourceError(f"{path}: no such file; `driftnet simulate` writes it beside the events")
    return read_records(path)
