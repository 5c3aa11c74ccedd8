"""`driftnet convert`: well-known public formats to event lines."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import print_text
from flows.printing import shown

app = typer.Typer(no_args_is_help=True, help="Turn well-known public formats into event lines.")
Input = Annotated[Path, typer.Argument(metavar="INPUT", help="What to read.")]
Output = Annotated[Path, typer.Argument(metavar="OUTPUT", help="The JSON Lines file to write; .gz packs it.")]
Align = Annotated[
    bool,
    typer.Option("--align", help="Shift all people's first days onto one, so that their histories run side by side."),
]


@app.command()
def cards(source: Input, out: Output) -> None:
    """Card transactions of the Fraud Detection Handbook (parquet), for examples/card_transactions.toml.

    Example: [bold]driftnet convert cards transactions.parquet cards.jsonl.gz[/]
    """
    from flows.convert import convert_cards

    _done(convert_cards(source, out), out)


@app.command()
def spotify(source: Input, out: Output, align: Align = False) -> None:
    """Listening histories of Spotify account exports (folder, JSON or parquet), for examples/listening_history.toml.

    Example: [bold]driftnet convert spotify my_spotify_data/ plays.jsonl[/]
    """
    from flows.convert import convert_spotify

    _done(convert_spotify(source, out, align), out)


@app.command()
def lastfm(source: Input, out: Output, align: Align = False) -> None:
    """Listening histories of the Last.fm 1K table (tab-separated), for examples/listening_history.toml.

    Example: [bold]driftnet convert lastfm userid-timestamp-artid-artname-traid-traname.tsv plays.jsonl.gz[/]
    """
    from flows.convert import convert_lastfm

    _done(convert_lastfm(source, out, align), out)


@app.command()
def eventsim(source: Input, out: Output) -> None:
    """The page log of eventsim (JSON Lines), for the default configuration.

    Example: [bold]driftnet convert eventsim log.jsonl.gz events.jsonl.gz[/]
    """
    from flows.convert import convert_eventsim

    _done(convert_eventsim(source, out), out)


@app.command()
def table(
    source: Input,
    out: Output,
    columns: Annotated[str, typer.Option(help="Names by commas, for a file without a header.")] = "",
    sort_by: Annotated[str, typer.Option(help="The column whose order the lines have, a time for example.")] = "",
    text: Annotated[str, typer.Option(help="Columns by commas that are text, whatever they look like.")] = "",
    numbers: Annotated[str, typer.Option(help="Columns by commas that are numbers, though 5.50 prints as 5.5.")] = "",
    separator: Annotated[str, typer.Option(help="What is between columns, one character.")] = ",",
) -> None:
    """Any CSV, a line per row with the columns' names, for examples/posts.toml and examples/ratings.toml.

    A column becomes numbers only where every text in it is what that number prints as: ids stay as they are.

    Example: [bold]driftnet convert table ratings.csv.gz ratings.jsonl --columns source,target,rating,time[/]
    """
    from flows.convert import convert_table

    if len(separator) != 1:
        raise typer.BadParameter(f"seen {separator!r}, allowed: one character", param_hint="--separator")
    lists = (tuple(name for name in names.split(",") if name) for names in (columns, text, numbers))
    named, texts, as_numbers = lists
    done = convert_table(source, out, named, sort_by, texts, as_numbers, separator)
    _done(done.lines, out)
    for name, odd in done.kept.items():
        print_text(f"{name} stays text: {odd!r} would not print as it stands; as numbers: --numbers {name}")


def _done(lines: int, out: Path) -> None:
    print_text(f"{lines:,} lines in {shown(out)}")
