"""How a run ends: its alerts read back, its summary, the evaluation against a truth, the exit code."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import typer

from flows.cli.options import print_json, print_text
from state.errors import SourceError

if TYPE_CHECKING:
    from flows.config.models import Config
    from flows.summary import Summary

UNBALANCED = 1
"""Exit code of a run whose counts do not add up."""
UNREADABLE = 4
"""Exit code of a run that could read less than half of its lines."""


@contextmanager
def scratch_file(name: str) -> Iterator[Path]:
    """A file that is gone afterwards, for what a run hands to its own end."""
    with TemporaryDirectory(prefix="driftnet-") as directory:
        yield Path(directory) / name


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON Lines file, none if there is no file.  Raises SourceError for lines that are not JSON."""
    import orjson

    if not path.exists():
        return []
    try:
        return [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    except (OSError, orjson.JSONDecodeError) as error:
        raise SourceError(f"{path}: cannot be read as JSON Lines: {error}") from None


def truth_of(config: "Config") -> list[dict[str, Any]] | None:
    """Who is who, when all events come from one simulator; else None."""
    from flows.config.endpoints import SimulatorConfig
    from flows.simulate.platform import Platform

    sources = list(config.sources.values())
    if len(sources) != 1 or not isinstance(sources[0], SimulatorConfig):
        return None
    return Platform(sources[0].simulation()).truth()


def finish(
    summary: "Summary",
    alerts: Sequence[dict[str, Any]],
    truth: Sequence[dict[str, Any]] | None,
    *,
    as_json: bool,
    where: str = "",
) -> None:
    """Prints the summary and, with a truth, the evaluation.  Raises typer.Exit when lines are unaccounted for, or
    when most of them could not be read.

    where: a last line for people.
    """
    from flows.simulate.evaluation import evaluate

    evaluation = evaluate(alerts, truth) if truth is not None else None
    sys.stdout.flush()
    if as_json:
        print_json({"summary": summary.to_json(), "evaluation": evaluation.to_json() if evaluation else None})
    else:
        print_text("", summary.table())
        if evaluation is not None:
            print_text("", evaluation.table())
        if where:
            print_text("", where)
    end_well(summary)


def end_well(summary: "Summary") -> None:
    """Raises typer.Exit when lines are unaccounted for, or when most of them could not be read."""
    if not summary.balanced:
        raise typer.Exit(UNBALANCED)
    if summary.unreadable:
        raise typer.Exit(UNREADABLE)
