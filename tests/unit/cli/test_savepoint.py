"""`driftnet savepoint`, and what a run says of its state."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Cli


@pytest.fixture
def ran(cli: Cli, small: Path, tmp_path: Path) -> Path:
    """The state directory of a run that came to its end."""
    done = cli("run", small, "--state-dir", "state", "--epoch", "50ms", "--batch-lines", "500", "--json")
    assert done.code == 0
    assert "nothing saved yet, starting from the beginning" in done.err
    return tmp_path / "state"


def test_a_second_run_goes_on(cli: Cli, small: Path, ran: Path) -> None:
    """It says from where, and repeats nothing."""
    first = json.loads(cli("run", small, "--state-dir", "state", "--json").out)["summary"]
    done = cli("run", small, "--state-dir", "state", "--json")
    assert "going on from state: epoch" in done.err
    assert f"{first['read']:,} lines read" in done.err
    again: dict[str, Any] = json.loads(done.out)["summary"]
    assert (again["read"], again["alerts"]) == (first["read"], first["alerts"])


def test_from_creation_to_start(cli: Cli, small: Path, ran: Path) -> None:
    """Created, listed, verified, looked into, compared, started from; each says what it did."""
    made = cli("savepoint", "create", "state", "first")
    assert "state/savepoints/first: epoch" in made.out
    assert "--from-savepoint state/savepoints/first" in made.out
    assert cli("savepoint", "create", "state", "first").code == 2
    listed = json.loads(cli("savepoint", "list", "state", "--json").out)
    assert [entry["name"] for entry in listed] == ["first"]
    assert "first" in cli("savepoint", "list", "state").out
    assert "is whole" in cli("savepoint", "verify", "state/savepoints/first").out
    told = json.loads(cli("savepoint", "inspect", "state/savepoints/first", "--json").out)
    assert told["users"] > 10
    assert f"{told['users']:,} users" in cli("savepoint", "inspect", "state").out
    assert "the state is the same" in cli("savepoint", "diff", "state/savepoints/first", "state").out
    done = cli("run", small, "--from-savepoint", "state/savepoints/first", "--state-dir", "state2", "--json")
    assert done.code == 0
    assert "state2 starts from savepoint state/savepoints/first" in done.err
    assert json.loads(done.out)["summary"]["read"] == told["read"]


def test_damage_is_found(cli: Cli, ran: Path) -> None:
    """`verify` says which file it is and exits with 1."""
    cli("savepoint", "create", "state", "elsewhere/copy")
    segment = next(Path("elsewhere/copy/chunks").glob("*/*.seg"))
    segment.write_bytes(segment.read_bytes()[:-7])
    done = cli("savepoint", "verify", "elsewhere/copy")
    assert done.code == 1
    assert segment.name in done.out
    assert json.loads(cli("savepoint", "verify", "elsewhere/copy", "--json").out)["whole"] is False


def test_one_user(cli: Cli, ran: Path) -> None:
    """What is known of a user by the id in the events; who was never seen is not known."""
    done = cli("savepoint", "inspect", "state", "--user", "nobody")
    assert done.code == 2
    assert "nothing is known of user 'nobody'" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from-savepoint", "x"), "seen without --state-dir"),
        (("--restarts", "3"), "seen without --state-dir"),
        (("--index", "1"), "seen without --addresses"),
        (("--addresses", "a:1,b:2", "--index", "2"), "allowed: 0 to 1"),
        (("--addresses", "a:1,b:2", "--index", "driftnet-1", "--processes", "2"), "one process on each host"),
    ],
)
def test_options_that_do_not_fit(cli: Cli, small: Path, arguments: tuple[str, ...], message: str) -> None:
    """Each is named with what is allowed."""
    done = cli("run", small, *arguments)
    assert done.code == 2
    assert message in " ".join(done.err.replace("│", " ").split())
