"""What hosts tell each other at the end of a run."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows.counters import OPEN
from flows.engine.hosts import shared
from flows.engine.monitor import Status, summary


def test_all_hosts_tell_the_same_totals(tmp_path: Path) -> None:
    """One has the sinks, each has open rows; all of them know all of it in the end."""
    ends = [Status({"read": 10, "accepted": 4}, 3.0, {1: 2}), Status(open_rows={2: 3, 4: 1})]
    with ThreadPoolExecutor(2) as pool:
        told = [pool.submit(shared, tmp_path, 7, i, 2, status) for i, status in enumerate(ends)]
        totals = [summary(each.result(), 1.0, running=False) for each in told]
    assert [(t.read, t.total(OPEN), t.balanced, t.elapsed_s) for t in totals] == [(10, 6, True, 3.0)] * 2


def test_what_an_earlier_run_told_does_not_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A host that has not told of this run is named."""
    shared(tmp_path, 6, 1, 2, Status(open_rows={1: 5}), patience_s=0.0)
    found = shared(tmp_path, 7, 0, 2, Status(), patience_s=0.2)
    assert found == [Status()]
    assert "hosts [1] have not told" in caplog.text
