"""Memory: what operators hold is counted once, and a child process tells of itself alone."""

import sys
from collections import deque
from pathlib import Path

import numpy as np

from bench.measure.memory import footprint, measure
from bench.runs import child, write_plain
from bench.scenarios import SCENARIOS


class Holder:
    """Something with state."""

    def __init__(self, *things: object) -> None:
        self.things = deque(things)


def test_an_array_counts_once() -> None:
    """However often it is reached, and through whichever view."""
    array = np.zeros(100_000)
    _, one = footprint([Holder(array)])
    _, many = footprint([Holder(array, {"again": array}, array), Holder(array)])
    _, view = footprint([Holder(array[:10])])
    assert one == many == sys.getsizeof(array)
    assert one <= view <= one + 200


def test_names_count_with_their_text() -> None:
    """An array of objects reaches its objects."""
    names = np.array([f"user-{i}" for i in range(1000)], dtype=object)
    total, arrays = footprint([Holder(names)])
    assert arrays == sys.getsizeof(names)
    assert total >= arrays + sum(map(sys.getsizeof, names))


def test_shared_things_and_code_are_left_out() -> None:
    """What the job reaches is not the operators' state."""
    shared = np.zeros(100_000)
    total, _ = footprint([Holder(shared, np, Holder, footprint)], shared=[{"spec": shared}])
    assert total < 2_000


def test_a_run_restores_to_the_byte(tmp_path: Path) -> None:
    """In a process of its own; the snapshots, and so their hash, are those of this process."""
    scenario = SCENARIOS["full"]
    file = write_plain(scenario.lines(2_000), tmp_path / "lines.jsonl")
    told = child("bench.measure.memory", str(scenario.job_file), str(file), *scenario.settings)
    here = measure(scenario.job(), file)
    assert told["digest"] == here.digest
    assert (told["users"], told["snapshot_bytes"]) == (here.users, here.snapshot_bytes)
    assert here.users > 0
    assert told["peak_rss_bytes"] >= told["baseline_rss_bytes"] > 10_000_000
    assert 0 < told["array_bytes"] < told["state_bytes"]
    assert 0 < told["snapshot_ms_max"] <= told["snapshot_ms_total"]
