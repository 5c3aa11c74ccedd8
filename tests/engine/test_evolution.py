"""A job that goes on with other features, windows and columns: what it keeps, and that all ways of running it agree."""

import json
import multiprocessing
import shutil
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flows.config import loads
from flows.engine.plan import Options
from flows.engine.store import read_checkpoint
from flows.sources.base import Source
from tests.engine.evolving import evolved_locally
from tests.engine.interrupted import AtRead, die, run_until
from tests.engine.scenarios import SCENARIOS, Told, run_bytewax, run_local, same, write_files

BEFORE = (
    SCENARIOS["hot_card"].config
    + """
[detectors.amounts]
type = "ecod"
features = ["count", "total"]
"""
)
AFTER = BEFORE.replace("[features.shops]", "[features.large]").replace(
    """kind = "nunique"
column = "shop"
""",
    """kind = "share"
where = { amount = { min = 40 } }
[features.busy]
kind = "count"
min_rows = 3
[windows.w30m]
kind = "tumbling"
size = "30m"
""",
)
"""Two features more, of which one needs nothing that was not counted before; one less; another window."""

before = cache(lambda: loads(BEFORE, "before").job())
after = cache(lambda: loads(AFTER, "after").job())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return write_files("hot_card", 2, tmp_path_factory.mktemp("events"))


@pytest.fixture(scope="module")
def place(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of the first job in the middle of its input, and what it had written by then."""
    place = tmp_path_factory.mktemp("before")
    options = Options(batch_lines=200, epoch_s=0.02, state_dir=place / "state")
    run_until(8, before(), source, place / "out", options)
    return place


@pytest.fixture(scope="module")
def reference(source: Source, place: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The rest with the second job, in one process without an engine."""
    checkpoint = read_checkpoint(place / "state" / "store")
    assert checkpoint is not None
    read = {name: state["position"] for name, state in checkpoint.of_step("ingest").items()}
    return evolved_locally(before(), after(), source, read, tmp_path_factory.mktemp("local") / "out")


@pytest.fixture
def copy(place: Path, tmp_path: Path) -> Path:
    shutil.copytree(place, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize(
    "options", [{}, {"workers": 3}, {"processes": 2}], ids=["one worker", "three workers", "two processes"]
)
def test_all_ways_of_running_it_agree(source: Source, copy: Path, reference: Told, options: dict[str, int]) -> None:
    """The same records and totals as without an engine, however many work on it."""
    same(run_bytewax(after(), source, copy / "out", Options(state_dir=copy / "state", **options)), reference)


def test_killed_in_the_first_epochs(source: Source, copy: Path, reference: Told) -> None:
    """Some of the state is of the one layout then, some of the other; each part says which."""
    options = Options(workers=2, batch_lines=100, epoch_s=0.02, state_dir=copy / "state")
    for reads in (1, 2, 5):
        acting = AtRead(source, reads, die)
        spawned = multiprocessing.get_context("spawn").Process(
            target=run_bytewax, args=(after(), acting, copy / "out", options)
        )
        spawned.start()
        spawned.join(60)
        assert spawned.exitcode == -signal.SIGKILL
    same(run_bytewax(after(), source, copy / "out", options), reference)


def scores(result: Told) -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
    for line in result[0]["scores"]:
        record = json.loads(line)
        yield (record["window"], record["end"], record["subject"]), record["scores"]


def test_what_has_a_counterpart_goes_on(
    source: Source, copy: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A detector that sees what it saw scores as if nothing had happened; the others start cold; all of it is said."""
    quiet = dict(scores(run_local(before(), source, tmp_path / "quiet", 8192)))
    caplog.clear()
    found = dict(scores(run_bytewax(after(), source, copy / "out", Options(state_dir=copy / "state"))))
    assert {k: v["amounts"] for k, v in found.items() if k[0] != "w30m"} == {k: v["amounts"] for k, v in quiet.items()}
    first = min(end for window, end, _ in found if window == "w30m")
    assert all(v == {"amounts": None} for (w, end, _), v in found.items() if w == "w30m" and end == first)
    assert [line for line in caplog.messages if "going on" not in line and "had a value" not in line] == [
        "column shop is gone: its state is dropped",
        "feature large is new: it has no value in windows that began before (w10m, visit)",
        "feature shops is gone: its state is dropped",
        "window w30m is new: it starts cold, the first ones told begin from now on",
        "detector trees on w10m, visit: its features are others: it starts cold there",
        "detector history on w10m: its features are others: it starts cold there",
        "detector amounts on w30m: the window is new: it starts cold there",
    ]


def test_there_and_back(source: Source, copy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A window and a feature that come and go leave no trace in what others know."""
    plain = before().with_judgement(detectors=before().judgement.detectors[2:])
    more = after().with_judgement(detectors=after().judgement.detectors[2:])
    options = Options(workers=2, batch_lines=200, epoch_s=0.02, state_dir=tmp_path / "state")
    run_until(3, plain, source, tmp_path / "out", options)
    run_until(4, more, source, tmp_path / "out", options)
    found = dict(scores(run_bytewax(plain, source, tmp_path / "out", options)))
    quiet = dict(scores(run_local(plain, source, tmp_path / "quiet", 8192)))
    assert {k: v for k, v in found.items() if k[0] != "w30m"} == quiet
    assert "window w30m is gone: its state is dropped" in caplog.messages
