"""`driftnet bench`: hands over to the package `bench`, which this one must not import: it runs it, as a program."""

import runpy
import sys
from importlib.util import find_spec

import typer

FORWARD = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Context settings: every argument is for the other program, --help too."""


def bench(context: typer.Context) -> None:
    """Measure how fast and how big it is, compare two commits, keep the history.

    Examples:

      [bold]driftnet bench[/]                        scenarios, layers, quality; a report to show around

      [bold]driftnet bench zipf --smoke[/]           one scenario, small

      [bold]driftnet bench quality[/]                how true the verdicts are, day by day

      [bold]driftnet bench compare main HEAD[/]      two commits on this machine

    [bold]driftnet bench --help[/] shows its commands; they need the extra [bold]bench[/] of the package.
    """
    from state.errors import ConfigError

    if find_spec("bench") is None:
        raise ConfigError("the package `bench` is not here; install Driftnet with it: pip install 'driftnet[bench]'")
    sys.argv = ["driftnet bench", *context.args]
    runpy.run_module("bench", run_name="__main__")
