"""`driftnet simulate`, `replay`, `run`, `alerts`, `explain`: from events to alerts and back."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.counters import ACCEPTED
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


def test_simulate_with_company_says_what_campaigns_give_away(cli: Cli, tmp_path: Path) -> None:
    """--company keeps the settings of the table; --figures has a line per kind, and people last."""
    asked = ("--company", "--users", "1000", "--duration", "12h", "--set", "sources.main.company.decoys=[0.5, 0.5]")
    done = cli("simulate", "out", *asked, "--figures", "--json")
    assert done.code == 0
    written = json.loads(done.out)
    figures = {kind["kind"]: kind for kind in written["figures"]}
    assert list(figures)[-1] == "people"
    assert {"loop_bot", "drip_farm", "lockstep_farm"} < set(figures)
    assert figures["people"]["unheard"] is None
    campaigns = [json.loads(line) for line in (tmp_path / written["campaigns"]).read_bytes().splitlines()]
    assert {c["role"] for c in campaigns} == set(figures) - {"people"}
    assert {c["decoys"] for c in campaigns if "decoys" in c} == {0.5}
    text = cli("simulate", "again", *asked, "--figures").out
    assert "| lockstep_farm | 1 | 3 |" in text


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
    monkeypatch.setattr("flows.counters.FATES", (ACCEPTED,))
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
    assert listed[0] != []
    assert [alert | {"run_id": ""} for alert in listed[0]] == [alert | {"run_id": ""} for alert in listed[1]]


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


def test_input_that_goes_on(cli: Cli, small: Path, simulated: Path) -> None:
    """With saved state the end of the input pauses the run, which says so; more of it is read, --finish closes all."""
    part = simulated / "part-00.jsonl"
    lines = part.read_bytes().splitlines(keepends=True)
    half = len(lines) // 2
    job = ("run", small, "--set", "sources.main.kind=files", "--set", f'sources.main.paths=["{part}"]')
    part.write_bytes(b"".join(lines[:half]))
    first = cli(*job, "--state-dir", "state", "--no-print")
    assert "paused" in first.out
    assert "read to the end of the input" in first.out
    assert "nothing new in the input" in cli(*job, "--state-dir", "state", "--no-print").out
    part.write_bytes(b"".join(lines))
    done = cli(*job, "--state-dir", "state", "--finish", "--json")
    assert "going on from state" in done.err
    summary = json.loads(done.out)["summary"]
    assert (summary["read"], summary["resumed"], summary["open"]) == (len(lines), half, 0)
    part.write_bytes(b"".join([*lines, lines[-1]]))
    refused = cli(*job, "--state-dir", "state")
    assert refused.code == 2
    assert "which closed all windows" in refused.err
    assert "paused" not in cli(*job, "--no-print").out


def test_processes_log_as_they_are_told_to(cli: Cli, small: Path, simulated: Path) -> None:
    """What the processes of a run say has the format of the command, with its level."""
    part = simulated / "part-00.jsonl"
    part.write_bytes(part.read_bytes() + b'{"half')
    job = ("run", small, "--set", "sources.main.kind=files", "--set", f'sources.main.paths=["{part}"]')
    done = cli("--verbose", "--log-format", "json", *job, "--state-dir", "state", "--processes", "2", "--json")
    said = [json.loads(line) for line in done.err.splitlines() if "half" in line or "read to its end" in line]
    assert sorted(record["level"] for record in said) == ["debug"]
    told = [json.loads(line) for line in done.err.splitlines() if "in the middle of a line" in line]
    assert [record["logger"] for record in told] == ["driftnet.input"]


def test_alerts_of_several_runs(cli: Cli, small: Path, simulated: Path) -> None:
    """A replay with another configuration leaves a run's alerts as they are; each can be listed, shown and pruned."""
    replay = ("replay", simulated / "part-*.jsonl", "--per-file", "-c", small, "--no-print")
    cli(*replay)
    before = _alerts(cli("alerts", "list", "--limit", "0", "--json"))
    cli(*replay, "--set", "alerts.line=0.25")
    (last, first) = json.loads(cli("alerts", "runs", "--json").out)
    assert _alerts(cli("alerts", "list", "--limit", "0", "--json", "--run", first["run_id"][:6])) == before
    both = _alerts(cli("alerts", "list", "--limit", "0", "--json"))
    assert len(both) == first["alerts"] + last["alerts"] > len(before) == first["alerts"]
    text = cli("alerts", "list", "--limit", "0").out
    assert first["run_id"] in text
    assert last["run_id"] in text
    assert last["run_id"] in cli("alerts", "runs").out
    mine = {a["alert_id"] for a in before} & {a["alert_id"] for a in both if a["run_id"] == last["run_id"]}
    shown = json.loads(cli("alerts", "show", min(mine), "--run", first["run_id"], "--json").out)
    assert shown["run_id"] == first["run_id"]
    explained = cli("explain", min(mine), "--run", "last", "--input", simulated / "part-*.jsonl")
    assert "the same to the bit" in explained.out
    assert "deleted: " in cli("alerts", "prune", "--run", "last").out
    assert _alerts(cli("alerts", "list", "--limit", "0", "--json")) == before
    assert "seen neither --run nor --before" in cli("alerts", "prune").err
    assert json.loads(cli("alerts", "prune", "--before", "2099-01-01", "--json").out)["alerts"] == len(before)


def test_a_part_of_the_stream_is_balanced_too(cli: Cli, small: Path, simulated: Path) -> None:
    """Lines that event.where leaves out are counted as such, and none is unaccounted for."""
    replay = "replay", simulated / "part-*.jsonl", "--per-file", "-c", small, "--no-print"
    done = cli(*replay, "--set", 'event.where={ type = "play" }', "--json")
    assert done.code == 0
    summary = json.loads(done.out)["summary"]
    ends = ("accepted", "late", "duplicate", "rejected", "filtered")
    assert summary["read"] == sum(summary[end] for end in ends)
    assert min(summary["filtered"], summary["accepted"]) > 100
    nothing = cli(*replay, "--set", "event.where={ event_time = 1 }")
    assert "event.where.event_time" in nothing.err


def test_a_replay_reads_the_labels_and_commands_of_its_configuration(cli: Cli, small: Path, simulated: Path) -> None:
    """As far as there are any by now; --labels stands in for the labels, and the sources of events are not read."""
    labels, control = simulated / "labels.jsonl", simulated / "control.jsonl"
    labels.write_text('{"subject": "u1", "label": "fraud", "at": "2026-03-02T01:00:00Z"}\n')
    control.write_text('{"command": "pause", "detector": "extremes", "at": "2026-03-02T01:00:00Z"}\n')
    (simulated / "others.jsonl").write_text(labels.read_text() * 3)
    small.write_text(
        small.read_text()
        + f"""
[sources.verdicts]
kind = "files"
paths = ["{labels}"]
follow = true
reads = "labels"
[sources.desk]
kind = "files"
paths = ["{control}"]
reads = "control"
[sources.later]
kind = "files"
paths = ["{simulated / "not_yet.jsonl"}"]
follow = true
reads = "labels"
"""
    )
    replay = "replay", simulated / "part-*.jsonl", "--per-file", "-c", small, "--json"
    summary = json.loads(cli(*replay).out)["summary"]
    assert (summary["labels"]["read"], summary["control"]["read"]) == (1, 1)
    lines = sum(len(part.read_bytes().splitlines()) for part in simulated.glob("part-*.jsonl"))
    assert summary["read"] == lines
    given = json.loads(cli(*replay, "--labels", simulated / "others.jsonl").out)["summary"]
    assert (given["labels"]["read"], given["control"]["read"]) == (3, 1)
