"""Files of mode 0600, folders of mode 0700."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.private import close_directory, make_files_private
from state.errors import ConfigError
from tests.unit.cli.conftest import Cli, cli, small  # noqa: F401 - fixtures


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """As in most shells; put back afterwards."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(place: Path) -> set[str]:
    """Of everything in a directory, and of itself."""
    return {f"{'d' if p.is_dir() else 'f'}{stat.S_IMODE(p.stat().st_mode):o}" for p in (place, *place.rglob("*"))}


def test_everything_that_commands_write(cli: Cli, small: Path, tmp_path: Path) -> None:  # noqa: F811
    """State, savepoints, the store, files of sinks, converted and simulated events; by child processes too."""
    text = small.read_text().replace("[sinks]", '[sinks]\nrejects = { kind = "jsonl", path = "out/rejects.jsonl" }')
    small.write_text(text)
    assert cli("run", small, "--state-dir", "state", "--processes", "2", "--json").code == 0
    cli("savepoint", "create", "state", "first")
    cli("run", small, "--from-savepoint", "state/savepoints/first", "--state-dir", "state2", "--json")
    cli("simulate", "events", "--config", small)
    for name in ("state", "state2", "out", "events"):
        assert modes(tmp_path / name) == {"f600", "d700"}, name
    assert stat.S_IMODE((tmp_path / "driftnet.db").stat().st_mode) == 0o600


def test_a_state_directory_of_before_is_closed(cli: Cli, small: Path, tmp_path: Path) -> None:  # noqa: F811
    """What an earlier build left open to others, and says so."""
    (tmp_path / "state").mkdir(mode=0o755)
    cli("run", small, "--state-dir", "state", "--json")
    for path in (tmp_path / "state").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (tmp_path / "state").chmod(0o755)
    done = cli("run", small, "--state-dir", "state", "--json")
    assert "state could be read by others: closed" in done.err
    assert modes(tmp_path / "state") == {"f600", "d700"}
    assert "could be read" not in cli("run", small, "--state-dir", "state", "--json").err


def test_a_group_that_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the variable allows, and no more."""
    monkeypatch.setenv("DRIFTNET_UMASK", "027")
    make_files_private()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "file").touch()
    assert modes(tmp_path / "state") == {"f640", "d750"}
    (tmp_path / "state").chmod(0o755)
    close_directory(tmp_path / "state")
    assert modes(tmp_path / "state") == {"f640", "d750"}


def test_what_the_shell_forbids_stays_forbidden(tmp_path: Path) -> None:
    """A mask that is stricter is kept."""
    os.umask(0o177)
    make_files_private()
    (tmp_path / "file").touch()
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert os.umask(0o022) == 0o177


@pytest.mark.parametrize("text", ["x", "8", "-1", "7777"])
def test_a_mask_that_is_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen and what is allowed."""
    monkeypatch.setenv("DRIFTNET_UMASK", text)
    with pytest.raises(ConfigError, match=rf"DRIFTNET_UMASK: seen '{text}', allowed: octal digits"):
        make_files_private()
