"""Features, windows and detectors that are called otherwise from some moment on: nothing else changes."""

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from flows.config import loads
from flows.engine.plan import Options
from flows.evolution.fates import FateKind
from flows.evolution.saved_job import fates_against
from flows.job import Job
from flows.sources.base import Source
from tests.engine.interrupted import run_until
from tests.engine.scenarios import SCENARIOS, Told, run_bytewax, run_local, write_files

BEFORE = (
    SCENARIOS["hot_card"].config
    + """
[detectors.amounts]
type = "ecod"
features = ["count", "total"]
[detectors.forest]
type = "isolation_forest"
[detectors.trees_of_river]
type = "river"
windows = ["w10m"]
params = { path = "river.anomaly.HalfSpaceTrees", params = { n_trees = 3, seed = 5 } }
[learning]
teach_every = "40m"
"""
)
# Windows keep their order by name, which is that of the evidence in alerts.
ONCE = {"total": "spent", "w10m": "ten", "visit": "stay", "amounts": "sums", "trees": "wood", "history": "past"}
TWICE = {"spent": "money", "ten": "wide", "sums": "odd_sums"}
_TABLES = {"total": "features", "spent": "features", "w10m": "windows", "visit": "windows", "ten": "windows"}


def renamed(config: str, names: Mapping[str, str]) -> str:
    """The configuration in which these things say what they were called."""
    config = re.sub(r"renamed_from = .*\n", "", config)
    for old, new in names.items():
        config = re.sub(rf'(?<!kind = )"{old}"', f'"{new}"', config)
        table = _TABLES.get(old, "detectors")
        config = config.replace(f"[{table}.{old}]", f'[{table}.{new}]\nrenamed_from = "{old}"')
    return config


def as_now(records: list[str]) -> list[str]:
    """Records of any time under the last names, without what names go into: ids, digests."""
    found = []
    for text in records:
        for names in (ONCE, TWICE):
            for old, new in names.items():
                text = text.replace(f'"{old}"', f'"{new}"')  # noqa: PLW2901
        record = json.loads(text)
        for key in ("alert_id", "event_id", "config_digest", "evidence" if "monitor" in record else "alert_id"):
            record.pop(key, None)
        found.append(json.dumps(record, sort_keys=True))
    return sorted(found)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return write_files("hot_card", 2, tmp_path_factory.mktemp("events"))


@pytest.fixture(scope="module")
def quiet(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return run_local(job(BEFORE), source, tmp_path_factory.mktemp("quiet") / "out", 8192)


def job(config: str) -> Job:
    return loads(config, "renamed").job()


def test_all_that_was_learned_goes_on(
    source: Source, quiet: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Scores, alerts and drift events of a job that was renamed twice are those of one that never was."""
    once = renamed(BEFORE, ONCE)
    options = Options(batch_lines=200, epoch_s=0.02, state_dir=tmp_path / "state")
    run_until(6, job(BEFORE), source, tmp_path / "out", options)
    run_until(5, job(once), source, tmp_path / "out", options)
    caplog.clear()
    found = run_bytewax(job(renamed(once, TWICE)), source, tmp_path / "out", options)
    for stream in ("scores", "alerts", "drift"):
        assert as_now(found[0][stream]) == as_now(quiet[0][stream])
    assert [line for line in caplog.messages if "going on" not in line and "had a value" not in line] == [
        "feature money was called spent",
        "window wide was called ten",
        "detector odd_sums was called sums",
    ]


def test_names_may_change_with_other_things(
    source: Source, quiet: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A feature that is new beside a rename takes from the detectors that see it, and from no others."""
    after = renamed(BEFORE, ONCE).replace(
        "[features.shops]", '[features.busy]\nkind = "count"\nmin_rows = 3\n[features.shops]'
    )
    options = Options(batch_lines=200, epoch_s=0.02, state_dir=tmp_path / "state")
    run_until(8, job(BEFORE), source, tmp_path / "out", options)
    caplog.set_level(logging.WARNING)
    found = run_bytewax(job(after), source, tmp_path / "out", options)

    def sums(told: Told) -> list[tuple[str, ...]]:
        records = map(json.loads, as_now(told[0]["scores"]))
        return sorted((r["window"], r["end"], r["subject"], str(r["scores"]["odd_sums"])) for r in records)

    assert sums(found) == sums(quiet)
    assert "detector wood on ten, stay: its features are others: it starts cold there" in caplog.messages
    assert not [line for line in caplog.messages if "sums" in line and "cold" in line]


def test_config_check_says_so(source: Source, tmp_path: Path) -> None:
    """What is called otherwise, what it was, and that all of it goes on."""
    options = Options(batch_lines=200, epoch_s=0.02, state_dir=tmp_path / "state")
    run_until(3, job(BEFORE), source, tmp_path / "out", options)
    told = fates_against(tmp_path / "state", loads(renamed(BEFORE, ONCE), "renamed"))
    assert {fate.why for fate in told if fate.kind is FateKind.RENAMED} == {
        "feature spent was called total",
        "window ten was called w10m",
        "window stay was called visit",
        "detector sums was called amounts",
        "detector wood was called trees",
        "detector past was called history",
    }
    assert {fate.kind for fate in told} == {FateKind.RENAMED, FateKind.KEPT}


def test_a_name_that_nothing_had(source: Source, tmp_path: Path) -> None:
    """It is new then, and why is said."""
    options = Options(batch_lines=200, epoch_s=0.02, state_dir=tmp_path / "state")
    run_until(3, job(BEFORE), source, tmp_path / "out", options)
    after = renamed(BEFORE, {"total": "spent"}).replace('renamed_from = "total"', 'renamed_from = "totals"')
    why = [fate.why for fate in fates_against(tmp_path / "state", loads(after, "renamed"))]
    assert "feature spent: nothing was called totals" in why
    assert "feature total is gone: its state is dropped" in why
