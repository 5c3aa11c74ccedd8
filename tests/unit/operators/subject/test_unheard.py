"""A kind whose rows nobody hears."""

from typing import Any, Final

import numpy as np
import orjson

import driftnet
from bench.pipeline import Memory
from flows.drive.local import LocalDriver
from flows.job import Job
from flows.streams import Stream

CONFIG: Final = """
[job]
extends = "none"
key_groups = 2
[event]
id = ""
time = { path = "t", unit = "s" }
subject = "user"
kind = "user"
[event.columns]
ip = { kind = "id" }
[time]
ahead_max = "0s"
[features]
crowd = { kind = "max", column = "net_sum" }
[windows.minute]
kind = "tumbling"
size = "1m"
[subjects.net]
key = "ip"
lends = ["sum"]
lends_from = "minute"
[subjects.net.features]
users = { kind = "nunique", column = "user" }
sum = { kind = "decayed", feature = "users", half_life = "10m" }
[subjects.net.windows.minute]
kind = "tumbling"
size = "1m"
[subjects.net.windows.sitting]
kind = "session"
gap = "5m"
max = "1h"
"""


def run(job: Job, batch_lines: int) -> tuple[dict[str, int], list[Any]]:
    """The totals, and what users' windows came to."""
    rng = np.random.default_rng(3)
    times = np.sort(rng.integers(1_700_000_000, 1_700_009_000, 600))
    lines = [orjson.dumps({"t": int(t), "user": f"u{rng.integers(20)}", "ip": f"n{rng.integers(6)}"}) for t in times]
    told: list[Any] = []
    driver = LocalDriver(
        job, [Memory(lines)], {}, batch_lines, lambda rows, *_: told.append((rows.end_us, rows.x.tolist()))
    )
    driver.run()
    return dict(driver.outputs.counts), told


def test_it_lends_and_counts_as_one_that_is_heard() -> None:
    """Its rows are not put in order for anybody, and all that others see of them is the same."""
    job = driftnet.loads(CONFIG).job()
    heard = job.asking([Stream.FEATURES])
    counts, told = run(job, 100)
    assert (counts, told) == run(job, 7)
    expected, expected_told = run(heard, 100)
    rows = {name: n for name, n in counts.items() if "net" in name}
    assert rows["net_subject/rows.minute"] > rows["net_subject/rows.sitting"] > 6
    assert rows.items() <= expected.items()
    assert told == expected_told
    assert len({value for _, x in told for (value,) in x}) > 50
