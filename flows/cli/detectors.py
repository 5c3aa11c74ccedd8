"""`driftnet detectors`: what can judge window rows, whether it keeps the contract, how a new one begins."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, print_json, print_reference, print_text

if TYPE_CHECKING:
    from state.check import Check

_log = logging.getLogger("driftnet")
app = typer.Typer(no_args_is_help=True, help="Detectors: which there are, whether one keeps the contract, a new one.")


@app.command("list")
def list_detectors(as_json: AsJson = False) -> None:
    """List the detector types, built in and plugged in, with their parameters and defaults.

    Example: [bold]driftnet detectors list[/]
    """
    from detectors.registry import registry
    from flows.config.reference import detector_reference

    found = detector_reference()
    for left_out in registry().problems:
        _log.warning("plug-in %s of %s was left out: %s", left_out.name, left_out.distribution, left_out.error)
    if as_json:
        print_json([d.to_json() for d in found])
        return
    for detector in found:
        scope = "one model per cohort" if detector.scope == "cohort" else "one history per subject"
        print_reference(
            f"[bold]{detector.type}[/]  version {detector.version}, {scope}", detector.summary, detector.params
        )


@app.command()
def check(
    what: Annotated[
        str, typer.Argument(metavar="PATH_OR_NAME", help="A detector's file (:CLASS picks one), or its type.")
    ],
    settings: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="A parameter of the detector.")
    ] = None,
    timed: Annotated[bool, typer.Option("--timed/--untimed", help="Whether to look at what a row costs.")] = True,
    as_json: AsJson = False,
) -> None:
    """Run the detector contract, check by check.  Exit code 1 when one is broken.

    Example: [bold]driftnet detectors check driftnet_night_owl/detector.py[/]
    """
    from detectors.checks import yield_checks
    from detectors.registry import spec_from
    from flows.config.load import value_of

    params: dict[str, Any] = {}
    for text in settings or ():
        key, _, value = text.partition("=")
        params[key.strip()] = value_of(value)
    spec = spec_from(what, params, "detectors")
    print_checks(yield_checks(spec, timed=timed), as_json=as_json)


def print_checks(checks: "Iterable[Check]", *, as_json: bool) -> None:
    """Runs them, and says what is broken.  Ends in exit code 1 where something is."""
    from rich.markup import escape

    found = [(str(c), _broken(c)) for c in checks]
    if as_json:
        print_json([{"check": name, "broken": why} for name, why in found])
    else:
        for name, why in found:
            print_text(f"[green]ok[/]    {name}" if why is None else f"[red]FAIL[/]  {name}\n      {escape(why)}")
    if any(why is not None for _, why in found):
        raise typer.Exit(1)


def _broken(check: "Check") -> str | None:
    """What is wrong, None for nothing.  A plug-in may raise anything: that too is an answer."""
    try:
        check.run()
    except AssertionError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Its word in configurations, such as night_owl.")],
    into: Annotated[Path, typer.Option(help="Where the package's directory goes.")] = Path(),
) -> None:
    """Write a package with a detector that works, its contract test, benchmark and README, to start from.

    Example: [bold]driftnet detectors new night_owl[/]
    """
    from flows.scaffold.write import write_package

    files = write_package("detector", name, into)
    root = files[0].parent
    print_text(*(str(path) for path in files))
    print_text(f"\nNext: cd {root}; driftnet detectors check driftnet_{name}/detector.py; driftnet run fraud.toml")
