"""`driftnet bench`: what it runs, what it prints, what it leaves behind."""

import json
from pathlib import Path

import pytest

from bench import runner
from bench.results import read_results
from bench.runner import DEFAULT, Part, Plan
from bench.scenarios import SCENARIOS
from flows.cli import main as driftnet
from tests.unit.bench.conftest import Bench

_CASES = """
import pytest

def test_fine(benchmark):
    assert benchmark.pedantic(lambda: 7, rounds=2) == 7
    about = {"kind": "layer", "layer": "tiny", "per": "row", "n": 10, "params": {"size": "small"}, "result": "7"}
    benchmark.extra_info.update(about)

def test_wrong(benchmark):
    assert benchmark.pedantic(lambda: 7, rounds=1) == 8

def test_elsewhere(benchmark):
    pytest.skip("something is not installed")

def test_nothing_measured():
    raise AssertionError
"""


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another directory of cases."""
    directory = tmp_path / "cases"
    directory.mkdir()
    monkeypatch.setattr(runner, "CASES", directory)
    return directory


def test_driftnet_hands_over(capfd: pytest.CaptureFixture[str]) -> None:
    """`driftnet bench --help` is the help of this suite, with all its commands."""
    with pytest.raises(SystemExit) as ended:
        driftnet(["bench", "--help"])
    assert ended.value.code == 0
    out = capfd.readouterr().out
    assert "driftnet bench [OPTIONS] COMMAND" in out
    for command in ("run", "quality", "report", "compare", "history"):
        assert f" {command} " in out


def test_an_installation_without_the_suite_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where the package `bench` is missing, the message names the extra; no traceback."""
    monkeypatch.setattr("flows.cli.bench.find_spec", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        driftnet(["bench", "zipf"])
    assert ended.value.code == 2
    assert "pip install 'driftnet[bench]'" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [("zipf",), ("report", "x.json"), ("compare", "a", "b")])
def test_a_missing_extra_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    """Without the extra's packages the message says which are missing and what to install."""
    monkeypatch.setattr(runner, "find_spec", lambda name: None if name == "matplotlib" else True)
    done = bench(*arguments)
    assert done.code == 2
    assert "matplotlib not found" in done.err
    assert "pip install 'driftnet[bench]'" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("zifp",), ", ".join(SCENARIOS)),
        (("--all", "--only", "growth"), "exclude each other"),
        (("--only", "speed"), "scenarios"),
        (("--rounds", "0"), "rounds"),
        (("quality", "--only", "none-*"), "ids are ATTACK-USERS-SEED: null, tenth, shipped"),
        (("quality", "--company", "--only", "none-*"), "ids are WORLD-USERS-SEED: near, innocent, drawn"),
        (("quality", "--company", "--keep-recordings"), "have none"),
        (("quality", "--days", "0"), "days"),
        (("report", "none.json"), "none.json"),
    ],
)
def test_wrong_usage_ends_with_2(bench: Bench, arguments: tuple[str, ...], words: str) -> None:
    """Wrong usage is explained, with what there is instead."""
    done = bench(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert words in done.err
    assert "Traceback" not in done.err


def test_layers_are_timed_in_cpu_seconds() -> None:
    """Layers run apart from the rest, by the CPU clock; a chosen scenario is one case; nothing runs twice."""
    cpu, wall = "time.process_time", "time.perf_counter"
    batches = dict(Plan().batches())
    assert set(batches) == {cpu, wall}
    assert [Path(target).name for target in batches[wall]] == ["test_scenarios.py", "test_quality.py"]
    assert "test_wire.py" in {Path(target).name for target in batches[cpu]}
    assert dict(Plan((Part.SCENARIOS,), ("zipf",)).batches()) == {
        wall: [str(runner.CASES / "test_scenarios.py::test_scenario[zipf]")]
    }
    whole = Plan(tuple(Part), verdicts=("one",), company=("one",))
    everything = [Path(target) for _, targets in whole.batches() for target in targets]
    assert sorted(everything) == sorted(set(everything))
    assert {path.name.partition("::")[0] for path in everything} == {p.name for p in runner.CASES.glob("test_*.py")}
    assert Part.GROWTH not in DEFAULT


def test_a_run_leaves_a_report(bench: Bench, tmp_path: Path) -> None:
    """A scenario at its smoke size: progress on standard error, tables on standard output, three files."""
    done = bench("--smoke", "--rounds", "1", "--out", "here", "uniform")
    assert done.code == 0, done.err
    assert "[1/1] scenarios: scenario[uniform]" in done.err
    for words in (
        "CPU as a multiple of orjson.loads",
        "share of the CPU time",
        "50 % load",
        "Memory, snapshot, restore",
    ):
        assert words in done.out
    results = read_results(tmp_path / "here" / "results.json")
    (case,) = results.of("scenario")
    assert case.info["events"] == SCENARIOS["uniform"].smoke_events
    assert case.cpu_s == min(case.info["cpu_s"]["whole"])
    assert results.versions["numpy"]
    assert "node" not in results.machine
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert set(summary["scenarios"]) == {"uniform"}
    assert summary["smoke"] is True
    page = (tmp_path / "here" / "report.html").read_text()
    assert "<svg" in page
    assert "not worth quoting" in page


def test_a_failing_case_does_not_spoil_the_others(bench: Bench, cases: Path, tmp_path: Path) -> None:
    """The report has what could be measured; the failure and the skipped case are told; the exit code is 1."""
    (cases / "test_tiny.py").write_text(_CASES)
    done = bench("--only", "layers")
    assert done.code == 1
    assert ": fine ... " in done.err
    assert ": wrong ... failed" in done.err
    assert "assert 7 == 8" in done.err
    assert ": elsewhere ... skipped: something is not installed" in done.err
    assert "nothing_measured" not in done.err
    assert "size small, units a call 10, unit row" in done.out
    assert len(read_results(tmp_path / "out" / "bench" / "results.json").cases) == 1


def test_nothing_measured_is_an_error(bench: Bench, cases: Path) -> None:
    """Without a single figure there is no report, and the exit code is 2."""
    (cases / "test_tiny.py").write_text("def test_wrong(benchmark):\n    assert benchmark.pedantic(int) == 1\n")
    done = bench("--only", "layers")
    assert done.code == 2
    assert "no case was measured" in done.err


def test_json_for_programs(bench: Bench, cases: Path) -> None:
    """--json prints the summary and nothing else; `report` makes the same of the results again."""
    (cases / "test_tiny.py").write_text(_CASES)
    first = json.loads(bench("--only", "layers", "--json").out)
    again = json.loads(bench("report", "out/bench/results.json", "--out", "again", "--json").out)
    assert first == again
    assert list(first["layers"]) == ["tiny: fine"]


def test_quality_is_kept_and_told(bench: Bench, tmp_path: Path) -> None:
    """A scenario at its smoke size with other settings: tables, a report, and a result that is not measured twice."""
    command = ("quality", "--smoke", "--only", "shipped-*", "--set", "alerts.line=1e-3", "--out", "here")
    done = bench(*command)
    assert done.code == 0, done.err
    assert "[1/1] verdicts: verdicts[shipped-600-31]" in done.err
    for words in ("By scenario", "shipped, 600", "31, tuned on", "p ≤ 0.01", "By kind of campaign"):
        assert words in done.out
    (kept,) = (tmp_path / "here" / "quality").iterdir()
    table = json.loads(kept.read_text())
    assert table["figures"]["line"] == 1e-3
    kept.write_text(json.dumps(table | {"figures": table["figures"] | {"withheld": 7_777}}))
    assert "7,777" in bench(*command).out
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert summary["verdicts"]["shipped-600-31"]["mistakes"]["missed"] == table["figures"]["missed"]


def test_worlds_are_measured_and_told(bench: Bench, tmp_path: Path) -> None:
    """A harder world at its smoke size, beside the other scenarios: its tables, and what outlives the run."""
    done = bench("quality", "--company", "--smoke", "--only", "near-*", "--out", "here")
    assert done.code == 0, done.err
    for words in ("Put together", "Through alerts", "How soon", "By kind of attack", "1, chosen on"):
        assert words in done.out
    (kept,) = (tmp_path / "here" / "quality").iterdir()
    figures = json.loads(kept.read_text())["figures"]
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())["company"]["near-1500-1"]
    assert (summary["mistakes"]["missed"], summary["days"]) == (figures["missed"], 1)
