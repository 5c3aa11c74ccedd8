"""Pages that speak of sinks know all kinds of them."""

from pathlib import Path

import pytest

from flows.config.endpoints import BUILT_IN_SINKS
from flows.config.plugged import word_of

DOCS = Path(__file__).parents[2] / "docs"
PLACES = [word_of(table) for table in BUILT_IN_SINKS if "path" in table.model_fields]


def test_the_head_of_the_streams_page_names_the_kinds_that_there_are() -> None:
    """Those of the configuration, and no others."""
    head = (DOCS / "streams.md").read_text().partition("configuration.md)):")[2].partition(". What")[0]
    assert {word.strip(" `\n") for word in head.split(",")} == set(map(word_of, BUILT_IN_SINKS))


@pytest.mark.parametrize("page", ["events.md", "security.md", "state.md"])
@pytest.mark.parametrize("kind", PLACES)
def test_pages_name_what_keeps_records(page: str, kind: str) -> None:
    """What it writes, who is forgotten there, and what a restart leaves."""
    names = {"jsonl": "json lines", "sqlite": "sqlite", "parquet": "parquet"}
    assert names.get(kind, kind) in (DOCS / page).read_text().lower()
