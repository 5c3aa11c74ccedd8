"""Options that several commands share, and how results are printed."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.printing import shown
from state.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType

    from flows.config.models import Config
    from flows.config.reference import Param

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="A TOML file; what it leaves out is the shipped default.", show_default=False),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", metavar="KEY=VALUE", help="Change one key, e.g. [bold]--set alerts.budget_per_day=50[/]."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")]
StorePath = Annotated[
    Path | None,
    typer.Option(
        "--db", help="The SQLite store; default: the one the configuration's alerts go to.", show_default=False
    ),
]
BatchLines = Annotated[int, typer.Option(min=1, help="Lines read at a time; changes speed and memory, never alerts.")]


def load_config(path: Path | None, settings: list[str] | None = None) -> "Config":
    """The effective configuration.  Raises ConfigError."""
    from flows.config import load

    return load(path, settings=settings or ())


def store_path(db: Path | None, config: Path | None) -> Path:
    """The store that was asked for, or the first one that alerts go to.  Raises ConfigError when there is none."""
    import os

    from flows.config.load import DEFAULT_STORE, read
    from state.errors import ConfigError

    if db is not None:
        return db
    sinks = read(config, os.environ).merged().get("sinks", {}).get("alerts", ())
    found = next((s for s in sinks if s.get("kind") == "sqlite"), None)
    if found is None:
        raise ConfigError("sinks.alerts: no SQLite store in the configuration; name one with --db")
    return Path(found.get("path", DEFAULT_STORE))


def print_json(value: Any) -> None:
    """One JSON value, on lines of its own."""
    import orjson

    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    sys.stdout.write(text.decode())


def print_text(*parts: "RenderableType") -> None:
    """Text and tables on standard output; in full width where that is not a terminal."""
    console = text_console()
    for part in parts:
        console.print(part)


def text_console() -> "Console":
    """Standard output; lines are not cut where it is a file or a pipe."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 160)


def print_reference(title: str, summary: str, params: "Iterable[Param]") -> None:
    """What can be named in a configuration, and its keys.  title: in rich's markup."""
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(style="green", no_wrap=True)
    table.add_column()
    for p in params:
        table.add_row(p.key, p.default, p.about)
    print_text(f"{title}\n  {summary}", table)


def store_note(config: "Config") -> str:
    """Where the alerts can be read afterwards, or that they cannot, for the end of a run."""
    from flows.checked import nowhere
    from flows.config.endpoints import SqliteConfig
    from flows.config.load import DEFAULT_STORE
    from flows.streams import Stream

    path = next((s.path for s in config.sinks.of(Stream.ALERTS) if isinstance(s, SqliteConfig)), None)
    if path is None:
        gone = nowhere(config)
        return f"Alerts went {gone}" if gone else ""
    db = "" if path == DEFAULT_STORE else f" --db {path}"
    return f"Read the alerts: driftnet alerts list{shown(db)}, driftnet alerts show ID{shown(db)}"


def moment_us(option: str, text: str | None) -> int | None:
    """Microseconds of an option such as "2026-03-02T06:00".  Raises typer.BadParameter."""
    from state.durations import parse_moment_us

    if text is None:
        return None
    try:
        return parse_moment_us(text)
    except ValueError as error:
        raise typer.BadParameter(f"seen {text!r}, allowed: {error}", param_hint=option) from None


def moment_option(option: str, text: str | None) -> str | None:
    """An option such as "2026-03-02T06:00" as text in UTC; None for none.  Raises typer.BadParameter."""
    us = moment_us(option, text)
    return None if us is None else iso(us)


def duration_option(option: str, text: str) -> int:
    """Microseconds of an option such as "5s".  Raises typer.BadParameter."""
    from state.durations import parse_duration_us

    try:
        return parse_duration_us(text)
    except ValueError as error:
        raise typer.BadParameter(f"seen {text!r}, allowed: {error}", param_hint=option) from None
