"""`driftnet simulate`, `replay`, `run`, `alerts`, `explain`: from events to alerts and back."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Cli, Done


@pytest.fixture
def simulated(cli: Cli, small: Path, tmp_path: Path) -> Path:
    """Two files of events and their truth."""
    done = cli("simulate", "out", "--config", small, "--bad-lines", "0.01", "--json")
    assert done.code == 0
    return tmp_path / "out"


def _alerts(done: Done) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


def test_simulate_writes_events_and_truth(cli: Cli, small: Path, tmp_path: Path) -> None:
    """One file per partition, the truth beside them, and counts that add up to the lines written."""
    done = cli("simulate", "out", "--config", small, "--users", "100", "--partitions", "3", "--seed", "5", "--json")
    counts = json.loads(done.out)
    parts = [Path(p) for p in counts["parts"]]
    assert [p.name for p in parts] == ["part-00.jsonl", "part-01.jsonl", "part-02.jsonl"]
    lines = sum(len((tmp_path / p).read_bytes().splitlines()) for p in parts)
    assert counts["lines"] == lines == counts["events"] + counts["duplicates"]
    truth = (tmp_path / counts["truth"]).read_bytes().splitlines()
    assert len(truth) == 100
    text = cli("simulate", "again", "--config", small, "--users", "100", "--partitions", "3", "--seed", "5").out
    assert f"{counts['lines']:,} lines" in text


def test_simulate_refuses_what_cannot_be(cli: Cli) -> None:
    """Options are checked like the configuration that they change."""
    done = cli("simulate", "out", "--users", "3")
    assert done.code == 2
    assert "sources.main.users: seen 3, allowed: greater than or equal to 50" in done.err


def test_replay_prints_summary_and_evaluation(cli: Cli, small: Path, simulated: Path) -> None:
    """A replay accounts for every line, and compares the alerts with the truth."""
    truth = simulated / "truth.jsonl"
    done = cli("replay", simulated / "part-*.jsonl", "--per-file", "-c", small, "--truth", truth, "--json")
    found = json.loads(done.out)
    summary, evaluation = found["summary"], found["evaluation"]
    assert done.code == 0
    assert summary["balanced"]
    assert summary["rejected"] > 0
    assert summary["read"] == summary["accepted"] + summary["late"] + summary["duplicate"] + summary["rejected"]
    assert summary["alerts"] == evaluation["alerts"] > 0
    assert [c["name"] for c in evaluation["campaigns"]] in ([], ["loop_bot"])
    text = cli("replay", simulated / "part-*.jsonl", "--per-file", "-c", small, "--truth", truth).out
    for part in ("Summary", f"{summary['read']:,} read", "precision", "genuine accounts", "driftnet alerts list"):
        assert part in text


def test_replay_prints_alerts_as_they_are_found(cli: Cli, small: Path, simulated: Path) -> None:
    """Each alert is a line above the summary; --no-print leaves them out."""
    arguments = ("replay", simulated / "part-*.jsonl", "--per-file", "-c", small)
    loud, quiet = cli(*arguments).out, cli(*arguments, "--no-print").out
    alerts = json.loads(cli("alerts", "list", "--limit", "0", "--json").out)
    assert alerts
    assert loud.split("Summary")[0].count("  w5m  ") == len(alerts)
    assert "  w5m  " not in quiet


def test_replay_of_what_is_not_there(cli: Cli, small: Path) -> None:
    """A pattern that matches nothing, and a truth that is missing, are errors with their names."""
    done = cli("replay", "nothing/*.jsonl", "-c", small)
    assert done.code == 2
    assert "nothing/*.jsonl" in done.err
    Path("a.jsonl").write_text("")
    done = cli("replay", "a.jsonl", "-c", small, "--truth", "none.jsonl")
    assert done.code == 2
    assert "none.jsonl: no such file" in done.err


def test_unaccounted_lines_end_with_1(cli: Cli, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose counts do not add up says so, and ends with exit code 1."""
    monkeypatch.setattr("flows.report.FATES", ("accepted",))
    Path("a.jsonl").write_text("not an event\n")
    done = cli("replay", "a.jsonl", "-c", small)
    assert done.code == 1
    assert "NOT BALANCED" in done.out


def test_live_run_gives_the_alerts_of_a_replay(cli: Cli, small: Path, simulated: Path) -> None:
    """`run` on Bytewax and `replay` without it store the same alerts, to the digit."""
    paths = json.dumps([str(simulated / "part-00.jsonl"), str(simulated / "part-01.jsonl")])
    files = (
        "--set",
        "sources.main.kind=files",
        "--set",
        f"sources.main.paths={paths}",
        "--set",
        "sources.main.partitions=per_file",
    )
    live = cli("run", small, *files, "--set", 'sinks.alerts=[{kind="sqlite", path="live.db"}]', "--json")
    assert live.code == 0, live.err
    assert cli("replay", simulated / "part-*.jsonl", "--per-file", "-c", small).code == 0
    listed = [_alerts(cli("alerts", "list", "--db", db, "--limit", "0", "--json")) for db in ("live.db", "driftnet.db")]
    assert listed[0] == listed[1] != []


def test_run_on_a_simulator_is_evaluated(cli: Cli, small: Path) -> None:
    """A simulated run is compared with the simulator's truth without being asked."""
    found = json.loads(cli("run", small, "--json").out)
    assert found["summary"]["balanced"]
    assert found["evaluation"]["alerts"] == found["summary"]["alerts"]


def test_run_goes_on_from_its_state(cli: Cli, small: Path) -> None:
    """A second run on a state directory resumes, and the evaluation still covers all alerts of that state."""
    first, second = (json.loads(cli("run", small, "--state-dir", "state", "--json").out) for _ in range(2))
    assert first["evaluation"]["alerts"] == first["summary"]["alerts"] > 0
    assert second["evaluation"] == first["evaluation"]
    assert second["summary"]["read"] == first["summary"]["read"]


def test_alerts_list_show_and_explain(cli: Cli, small: Path, simulated: Path) -> None:
    """Alerts can be listed and filtered, shown by the first digits of their id, and explained to the bit."""
    cli("replay", simulated / "part-*.jsonl", "--per-file", "-c", small)
    everything = _alerts(cli("alerts", "list", "--limit", "0", "--json"))
    one = everything[-1]
    assert _alerts(cli("alerts", "list", "--subject", one["subject"], "--json"))[-1] == one
    assert _alerts(cli("alerts", "list", "--since", "2099-01-01", "--json")) == []
    assert cli("alerts", "list", "--until", "2000-01-01").out == "no alerts\n"
    listed = cli("alerts", "list", "--limit", "0").out
    assert all(a["alert_id"] in listed for a in everything)
    shown = cli("alerts", "show", one["alert_id"][:12])
    assert shown.code == 0
    assert one["subject"] in shown.out
    assert all(r["feature"] in shown.out for r in one["reasons"])
    assert _alerts(cli("alerts", "show", one["alert_id"], "--json")) == one  # type: ignore[comparison-overlap]
    named = ("--input", simulated / "part-*.jsonl")
    assert "names input that you did not" in cli("explain", one["alert_id"]).err
    explained = cli("explain", one["alert_id"], *named)
    assert explained.code == 0, explained.err
    assert "the same to the bit" in explained.out
    assert json.loads(cli("explain", one["alert_id"], "--json", *named).out)["reproduced"] is True


def test_unknown_alerts_and_stores(cli: Cli, small: Path, simulated: Path) -> None:
    """An id that is not there and a store that is not there are errors that say where they were looked for."""
    done = cli("alerts", "list")
    assert done.code == 2
    assert "driftnet.db" in done.err
    cli("replay", simulated / "part-*.jsonl", "--per-file", "-c", small)
    for command in (("alerts", "show"), ("explain",)):
        done = cli(*command, "zzzz")
        assert done.code == 2
        assert "no alert whose id starts with 'zzzz'" in done.err
    done = cli("alerts", "list", "--config", small, "--db", "other.db")
    assert done.code == 2
    assert "other.db" in done.err


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_an_input_that_cannot_be_read_is_no_success(cli: Cli, tmp_path: Path, encoding: str) -> None:
    """Another encoding, a JSON array: an exit code of its own, a word about it, and a record in the drift stream."""
    events = [{"event_id": f"e{i}", "event_time": 1_772_409_600_000, "user_id": "u"} for i in range(200)]
    text = json.dumps(events, indent=1) if encoding == "utf-8" else "\n".join(map(json.dumps, events))
    (tmp_path / "events.jsonl").write_text(text, encoding=encoding)
    drift = f'sinks.drift=[{{ kind = "jsonl", path = "{tmp_path}/drift.jsonl" }}]'
    done = cli("replay", tmp_path / "events.jsonl", "--set", drift)
    assert done.code == 4
    assert "in UTF-8" in done.out
    (record,) = map(json.loads, (tmp_path / "drift.jsonl").read_text().splitlines())
    assert (record["cause"], record["name"].partition(" ")[0]) == ("data_fault", "rejected")
