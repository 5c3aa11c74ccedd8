"""Promise P1: alerts are a function of events, configuration and seed.

The local driver says what is right; Bytewax must say the same, to the last digit of every score, however it is run.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from flows.engine.plan import Options
from flows.job import Job
from tests.engine.scenarios import SCENARIOS, Told, run_bytewax, run_local, same, write_files

Reference = Callable[[str, int], Told]


@cache
def job_of(name: str) -> Job:
    return SCENARIOS[name].job()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """What the local driver finds in a scenario, in so many partitions."""

    @cache
    def run(name: str, parts: int) -> Told:
        place = tmp_path_factory.mktemp(f"{name}-{parts}")
        return run_local(job_of(name), write_files(name, parts, place), place / "out", 8192)

    return run


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_is_worth_comparing(reference: Reference, name: str) -> None:
    """Each scenario raises alerts and accounts for every line; the troubled one has trouble of every kind."""
    records, totals = reference(name, 1)
    assert len(records["alerts"]) >= 10
    assert len(records["scores"]) >= 500
    assert totals["balanced"]
    if name == "troubled":
        assert min(totals["late"], totals["duplicate"], totals["rejected"]) > 20
        assert len({json.loads(record)["reason"] for record in records["rejects"]}) >= 8
    if name == "hot_card":
        assert totals["evicted"] > 100
    if name == "clocks_ahead":
        assert totals["rejects"]["ahead"] > 350
        assert totals["late"] == 0
        assert totals["drift"]["lines"] == 1


def test_clocks_ahead_change_no_alert(reference: Reference, tmp_path: Path) -> None:
    """Without the lines that are ahead there are the same alerts, and what remains of the others is the same."""
    source = write_files("clocks_ahead", 1, tmp_path)
    file = Path(source.paths[0])
    kept = [line for line in file.read_bytes().splitlines() if b'"ahead' not in line]
    file.write_bytes(b"\n".join(kept))
    clean = run_local(job_of("clocks_ahead"), source, tmp_path / "out", 8192)
    found = reference("clocks_ahead", 1)
    assert len(clean[0]["alerts"]) >= 10
    assert clean[0]["alerts"] == found[0]["alerts"]
    assert clean[1]["accepted"] == found[1]["accepted"] == len(kept)


@pytest.mark.parametrize("name", [n for n, s in SCENARIOS.items() if not s.late])
def test_partitions_do_not_matter(reference: Reference, name: str) -> None:
    """The same lines in one file and in three give the same records."""
    same(reference(name, 3), reference(name, 1))


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize(("parts", "batch_lines"), [(1, 37), (3, 1000)])
def test_batches_do_not_matter(reference: Reference, tmp_path: Path, name: str, parts: int, batch_lines: int) -> None:
    """The local driver gives the same records at any batch size."""
    told = run_local(job_of(name), write_files(name, parts, tmp_path), tmp_path / "out", batch_lines)
    same(told, reference(name, parts))


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize(
    ("parts", "options"),
    [
        (1, Options(batch_lines=37)),
        (3, Options(batch_lines=8192)),
        (1, Options(workers=2, batch_lines=8192)),
        (3, Options(workers=2, batch_lines=1000)),
    ],
    ids=["1 worker, 37 lines", "1 worker, 3 files", "2 workers", "2 workers, 3 files"],
)
def test_bytewax_agrees(reference: Reference, tmp_path: Path, name: str, parts: int, options: Options) -> None:
    """Bytewax gives the local driver's records: complete alerts, scores, drift events, late and bad lines, totals."""
    told = run_bytewax(job_of(name), write_files(name, parts, tmp_path), tmp_path / "out", options)
    same(told, reference(name, parts))


@pytest.mark.parametrize("name", ["troubled", "hot_card", "company"])
def test_two_processes_agree(reference: Reference, tmp_path: Path, name: str) -> None:
    """So do two processes, that exchange half of their messages."""
    options = Options(processes=2, batch_lines=1000)
    same(run_bytewax(job_of(name), write_files(name, 3, tmp_path), tmp_path / "out", options), reference(name, 3))
