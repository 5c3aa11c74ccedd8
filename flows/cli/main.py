"""The `driftnet` program: commands put together, options for all of them, errors turned into exit codes."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from flows.cli import (
    alerts,
    bench,
    config,
    convert,
    detectors,
    features,
    forget,
    load,
    plugins,
    replay,
    run,
    savepoint,
    score,
    serve,
    simulate,
    status,
    tell,
)
from flows.cli.logs import LogFormat, LogLevel, configure_logs
from flows.printing import forgive_output
from flows.private import make_files_private
from flows.redaction import hidden
from state.errors import DriftnetError

app = typer.Typer(
    name="driftnet",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 well; 1 lines unaccounted for; 2 wrong usage, configuration, input or output; 3 not drained;"
    " 4 most lines unreadable",
)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("replay")(replay.replay)
app.command("load")(load.load)
app.command("simulate")(simulate.simulate)
app.command("explain")(alerts.explain)
app.command("label")(tell.label)
app.command("exempt")(tell.exempt)
app.command("forget")(forget.forget)
app.command("features")(features.features)
app.command("score")(score.score)
app.command("serve")(serve.serve)
app.command("evaluate")(score.evaluate)
app.command("bench", add_help_option=False, context_settings=bench.FORWARD)(bench.bench)
app.add_typer(alerts.app, name="alerts")
app.add_typer(config.app, name="config")
app.add_typer(convert.app, name="convert")
app.add_typer(detectors.app, name="detectors")
app.add_typer(plugins.app, name="plugins")
app.add_typer(savepoint.app, name="savepoint")


def _print_version(value: bool) -> None:
    if value:
        from flows.version import driftnet_version

        typer.echo(f"driftnet {driftnet_version()}")
        raise typer.Exit


@app.callback()
def driftnet(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    log_format: Annotated[
        LogFormat, typer.Option(envvar="DRIFTNET_LOG_FORMAT", help="How logs look on standard error.")
    ] = LogFormat.TEXT,
    log_level: Annotated[
        LogLevel, typer.Option(envvar="DRIFTNET_LOG_LEVEL", help="The least that is logged.")
    ] = LogLevel.INFO,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="The same as --log-level debug.")] = False,
) -> None:
    """Find fraud in a stream of events: windows per user, online models, drift, alerts that say why.

    Start with [bold]driftnet run[/], which simulates a day of a streaming platform and finds the fraud in it.
    """
    configure_logs(log_format, LogLevel.DEBUG if verbose else log_level)
    make_files_private()


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script.  Always ends in SystemExit; an error of ours is its message, without a traceback."""
    forgive_output()
    try:
        try:
            app(args=arguments)
        except (DriftnetError, SystemExit):
            sys.stdout.flush()
            raise
    except DriftnetError as error:
        sys.stderr.write(f"driftnet: {hidden(str(error))}\n")
        raise SystemExit(error.exit_code) from None
