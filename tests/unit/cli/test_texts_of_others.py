"""Ids and names that look like markup, colours or cursor movements are shown as the text that they are."""

import json
from pathlib import Path

import pytest

from flows.text import visible
from tests.unit.cli.conftest import SMALL, Cli

ODD = (
    "[/x]",
    "[red]alice[/red]",
    "[link=file:///etc/passwd]x[/link]",
    ":smile:",
    "\x1b[2J\x1b]0;title\x07",
    "a\nb",
    "\u202eabc",
    "c\td",
    "\x9b31m",
)


@pytest.fixture
def alerts(cli: Cli, tmp_path: Path) -> dict[str, str]:
    """Odd id -> an alert of a subject with that in its id."""
    (tmp_path / "job.toml").write_text(SMALL)
    cli("simulate", "plain", "-c", "job.toml")
    (tmp_path / "odd").mkdir()
    for part in sorted((tmp_path / "plain").glob("part-*.jsonl")):
        events = [json.loads(line) for line in part.read_text().splitlines()]
        for event in events:
            event["user_id"] = ODD[int(event["user_id"][1:], 16) % len(ODD)] + event["user_id"]
        (tmp_path / "odd" / part.name).write_text("".join(json.dumps(event) + "\n" for event in events))
    done = cli("replay", "odd/part-*.jsonl", "--per-file", "-c", "job.toml")
    assert done.code == 0, done.err
    assert_harmless(done.out)
    found = json.loads(cli("alerts", "list", "--limit", "0", "--json").out)
    return {odd: alert["alert_id"] for odd in ODD for alert in found if alert["subject"].startswith(odd)}


def assert_harmless(text: str) -> None:
    """Nothing but what can be printed, in lines."""
    assert [line for line in text.splitlines() if not line.isprintable()] == []
    assert "\r" not in text


def test_ids(cli: Cli, alerts: dict[str, str]) -> None:
    """In lists, in the view of one, and in an explanation each is whole, and does nothing."""
    assert len(alerts) >= 6
    listed = cli("alerts", "list", "--limit", "0")
    assert listed.code == 0, listed.err
    assert_harmless(listed.out)
    for odd, alert in alerts.items():
        assert visible(odd) in listed.out
        shown = cli("alerts", "show", alert)
        assert shown.code == 0, shown.err
        assert_harmless(shown.out)
        assert visible(odd) in shown.out
    odd, alert = next(iter(alerts.items()))
    explained = cli("explain", alert, "--input", "odd/part-*.jsonl")
    assert explained.code == 0, explained.err
    assert_harmless(explained.out)
    assert visible(odd) in explained.out


def test_errors(cli: Cli, alerts: dict[str, str]) -> None:
    """What was asked for is repeated as it can be printed."""
    done = cli("alerts", "show", "\x1b[2J[/x]")
    assert done.code == 2
    assert "[2J[/x]" in done.err
    assert_harmless(done.err)


def test_columns_of_a_table(cli: Cli, tmp_path: Path) -> None:
    """Names of a file's columns are others' texts too."""
    rows = "\n".join(f"{i % 7},{i % 5}" for i in range(600))
    (tmp_path / "t.csv").write_text(f"[/x]odd,[red]b\n{rows}\n99,99\n")
    done = cli("score", "t.csv", "--features", "[/x]odd,[red]b")
    assert done.code == 0, done.err
    assert_harmless(done.out)
    assert "[red]b" in done.out


@pytest.mark.parametrize(
    ("text", "seen"),
    [("plain é 日本", "plain é 日本"), ("\x1b", "?"), ("\u202e", "?"), ("\ud800", "?"), ("a\nb", "a?b")],
)
def test_visible(text: str, seen: str) -> None:
    """All that can be printed stays as it is."""
    assert visible(text) == seen
