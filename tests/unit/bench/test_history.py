"""The history of releases."""

import json
from pathlib import Path

import pytest

from bench import history
from bench.report.summary import summary
from bench.results import results_of
from tests.unit.bench.conftest import Bench
from tests.unit.bench.sample import sample


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The summary of a run of version 0.2.0."""
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(summary(results_of(sample()))))
    return path


def test_a_release_is_a_line(bench: Bench, run: Path) -> None:
    """A run becomes one line with its commit, machine, versions and figures by scenario, and a row of the table."""
    assert "0.2.0 added" in bench("history", "add", run, "--file", "history.jsonl").out
    (line,) = history.read(run.parent / "history.jsonl")
    assert line["version"] == "0.2.0"
    assert line["commit"].startswith("0cb1082")
    assert line["machine"].startswith("AMD EPYC")
    assert line["scenarios"]["zipf"]["ratio"]["whole"] == 2.4
    out = bench("history", "--file", "history.jsonl").out
    for words in ("0.2.0", "0cb10820d033", "2.40 ×", "93.9 %"):
        assert words in out
    assert json.loads(bench("history", "--file", "history.jsonl", "--json").out) == [line]


def test_a_release_is_measured_once(bench: Bench, run: Path) -> None:
    """A second line for the same version is refused, whatever its figures are; another version is added."""
    assert bench("history", "add", run, "--file", "history.jsonl").code == 0
    again = bench("history", "add", run, "--file", "history.jsonl")
    assert again.code == 2
    assert "has 0.2.0 already" in again.err
    assert bench("history", "add", run, "--release", "0.3.0", "--file", "history.jsonl").code == 0
    assert [line["version"] for line in history.read(run.parent / "history.jsonl")] == ["0.2.0", "0.3.0"]


def test_more_mistakes_than_before_are_told(bench: Bench, run: Path) -> None:
    """A release is added all the same; noise passes, a rise beyond it ends with 1, with scenario and counts."""
    assert bench("history", "add", run, "--file", "history.jsonl").code == 0
    figures = json.loads(run.read_text())
    shipped = figures["verdicts"]["shipped-2000-31"]["mistakes"]
    shipped["false alerts"] = 8
    run.write_text(json.dumps(figures))
    assert bench("history", "add", run, "--release", "0.3.0", "--file", "history.jsonl").code == 0
    shipped["false alerts"] = 22
    run.write_text(json.dumps(figures))
    done = bench("history", "add", run, "--release", "0.4.0", "--file", "history.jsonl")
    assert done.code == 1
    assert "worse: shipped-2000-31: false alerts 8 → 22 since 0.3.0" in done.err
    assert len(history.read(run.parent / "history.jsonl")) == 3
    assert "0.667" in bench("history", "--file", "history.jsonl").out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "0+source"}, "--release"),
        ({"version": ""}, "--release"),
        ({"scenarios": {}}, "no scenario was measured"),
        ({"smoke": True}, "smoke sizes"),
    ],
)
def test_what_cannot_be_a_release(bench: Bench, run: Path, change: dict[str, object], words: str) -> None:
    """A run of nothing installed needs a name; a run without scenarios has nothing to remember."""
    run.write_text(json.dumps(json.loads(run.read_text()) | change))
    done = bench("history", "add", run, "--file", "history.jsonl")
    assert done.code == 2
    assert words in done.err
    assert not (run.parent / "history.jsonl").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json"])
def test_what_is_no_summary(bench: Bench, run: Path, text: str) -> None:
    """Another file is refused by name."""
    run.write_text(text)
    done = bench("history", "add", run, "--file", "history.jsonl")
    assert done.code == 2
    assert "summary.json: not the summary.json of a run" in done.err


def test_no_release_yet(bench: Bench) -> None:
    """An empty history says how to begin one."""
    assert "no release yet" in bench("history", "--file", "none.jsonl").out


def test_the_shipped_history_can_be_read() -> None:
    """Every line that is in the repository is a release, each once."""
    versions = [line["version"] for line in history.read(history.FILE)]
    assert sorted(set(versions)) == sorted(versions)
    history.table(history.read(history.FILE)).markdown()
