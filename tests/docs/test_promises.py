"""docs/promises.md: every promise names tests that are there, and is the one that the code means."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "promises.md").read_text()
PROMISES = dict(re.findall(r"^## (P\d): [^\n]*\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
CITED = re.compile(r"\b[Pp]romises?\s+(P\d)(?:\s+and\s+(P\d))?")


@pytest.mark.parametrize("promise", PROMISES)
def test_is_held_by_tests(promise: str) -> None:
    """Each names files of tests, all of which are there."""
    named = re.findall(r"`(tests/[\w/]+\.py)`", PROMISES[promise])
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_code_cites_what_is_promised() -> None:
    """A promise that code or tests speak of is on the page; and one that a test's first line names lists that test."""
    cited = set()
    for package in ("state", "detectors", "flows", "driftnet", "tests"):
        for file in (ROOT / package).rglob("*.py"):
            text = file.read_text()
            found = {promise for match in CITED.findall(text) for promise in match if promise}
            cited |= found
            if package == "tests" and file != Path(__file__):
                head = text.split('"""')[1] if text.startswith('"""') else ""
                for promise in {p for match in CITED.findall(head) for p in match if p}:
                    assert str(file.relative_to(ROOT)) in PROMISES[promise], (promise, file)
    assert {"P1", "P3", "P5"} <= cited <= PROMISES.keys()
