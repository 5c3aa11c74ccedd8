"""`driftnet score` and `driftnet evaluate`: detectors on the rows of a table, as they would be in the flow."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, ConfigFile, Settings, print_json, print_text
from flows.printing import shown

if TYPE_CHECKING:
    from flows.scoring.prequential import Scores
    from flows.scoring.table import Table

File = Annotated[Path, typer.Argument(metavar="FILE", help="A table: .csv, .csv.gz, .parquet, or .npz with X and y.")]
Features = Annotated[
    str, typer.Option("--features", "-f", help="Columns to look at, by commas.", show_default="all other numbers")
]
Label = Annotated[str, typer.Option(help="Column with the truth: above 0, or the word of --positive, is fraud.")]
Positive = Annotated[str, typer.Option(help="The label's word for fraud.")]
Subject = Annotated[str, typer.Option(help="Column that says whose row it is, for detectors of own history.")]
Time = Annotated[str, typer.Option(help="Column to sort by: times, ISO 8601 texts, or seconds since 1970.")]
Series = Annotated[bool, typer.Option("--series", help="One series: all rows are one subject's, judged one by one.")]
Round = Annotated[int, typer.Option("--round", min=1, help="Rows that are scored before any of them is learned from.")]
Shuffle = Annotated[int | None, typer.Option(metavar="SEED", help="Take the rows in a random order.")]
_ROUND = 32
_SHOWN = 10


def score(
    file: File,
    config: ConfigFile = None,
    settings: Settings = None,
    features: Features = "",
    label: Label = "",
    positive: Positive = "",
    subject: Subject = "",
    time: Time = "",
    series: Series = False,
    round_rows: Round = _ROUND,
    shuffle: Shuffle = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the scores of each row: .csv, .parquet.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score the rows of a table, each before anything is learned from it, and show the oddest.

    By the detectors that are shipped for tables, ECOD, isolation forest and Half-Space Trees, or by a configuration's.
    Classifiers learn from --label, after they have scored. Rows are numbered from 0 as they are in the file.

    Example: [bold]driftnet score transactions.csv -f amount,hour --subject card --time when -o scores.csv[/]
    """
    table, dropped = _read(file, (features, label, positive, subject, time), series, shuffle)
    scores = _scored(table, config, settings, 1 if series else round_rows, series=series)
    if out is not None:
        from flows.scoring.write import write_scores

        write_scores(table, scores, out)
    oddest = sorted(scores.candidates, key=lambda row: scores.tail_probability[row])[:_SHOWN]
    if as_json:
        few = [(int(table.number[row]), scores.candidates[row]) for row in oddest]
        rows = [{"row": at, **c.to_json(), "parts": [part._asdict() for part in c.parts]} for at, c in few]
        told = {"rows": len(table), "judged": _judged(scores), "left_out": dropped, "oddest": rows}
        print_json({**told, "drift": scores.drift, "faults": scores.faults})
        return
    print_text(*_about(table, scores, dropped), _oddest(table, scores, oddest))
    for event in scores.drift:
        at, what = table.number[event["row"]], f"{event['what']} {shown(event['name'])}"
        print_text(f"drift at row {at:,}: {what}, {event['size']:+.2f} sd")
    for fault in scores.faults:
        print_text(shown(f"{fault['source']}: {fault['detail']}"))


def evaluate(
    file: File,
    config: ConfigFile = None,
    settings: Settings = None,
    features: Features = "",
    label: Label = "",
    positive: Positive = "",
    subject: Subject = "",
    time: Time = "",
    series: Series = False,
    round_rows: Round = _ROUND,
    shuffle: Shuffle = None,
    by_subject: Annotated[
        bool, typer.Option("--by-subject", help="Rank subjects by their oddest row, not rows.")
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="FILE is the scores of a run (JSON Lines); compare them with this file: the simulator's truth.jsonl,"
            " or a CSV or JSON Lines with the columns --subject and --label."
        ),
    ] = None,
    drifts: Annotated[
        str | None, typer.Option(help='Rows where the world changed, by commas; "": nowhere, any alarm is false.')
    ] = None,
    within: Annotated[int, typer.Option(min=1, help="Rows within which a change counts as found.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Compare detectors with the truth: ROC-AUC, average precision, cost per row; delays and false alarms of drift.

    FILE is a table, scored as by [bold]driftnet score[/], or with --truth the scores that a run wrote.

    Examples:

      driftnet evaluate shuttle.npz --label y --shuffle 1

      driftnet evaluate scores.jsonl --truth users.csv --subject user --label is_bot

      driftnet evaluate scores.jsonl --truth out/truth.jsonl
    """
    from flows.scoring.evaluate import evaluation, evaluation_of_stream

    if truth is not None:
        found = evaluation_of_stream(file, truth, subject, label, positive)
    else:
        table, dropped = _read(file, (features, label, positive, subject, time), series, shuffle)
        changes = None if drifts is None else [_row(text) for text in drifts.split(",") if text.strip()]
        scores = _scored(table, config, settings, 1 if series else round_rows, series=series)
        found = evaluation(table, scores, changes, within, by_subject=by_subject)
        if not as_json:
            print_text(*_about(table, scores, dropped))
    if as_json:
        print_json(found.to_json())
    else:
        print_text(*found.tables())


def _row(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"seen {text!r}, allowed: a row number", param_hint="--drifts") from None


def _read(
    file: Path, names: tuple[str, str, str, str, str], series: bool, shuffle: int | None
) -> tuple["Table", dict[str, str]]:
    """The table, and the columns that are left out of it: what each is instead of a feature."""
    from flows.scoring.identifiers import left_out
    from flows.scoring.table import Columns, read_table

    features, label, positive, subject, time = names
    wanted = tuple(name.strip() for name in features.split(",") if name.strip())
    table = read_table(file, Columns(wanted, label, subject, time, positive))
    dropped = {} if wanted or series else left_out(table)
    table = table.without(dropped)
    if series:
        table = table.as_series()
    return (table if shuffle is None else table.shuffled(shuffle)), dropped


def _judged(scores: "Scores") -> int:
    return int((scores.tail_probability >= 0).sum())


def _about(table: "Table", scores: "Scores", dropped: dict[str, str]) -> list[str]:
    """What is to be known before the figures."""
    told = []
    if dropped:
        names = ", ".join(f"{shown(name)} ({what})" for name, what in dropped.items())
        told.append(f"left out: {names}; --features chooses otherwise")
    judged = _judged(scores)
    if not judged:
        told.append(
            f"{len(table):,} rows are too few: none was judged, as detectors and their calibration learn from several"
            " hundred rows first; parameters `ready` of the detectors and calibration.ready say how many"
        )
    elif judged < len(table) / 2:
        told.append(f"only {judged:,} of {len(table):,} rows were judged; the others were learned from first")
    return told


def _scored(
    table: "Table", config: Path | None, settings: list[str] | None, round_rows: int, *, series: bool
) -> "Scores":
    from flows.scoring.judgement import table_judgement
    from flows.scoring.prequential import score_table

    judgement, rows = table_judgement(table.features, config, settings or (), series=series)
    if not sys.stderr.isatty():
        return score_table(judgement, rows, table, round_rows)
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("rows", total=len(table))
        return score_table(judgement, rows, table, round_rows, lambda done: progress.update(task, completed=done))


def _oddest(table: "Table", scores: "Scores", rows: list[int]) -> Any:
    from rich.table import Table as Grid

    grid = Grid("row", box=None, padding=(0, 2, 0, 0))
    grid.add_column("tail probability", justify="right")
    grid.add_column("told most by")
    for row in rows:
        reasons = scores.candidates[row].reasons[:3]
        told = ", ".join(f"{r.feature} {r.seen:.4g} ({r.share:.0%})" for r in reasons)
        grid.add_row(f"{table.number[row]:,}", f"{scores.tail_probability[row]:.2g}", shown(told))
    return grid
