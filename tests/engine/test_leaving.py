"""Subjects that leave after a silence leave at the same moment, whatever closes together."""

import json
from pathlib import Path

import pytest

from flows.config import loads
from flows.counters import EXPIRED
from flows.sources.files import FilesSpec
from tests.engine.scenarios import run_local

_T0 = 1_772_409_600
_CONFIG = """
[job]
extends = "none"
key_groups = 1
[event]
id = ""
time = { path = "at", unit = "s" }
subject = "user"
[time]
out_of_orderness = "0s"
ahead_max = "0s"
dedup_horizon = "0s"
[state]
ttl = "1h"
[event.columns]
device = { kind = "id" }
[sequences]
new_device = { kind = "novel", column = "device", remember = 4 }
[features]
new = { kind = "sum", sequence = "new_device" }
[windows.w]
kind = "tumbling"
size = "10m"
"""


@pytest.mark.parametrize("back_min", [110, 150, 175, 180, 185, 400])
def test_who_was_silent_is_forgotten_at_the_same_boundary(tmp_path: Path, back_min: int) -> None:
    """One comes back with another device after some hours, while another one goes on: one by one or all at once."""
    events = [{"at": _T0 + 60 * m, "user": "on", "device": "a"} for m in range(0, 480, 10)]
    events += [{"at": _T0 + 60 * m, "user": "back", "device": d} for m, d in ((1, "a"), (back_min, "b"))]
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(json.dumps(e) for e in sorted(events, key=lambda e: int(str(e["at"])))))
    told = [run_local(loads(_CONFIG).job(), FilesSpec((str(file),)), tmp_path / f"{n}", n) for n in (1, 7, 10_000)]
    assert told[0] == told[1] == told[2]
    assert EXPIRED.of(told[0][1]) >= 1
