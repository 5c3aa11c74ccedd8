"""`driftnet forget`: one subject out of all that was kept."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, load_config, print_json, print_text
from flows.printing import shown


def forget(
    subject: Annotated[str, typer.Argument(help="The subject's id, as events have it.", show_default=False)],
    places: Annotated[
        list[Path],
        typer.Argument(
            help="State directories (with the savepoints in them), savepoints, SQLite stores, JSON Lines files, folders"
            " of Parquet files.",
            show_default=False,
        ),
    ],
    by: Annotated[str, typer.Option(help="Who asks for it, for the record.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, for the record.", show_default=False)] = "",
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="Your configuration: where events have the id, and code it names.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Remove a subject from saved state, savepoints, stores and dead letters, and put on record that it was done.

    No run may use them meanwhile.  Example:

      [bold]driftnet forget u92761adabc state/ driftnet.db rejects.jsonl --by ann --reason "request 4711"[/]

    What it does not reach is in docs/security.md: topics, inputs, copies elsewhere, and what models have learned.
    """
    from flows.forget.places import forget_everywhere

    record = forget_everywhere(subject, places, by, reason, load_config(config))
    if as_json:
        print_json(record)
        return
    for place, removed in record["removed"].items():
        told = ", ".join(f"{count:,} {kind}" for kind, count in removed.items()) or "nothing of this subject"
        print_text(shown(f"{place}: {told}"))
    print_text(f"on record as {record['audit_id']}")
