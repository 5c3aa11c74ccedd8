"""`driftnet config`, `driftnet detectors`."""

import json
import re
import tomllib
from pathlib import Path

from detectors.registry import detector_types
from flows.config import loads
from tests.unit.cli.conftest import Cli


def test_check_says_what_the_job_is(cli: Cli, small: Path) -> None:
    """A configuration that can run is summed up: windows, detectors, cohorts, sources and the digest."""
    done = cli("config", "check", small)
    assert done.code == 0
    for part in (
        "fine",
        "w5m (2 features)",
        "extremes (ecod) on w5m",
        "main (simulator)",
        loads(small.read_text()).job().digest,
    ):
        assert part in done.out


def test_check_as_json(cli: Cli, small: Path) -> None:
    """The same for programs."""
    found = json.loads(cli("config", "check", small, "--json").out)
    assert found["job"] == "small"
    assert found["windows"] == {"w5m": 2}


def test_check_says_that_alerts_go_nowhere(cli: Cli, small: Path) -> None:
    """A configuration from nothing has no sinks: that is said before a run, as it begins and at its end."""
    assert "alerts to  sqlite" in cli("config", "check", small).out
    bare = re.sub(r"\n\[sinks\]\n(?:.+\n)+", "\n", small.read_text())
    small.write_text(bare)
    done = cli("config", "check", small)
    assert done.code == 0
    assert "alerts to  nowhere: they are counted and not kept" in done.out
    assert json.loads(cli("config", "check", small, "--json").out)["alerts_to"] == []
    ran = cli("run", small, "--no-print")
    assert "alerts go nowhere" in ran.err
    assert "Alerts went nowhere" in ran.out


def test_check_finds_what_only_shows_as_a_whole(cli: Cli, small: Path) -> None:
    """A window that names an unknown feature is an error with file, line and key."""
    small.write_text(small.read_text().replace('size = "5m" }', 'size = "5m", features = ["playz"] }'))
    done = cli("config", "check", small)
    assert done.code == 2
    line = small.read_text().splitlines().index("[windows]") + 2
    assert f"small.toml:{line}: windows.w5m.features: seen 'playz'" in done.err
    assert "did you mean 'plays'?" in done.err


def test_show_is_a_complete_configuration(cli: Cli, small: Path) -> None:
    """What `show` prints is TOML that loads to the same job, with settings of the command line in it."""
    done = cli("config", "show", small, "--set", "alerts.budget_per_day=7")
    shown = loads(done.out)
    assert shown.alerts.budget_per_day == 7
    assert shown.job().stream.windows == loads(small.read_text()).job().stream.windows
    as_json = json.loads(cli("config", "show", small, "--set", "alerts.budget_per_day=7", "--json").out)
    assert as_json["alerts"] == tomllib.loads(done.out)["alerts"]


def test_show_defaults_is_the_shipped_file(cli: Cli) -> None:
    """--defaults prints the shipped file with its comments, to start from; it is a configuration itself."""
    done = cli("config", "show", "--defaults")
    assert done.out.startswith("# The configuration that `driftnet` uses")
    assert loads(done.out).job() == loads("").job()


def test_detectors_list_names_all_types(cli: Cli) -> None:
    """Every installed type is listed with its parameters and defaults."""
    done = cli("detectors", "list")
    found = {d["type"]: d for d in json.loads(cli("detectors", "list", "--json").out)}
    assert set(found) == set(detector_types())
    for name in found:
        assert name in done.out
    trees = {p["key"]: p["default"] for p in found["half_space_trees"]["params"]}
    assert trees["n_trees"] == "25"


def test_infer_writes_what_check_and_replay_take(cli: Cli, small: Path, tmp_path: Path) -> None:
    """From events to a configuration and alerts' counts, without a word of configuration; nothing is written over."""
    cli("simulate", "out", "--config", small)
    events = tmp_path / "out" / "part-00.jsonl"
    done = cli("config", "infer", events, "--out", "mine.toml")
    assert (done.code, done.out) == (0, "mine.toml: read it, then driftnet config check mine.toml\n")
    found = tomllib.loads(Path("mine.toml").read_text())
    assert (found["event"]["subject"], found["event"]["time"]["path"]) == ("user_id", "event_time")
    assert cli("config", "check", "mine.toml").out.startswith("mine.toml: fine.")
    summary = json.loads(cli("replay", events, "-c", "mine.toml", "--json").out)["summary"]
    assert (summary["read"], summary["rejected"]) == (len(events.read_bytes().splitlines()), 0)
    again = cli("config", "infer", events, "--out", "mine.toml")
    assert (again.code, "mine.toml: there is something already" in again.err) == (2, True)
    assert cli("config", "infer", events).out == Path("mine.toml").read_text()
