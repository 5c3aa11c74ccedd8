"""A folder that has a `state.py` or `flows/` of its own: it works, or the message says what is in the way."""

import subprocess
import sys
from pathlib import Path

import pytest

HIDING = ("state.py", "detectors/__init__.py", "flows/__init__.py")
EVENT = '{"event_id": "1", "user_id": "u1", "event_time": 1700000000000, "type": "play"}\n'


def hide(folder: Path, name: str) -> None:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("VALUE = 1\n")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", HIDING)
@pytest.mark.parametrize(
    "command", [("-c", "import driftnet"), ("-m", "bytewax.run", "flows.user_fraud")], ids=" ".join
)
def test_what_is_in_the_way_is_named(tmp_path: Path, name: str, command: tuple[str, ...]) -> None:
    """Neither the library nor the dataflow is put together from somebody else's modules."""
    hide(tmp_path, name)
    done = run(tmp_path, sys.executable, *command)
    assert done.returncode != 0
    assert f"is hidden by {tmp_path / name}" in done.stderr
    assert "Start it in another folder, or rename what is there" in done.stderr


def test_the_program_works(tmp_path: Path) -> None:
    """It does not look into the folder at all."""
    for name in HIDING:
        hide(tmp_path, name)
    (tmp_path / "events.jsonl").write_text(EVENT)
    program = str(Path(sys.executable).parent / "driftnet")
    done = run(tmp_path, program, "replay", "events.jsonl", "--json", "--set", "sinks.alerts=[]")
    assert done.returncode == 0, done.stderr
    assert '"read": 1' in done.stdout
