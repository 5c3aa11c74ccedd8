"""Text of others is shown as it is, and output that nobody reads decides nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.printing import printable, shown
from tests.engine.scenarios import SCENARIOS, lines_of

PROGRAM = [sys.executable, "-m", "flows.cli"]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("[red]alice[/red]", "[red]alice[/red]"),
        ("[/x]", "[/x]"),
        ("a\x1b[2Jb\nc\td\x9be", "a?[2Jb?c?d?e"),
        ("\u202eevil", "?evil"),
        ("J\u00fcrgen \U0001f600", "J\u00fcrgen \U0001f600"),
        ("back\\\\[bold]", "back\\\\[bold]"),
        (17, "17"),
    ],
)
def test_text_of_others(text: object, printed: str) -> None:
    """Nothing in it is markup, nothing in it steers the terminal, and everything else is as it was."""
    from rich.text import Text

    assert printable(text) == printed
    assert Text.from_markup(f"[bold]{shown(text)}[/]!").plain == f"{printed}!"


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job that prints alerts of cards whose names ASCII does not have."""
    lines = [line.replace(b'"card1"', '"c\u00e4rd"'.encode()) for line in lines_of("hot_card")[:3000]]
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines))
    config = SCENARIOS["hot_card"].config.split("[sinks]")[0]
    (tmp_path / "job.toml").write_text(config + '[sources.main]\nkind = "files"\npaths = ["events.jsonl"]\n')
    return tmp_path


def run(job: Path, shell: str) -> "subprocess.CompletedProcess[bytes]":
    """shell: a script in which $DRIFTNET is the program."""
    here = str(Path(__file__).parents[3])
    environment = {"DRIFTNET": " ".join(PROGRAM), "PATH": "/usr/bin:/bin", "PYTHONPATH": here}
    return subprocess.run(["bash", "-c", shell], cwd=job, env=environment, capture_output=True, check=False)


@pytest.mark.parametrize("how", ["", "--processes 2", "--restarts 1"])
def test_an_encoding_that_lacks_a_letter_stops_no_run(job: Path, how: str) -> None:
    """Whatever the encoding of standard output does not have is replaced, in every process."""
    done = run(job, f"PYTHONIOENCODING=ascii $DRIFTNET run job.toml --state-dir state {how}")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert b"c?rd" in done.stdout


@pytest.mark.parametrize("command", ["replay events.jsonl -c job.toml", "run job.toml --state-dir state --processes 2"])
def test_a_reader_that_leaves_changes_no_exit_code(job: Path, command: str) -> None:
    """1 means lines unaccounted for, and nothing else; the run goes on to its end."""
    done = run(job, f"$DRIFTNET {command} | head -1; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_program_without_output_runs(job: Path, closed: str) -> None:
    """Standard output may be closed; its number goes to no other file."""
    done = run(job, f"$DRIFTNET run job.toml --state-dir state {closed}")
    assert (done.returncode, done.stderr if "2>" in closed else b"") == (0, b"")


@pytest.mark.parametrize("command", ["replay events.jsonl -c job.toml", "run job.toml", "config show job.toml"])
def test_a_full_disk_behind_the_output_is_one_line(job: Path, command: str) -> None:
    """As of any output; also where all of it is written at the very end."""
    done = run(job, f"$DRIFTNET {command} >/dev/full")
    assert done.returncode == 2
    (said,) = [line for line in done.stderr.splitlines() if line.startswith(b"driftnet: ")]
    assert b"No space left on device" in said
    assert b"Traceback" not in done.stderr


def test_logs_that_cannot_be_written_decide_nothing(job: Path) -> None:
    """A full disk behind standard error."""
    done = run(job, "$DRIFTNET replay events.jsonl -c job.toml 2>/dev/full")
    assert done.returncode == 0
    assert b"events " in done.stdout
