"""`driftnet plugins`: which sinks, sources and formats there are, whether one keeps its contract, a new one."""

import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.detectors import print_checks
from flows.cli.options import AsJson, print_json, print_reference, print_text

_log = logging.getLogger("driftnet")
app = typer.Typer(
    no_args_is_help=True, help="Sinks, sources and formats: which there are, whether one keeps its contract, a new one."
)


class What(StrEnum):
    """What a package can begin with."""

    SINK = "sink"
    SOURCE = "source"
    FORMAT = "format"


@app.command("list")
def list_plugins(as_json: AsJson = False) -> None:
    """List the kinds of sinks, sources and formats, our own and those of installed plug-ins, with their keys.

    Exit code 2 where a plug-in that is installed cannot be used; it is named with its distribution.

    Example: [bold]driftnet plugins list[/]
    """
    from flows.config.reference import settings_reference

    found, problems = settings_reference()
    for problem in problems:
        _log.error("%s was left out", problem)
    if as_json:
        print_json([told.to_json() for told in found])
    else:
        for told in found:
            title = f"[bold]{told.kind}[/]  {told.of}, of {told.distribution}"
            print_reference(title, told.summary, told.params)
    if problems:
        raise typer.Exit(2)


@app.command()
def check(
    what: Annotated[
        str, typer.Argument(metavar="FILE", help="A Python file with a function trial(folder), which gives a trial.")
    ],
    outage: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.1, help="How long a sink's place is away.", show_default="as tried"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the contract of a sink, a source or a format, check by check.  Exit code 1 when one is broken.

    Processes of its own are killed on the way, and places made unusable: those that the trial names.

    Example: [bold]driftnet plugins check driftnet_spool/trial.py --outage 60[/]
    """
    from tempfile import TemporaryDirectory

    from flows.contract.load import trial_of

    with TemporaryDirectory(prefix="driftnet-trial-") as folder:
        print_checks(trial_of(what, Path(folder), outage), as_json=as_json)


@app.command()
def new(
    what: Annotated[What, typer.Argument(help="What to begin with.")],
    name: Annotated[str, typer.Argument(help="Its word in configurations, such as night_post.")],
    into: Annotated[Path, typer.Option(help="Where the package's directory goes.")] = Path(),
) -> None:
    """Write a package with a sink, a source or a format that works, its trial, contract test and README, to start from.

    Example: [bold]driftnet plugins new sink night_post[/]
    """
    from flows.scaffold.write import write_package

    files = write_package(what.value, name, into)
    print_text(*(str(path) for path in files))
    steps = f"cd {files[0].parent}; pip install -e .; driftnet plugins check driftnet_{name}/trial.py"
    print_text(f"\nNext: {steps}")
