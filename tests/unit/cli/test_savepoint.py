"""`driftnet savepoint`, and what a run says of its state."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.savepoint.manifest import describe as described
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
    """`verify` says which file it is and exits with 2, as of all state that cannot be used."""
    cli("savepoint", "create", "state", "elsewhere/copy")
    segment = next(Path("elsewhere/copy/chunks").glob("*/*.seg"))
    segment.write_bytes(segment.read_bytes()[:-7])
    done = cli("savepoint", "verify", "elsewhere/copy")
    assert done.code == 2
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
        (("--archive", "s3://bucket/x"), "seen without --state-dir"),
        (
            ("--archive", "s3://bucket/x", "--state-dir", "s", "--addresses", "a:1,b:2", "--index", "0"),
            "seen with --addr",
        ),
        (("--archive", "file:///x", "--state-dir", "s"), "allowed: s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"),
        (("--archive-keep", "0"), "'--archive-keep'"),
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


def test_what_was_added_is_not_taken_along(cli: Cli, small: Path, ran: Path) -> None:
    """A file or a link that the manifest does not have is damage, also where all checksums are right."""
    cli("savepoint", "create", "state", "elsewhere/copy")
    copy = Path("elsewhere/copy")
    (copy / "extra.json").write_text("{}")
    (copy / "link").symlink_to("/etc/passwd")
    done = cli("savepoint", "verify", copy)
    assert done.code == 2
    assert done.out == "extra.json does not belong there\nlink is a link\n"
    done = cli("run", small, "--from-savepoint", copy, "--state-dir", "state2")
    assert done.code == 2
    assert "is damaged: extra.json does not belong there; link is a link; use another one" in done.err
    assert not Path("state2").exists()


def test_a_path_out_of_it(cli: Cli, ran: Path) -> None:
    """A manifest that names other files of this machine has none of them looked at."""
    cli("savepoint", "create", "state", "elsewhere/copy")
    manifest = Path("elsewhere/copy/savepoint.json")
    table = json.loads(manifest.read_text())
    table["files"] |= {"../../small.toml": [1, "x"], "/etc/passwd": [1, "x"]}
    manifest.write_text(json.dumps(table))
    assert cli("savepoint", "verify", "elsewhere/copy").out == (
        "'../../small.toml' lies outside\n'/etc/passwd' lies outside\n"
    )


def test_a_detector_file_is_not_loaded(cli: Cli, ran: Path) -> None:
    """Whoever wrote the savepoint wrote its checksums; what it names is loaded where our own configuration has it."""
    cli("savepoint", "create", "state", "elsewhere/copy")
    Path("evil.py").write_text("from pathlib import Path\nPath('loaded').touch()\n")
    copy = Path("elsewhere/copy")
    config = copy / "config.toml"
    config.write_text(config.read_text().replace('type = "ecod"', 'type = "evil.py"'))
    described(copy, 1, {}).write(copy)
    for command in ("verify", "inspect", "diff"):
        done = cli("savepoint", command, copy, *[copy] * (command == "diff"))
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert "names code that your own configuration does not" in done.err
        assert not Path("loaded").exists()
    Path("ours.toml").write_text('[detectors.mine]\ntype = "evil.py"\n')
    assert "expected one subclass of DetectorSpec" in cli("savepoint", "verify", copy, "--config", "ours.toml").err
    assert Path("loaded").exists()


def test_seals(cli: Cli, small: Path, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key in the environment nothing without that key's seal is read; without one nothing changes."""
    key = "0123456789abcdef0123456789abcdef"
    cli("savepoint", "create", "state", "elsewhere/open")
    monkeypatch.setenv("DRIFTNET_STATE_KEY", key)
    cli("savepoint", "create", "state", "elsewhere/sealed")
    assert "is whole" in cli("savepoint", "verify", "elsewhere/sealed").out
    assert "was written without a key" in cli("savepoint", "verify", "elsewhere/open").out
    done = cli("run", small, "--from-savepoint", "elsewhere/open", "--state-dir", "state2")
    assert "was written without a key, and DRIFTNET_STATE_KEY is set" in done.err
    monkeypatch.setenv("DRIFTNET_STATE_KEY", key.upper())
    assert "was not written with the key in DRIFTNET_STATE_KEY" in cli("savepoint", "inspect", "elsewhere/sealed").err
    monkeypatch.setenv("DRIFTNET_STATE_KEY", key)
    sealed = Path("elsewhere/sealed")
    config = sealed / "config.toml"
    config.write_text(f"{config.read_text()}\n# changed\n")
    table = json.loads((sealed / "savepoint.json").read_text())
    table["files"]["config.toml"] = described(sealed, 1, {}).files["config.toml"]
    (sealed / "savepoint.json").write_text(json.dumps(table))
    assert "or was changed since" in cli("savepoint", "inspect", sealed).err
    monkeypatch.delenv("DRIFTNET_STATE_KEY")
    assert "is whole" in cli("savepoint", "verify", sealed).out
    monkeypatch.setenv("DRIFTNET_STATE_KEY", "short")
    assert "DRIFTNET_STATE_KEY: seen 5 bytes, allowed: at least 16" in cli("savepoint", "inspect", sealed).err


def test_a_run_that_was_started_from_one_is_no_savepoint(cli: Cli, small: Path, ran: Path) -> None:
    """Its state has moved on from the checksums that came with it, and can be looked into all the same."""
    cli("savepoint", "create", "state", "first")
    cli("run", small, "--from-savepoint", "state/savepoints/first", "--state-dir", "state2", "--json")
    assert "is whole" in cli("savepoint", "verify", "state2").out


def test_a_configuration_is_held_against_saved_state(cli: Cli, small: Path, ran: Path) -> None:
    """What would be kept, start cold, be dropped or refused is said; nothing is changed, and it comes true."""
    before = (ran / "shape.json").read_bytes()
    same = json.loads(cli("config", "check", small, "--against", "state", "--json").out)["against"]
    assert same["kept"]
    assert (same["cold"], same["dropped"], same["refused"]) == ([], [], [])
    other = small.with_name("other.toml")
    other.write_text(small.read_text() + '\n[features.zz_searches]\nkind = "count"\nwhere = { type = "skip" }\n')
    done = cli("config", "check", other, "--against", "state")
    assert done.code == 0
    (line,) = [line for line in done.out.splitlines() if "zz_searches is new" in line]
    assert line.split()[0] == "cold"
    assert (ran / "shape.json").read_bytes() == before
    cli("savepoint", "create", "state", "first")
    found = json.loads(cli("config", "check", other, "--against", "state/savepoints/first", "--json").out)["against"]
    run = cli("run", other, "--state-dir", "state", "--json")
    assert run.code == 0
    for why in (*found["cold"], *found["dropped"]):
        assert why in run.err
    assert cli("config", "check", other, "--against", "state", "-s", "job.key_groups=3").code == 2
    assert "no shape.json" in cli("config", "check", other, "--against", "elsewhere").err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "allowed: a name"),
        (".", "allowed: a name"),
        ("..", "allowed: a name"),
        ("/", "allowed: a name"),
        ("a\nb", "is no name for a savepoint"),
        ("x" * 300, "cannot be written: File name too long"),
        ("/dev/null/x", "cannot be written"),
        ("/proc/x", "cannot be written"),
        ("state/inside", "would be a part of the state itself"),
        ("state/savepoints/a/b", "would be a part of the state itself"),
    ],
)
def test_names_that_cannot_be(cli: Cli, ran: Path, name: str, message: str) -> None:
    """One line, and nothing is left behind."""
    before = sorted(Path("state").rglob("*.json"))
    done = cli("savepoint", "create", "state", name)
    assert done.code == 2
    assert message in " ".join(done.err.replace("│", " ").split())
    assert sorted(Path("state").rglob("*.json")) == before
    assert not list(Path("state").rglob("*.new"))


def test_nothing_saved_yet(cli: Cli, small: Path) -> None:
    """A run that was killed before its first checkpoint has left a store, and nothing in it."""
    from flows.engine.recovery import _store

    Path("state").mkdir()
    _store(Path("state"))
    for command in ("inspect", "verify", "create"):
        done = cli("savepoint", command, "state", *(["first"] if command == "create" else []))
        assert done.code == 2
        assert "saved" in done.err + done.out
        assert "yet" in done.err + done.out
