"""The map of stages fits the code, and samples land where their time went."""

import ast
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

from bench.measure.stages import OTHER, STAGES, profile, shares_of, stage_of
from bench.pipeline import whole
from bench.scenarios import SCENARIOS


@pytest.mark.parametrize("place", [place for places in STAGES.values() for place in places])
def test_every_place_exists(place: str) -> None:
    """A renamed module or function must be renamed here, or its time would be counted elsewhere."""
    module, _, function = place.partition(":")
    file = import_module(module).__file__
    assert file is not None
    tree = ast.parse(Path(file).read_text())
    assert not function or function in {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}


def test_every_operator_module_has_a_stage() -> None:
    """Whatever joins the flow's path of data is put on the map."""
    found = []
    for package in ("flows.operators", "flows.wire", "flows.sinks", "flows.sources", "detectors.features"):
        modules = pkgutil.walk_packages(import_module(package).__path__, f"{package}.")
        found += [m.name for m in modules if not m.ispkg]
    # Specs and messages do nothing; the models' functions are mapped one by one.
    idle = {"flows.operators.messages", "flows.operators.population.model", "flows.operators.population.window_models"}
    idle |= {"flows.operators.population.trial", "flows.operators.population.rehearsal"}
    idle |= {
        "flows.operators.ingest.told",
        "flows.operators.ingest.verdicts",
        "flows.operators.population.command",
        "flows.operators.population.join",
        "flows.operators.alerts.exempt",
    }  # what people tell is little
    assert {module for module in found if stage_of(module, "anything") is None} <= idle


def test_the_innermost_mapped_frame_decides() -> None:
    """A sort belongs to who asked for it; a function's own place goes before its module's; the rest is "other"."""
    run = ("flows.drive.local", "LocalDriver", "run")
    samples = [
        ([run], 1.0),
        ([run, ("state.panes", "PaneLog", "close"), ("", "", "ndarray.argsort")], 2.0),
        ([run, ("state.panes", "PaneLog", "add"), ("state.batch", "MicroBatch", "take")], 3.0),
        ([run, ("state.panes", "PaneLog", "close"), ("state.dedup", "Dedup", "fresh")], 4.0),
    ]
    shares = {stage: share for stage, share in shares_of(samples).items() if share}
    assert shares == {"panes close": 0.2, "panes append": 0.3, "dedup": 0.4, OTHER: 0.1}


def test_of_two_places_the_longer_counts() -> None:
    """A function, then the longest module, whatever their order in the table."""
    assert stage_of("flows.wire.hashing", "hash_ids") == "ids to hashes"
    assert stage_of("flows.wire.paths", "read") == "column extraction"
    assert stage_of("detectors.features.hashing", "pair") == "ids to hashes"
    assert stage_of("detectors.features.hashing", "mix") == "features"
    assert stage_of("flows.wired", "read") is None


def test_profile_covers_the_flow() -> None:
    """Most of the time has a stage, the shares add up to 1, and so do the flame's parts."""
    scenario = SCENARIOS["uniform"]
    job, lines = scenario.job(), scenario.lines(4_000)
    found = profile(lambda: whole(job, lines), interval_s=0.0002)
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert found.covered > 0.8
    assert found.shares["parse json"] > 0
    assert found.shares["features"] > 0
    assert found.flame["value"] == pytest.approx(1.0)
    assert sum(child["value"] for child in found.flame["children"]) <= 1.0 + 1e-9
    assert sum(row["ns_per_event"] for row in found.table(1000.0)) == pytest.approx(1000.0)
