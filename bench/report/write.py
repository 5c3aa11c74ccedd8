"""Files of a run: `results.json` as measured, `summary.json` for programs, `report.html` for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.report.page import page, sections
from bench.report.summary import summary
from bench.report.tables import Section
from bench.results import results_of


@dataclass(frozen=True, slots=True)
class Written:
    """Where the files are, and what the page says."""

    results: Path
    summary: Path
    page: Path
    sections: Sequence[Section]


def write(table: Mapping[str, Any], directory: Path) -> Written:
    """Writes all three, over those of an earlier run.  table: pytest-benchmark's JSON."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / name for name in ("results.json", "summary.json", "report.html")]
    # First what took hours to measure: whatever goes wrong below can be done again.
    paths[0].write_bytes(_json(table))
    results = results_of(table)
    found = sections(results)
    paths[1].write_bytes(_json(summary(results)))
    paths[2].write_text(page(results, found), encoding="utf-8")
    return Written(paths[0], paths[1], paths[2], found)


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
