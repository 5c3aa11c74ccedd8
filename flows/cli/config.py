"""`driftnet config`: check a configuration, show what it amounts to."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, Settings, load_config, print_json, print_text
from flows.printing import shown

app = typer.Typer(no_args_is_help=True, help="Check a configuration, or show what it amounts to.")
File = Annotated[
    Path | None, typer.Argument(help="A TOML file; without one, the shipped defaults.", show_default=False)
]


@app.command()
def check(
    config: File = None,
    settings: Settings = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="A state directory or savepoint: say what of it would be kept, start cold, be dropped or refused.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a configuration as a whole: keys, names, kinds, windows, detectors; and, on request, what saved state would
    become under it.  All mistakes are told at once; nothing is changed.

    Exit code 2 if it cannot run, or only without some of its detectors, or not on that state, or if no subject could
    ever be alerted.

    Examples:

      [bold]driftnet config check fraud.toml[/]

      [bold]driftnet config check fraud.toml --against state/[/]
    """
    from flows.checked import Checked

    found = Checked.of(str(config or "the defaults"), load_config(config, settings), against)
    if as_json:
        print_json(found.to_json())
        raise typer.Exit(found.code)
    print_text(*found.lines())
    if against is not None:
        print_text(f"the state in {shown(against)}:", *found.lines_of_state())
    raise typer.Exit(found.code)


@app.command()
def show(
    config: File = None,
    settings: Settings = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="The shipped file with its comments, to start from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the effective configuration: the shipped defaults, your file, the environment and --set, put together.

    Example: [bold]driftnet config show --defaults > fraud.toml[/]
    """
    if defaults:
        from importlib.resources import files

        typer.echo(files("flows").joinpath("defaults.toml").read_text(encoding="utf-8"), nl=False)
        return
    found = load_config(config, settings)
    if as_json:
        print_json(found.to_table())
    else:
        typer.echo(found.to_toml(), nl=False)
