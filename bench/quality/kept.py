"""Results on disk, one JSON file per scenario: a run that was interrupted goes on where it was."""

from dataclasses import replace
from functools import cache
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson

from bench.quality.asked import Asked
from bench.quality.campaigns import measure_world
from bench.quality.measure import measure
from bench.quality.record import code_digest
from bench.quality.scenarios import Scenario
from bench.quality.worlds import WorldScenario

_CODE: Final = ("state", "detectors", "flows", "bench/quality")


def measured(scenario: Scenario | WorldScenario, asked: Asked) -> dict[str, Any]:
    """The figures: from their file, if they are of this code and configuration, or measured now."""
    scenario = replace(scenario, days=asked.days or scenario.days, settings=(*scenario.settings, *asked.settings))
    if not asked.directory:
        return _once(scenario)
    directory = Path(asked.directory)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{scenario.id}.json"
    made_for = _made_of(scenario)
    if path.exists():
        kept = orjson.loads(path.read_bytes())
        if kept["made_for"] == made_for:
            return dict(kept["figures"])
    recording = directory / f"{scenario.id}.recording"
    figures = _measure(scenario, recording)
    if not asked.recordings:
        recording.unlink(missing_ok=True)
    unfinished = path.with_suffix(".unfinished")
    table = {"made_for": made_for, "figures": figures}
    unfinished.write_bytes(orjson.dumps(table, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    unfinished.rename(path)
    return figures


@cache
def _once(scenario: Scenario | WorldScenario) -> dict[str, Any]:
    """Measured once per process: two commits are compared in several turns, and the figures are always the same."""
    with TemporaryDirectory(prefix="driftnet-quality-") as scratch:
        return _measure(scenario, Path(scratch) / "recording")


def _measure(scenario: Scenario | WorldScenario, recording: Path) -> dict[str, Any]:
    """recording: where one is, or is made, of a scenario that has one: harder worlds are run whole."""
    if isinstance(scenario, WorldScenario):
        return measure_world(scenario)
    return measure(scenario, recording)


def _made_of(scenario: Scenario | WorldScenario) -> str:
    """A digest of the code, the configuration and the simulation."""
    parts = [code_digest(*_CODE), scenario.config.job().digest, repr(scenario.simulation)]
    return blake2b(orjson.dumps(parts), digest_size=8).hexdigest()
