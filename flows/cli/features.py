"""`driftnet features`: recorded events to a training set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.batches import BATCH_LINES
from flows.cli.display import display, event_time
from flows.cli.options import AsJson, BatchLines, ConfigFile, Settings, load_config, print_json, print_text
from flows.cli.results import end_well
from flows.printing import shown

if TYPE_CHECKING:
    from flows.training import Made


def features(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="EVENTS...",
            help="Files, directories and patterns of JSON Lines, plain or .gz; - is standard input.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder to make; it has nothing in it yet.", show_default=False)
    ],
    config: ConfigFile = None,
    settings: Settings = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="What was found out about subjects, and when: see docs/labels.md.", show_default=False),
    ] = None,
    per_file: Annotated[
        bool,
        typer.Option("--per-file", help="The files were written side by side; else each follows the one before it."),
    ] = False,
    scores: Annotated[
        bool, typer.Option("--scores/--no-scores", help="Run the detectors, and write what they said at the time.")
    ] = True,
    batch_lines: BatchLines = BATCH_LINES,
    as_json: AsJson = False,
) -> None:
    """Write each window of each subject with its features as a row of Parquet files: a training set.

    Features and scores hold what was known when the window closed, and nothing of later; labels are what was found out
    after it. Files of columns need pyarrow, the extra "parquet". See docs/training_sets.md.

    Example: [bold]driftnet features events/ -c fraud.toml -o training/ --labels labels.jsonl[/]
    """
    from flows.training import Recipe, write_training_set

    recipe = Recipe(load_config(config, settings), files, labels, per_file, scores, batch_lines)
    with display(quiet=as_json) as screen:
        made = write_training_set(recipe, out, lambda p: screen.update(p.read, p.fraction, event_time(p.watermark_us)))
    if as_json:
        print_json(made.to_json())
    else:
        print_text("", made.summary.table(), "", *_told(made, out))
    end_well(made.summary)


def _told(made: "Made", out: Path) -> list[str]:
    if not made.rows:
        return ["No window closed: no row was written"]
    windows = ", ".join(f"{shown(window)} {count:,}" for window, count in made.rows.items())
    first, last = (at[:16].replace("T", " ") for at in (made.first, made.last))
    told = [f"{made.rows.total():,} rows in {shown(out)}: {windows}; {first} to {last}"]
    if made.labels:
        told.append(
            ", ".join(f"{count:,} {word}" for word, count in made.labels.items()) + " by what was found out later"
        )
    return told
