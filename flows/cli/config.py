"""`driftnet config`: check a configuration, show what it amounts to, propose one."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, Settings, load_config, print_json, print_text
from flows.printing import shown

app = typer.Typer(
    no_args_is_help=True, help="Check a configuration, show what it amounts to, or propose one for events."
)
File = Annotated[
    Path | None, typer.Argument(help="A TOML file; without one, the shipped defaults.", show_default=False)
]


@app.command()
def check(
    config: File = None,
    settings: Settings = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|URL",
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
    from flows.savepoint.remote import located

    name, loaded = str(config or "the defaults"), load_config(config, settings)
    with located(against) if against is not None else nullcontext() as place:
        found = Checked.of(name, loaded, place)
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


@app.command()
def infer(
    events: Annotated[Path, typer.Argument(help="A file of events: JSON Lines, plain or .gz, or a .csv.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it here, where nothing is yet.", show_default="print it")
    ] = None,
    lines: Annotated[int, typer.Option(min=1, help="How many lines to look at, from the first one on.")] = 10_000,
    time: Annotated[str, typer.Option(metavar="PATH", help="Where the event time is.", show_default="found")] = "",
    subject: Annotated[str, typer.Option(metavar="PATH", help="Whose the event is.", show_default="found")] = "",
    event_id: Annotated[str, typer.Option("--id", metavar="PATH", help="The event's id.", show_default="found")] = "",
) -> None:
    """Propose a configuration for events, from the first lines of a file: what is where, whose, when, and why it is
    taken for that, with features, a window and detectors to start from.

    It passes [bold]driftnet config check[/] and runs; what it means for fraud is for you to say. Exit code 2 where no
    time or no subject can be found.

    Example: [bold]driftnet config infer events.jsonl -o mine.toml[/], then
    [bold]driftnet replay events.jsonl -c mine.toml[/]
    """
    from flows.infer.proposal import infer as propose
    from state.errors import SinkError

    text = propose(events, lines, time, subject, event_id)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise SinkError(f"{out}: there is something already; choose another name") from None
    except OSError as error:
        raise SinkError(f"{out}: cannot be written: {error}") from None
    print_text(f"{shown(out)}: read it, then driftnet config check {shown(out)}")
