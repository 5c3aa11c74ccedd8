"""What closes with one message is what closes with many: windows, features, and what own history says of them."""

import numpy as np
import orjson
import pytest

from flows.config import loads
from flows.evolution.layout import form_of
from flows.operators.ingest.operator import Ingest
from flows.operators.messages import CohortInput, GroupInput
from flows.operators.rows import FeatureRows
from flows.operators.subject.operator import SubjectOperator
from flows.sources.base import Lines
from state.types import END_OF_TIME_US, MINUTE_US, SECOND_US

T0_US = 1_772_409_600 * SECOND_US
CONFIG = """
[job]
extends = "none"
key_groups = 1
[event]
id = "event_id"
subject = "user_id"
time = {{ path = "event_time", unit = "ms" }}
[event.columns]
amount = {{ kind = "number" }}
item = {{ kind = "id" }}
[features]
events = {{ kind = "count" }}
mean = {{ kind = "mean", column = "amount" }}
items = {{ kind = "nunique", column = "item" }}
[windows]
hour = {{ kind = "sliding", size = "1h", slide = "5m", fire = "{fire}" }}
sitting = {{ kind = "session", gap = "15m", max = "2h" }}
[detectors.history]
type = "history_baseline"
params = {{ warmup = 2 }}
"""


def lines(hours: int, users: int) -> list[bytes]:
    """Users who come and go, some of their events twice."""
    rng = np.random.default_rng(7)
    found: list[bytes] = []
    for user in range(users):
        at_s = np.cumsum(rng.choice([20, 200, 1_500, 6_000], hours * 12, p=[0.5, 0.4, 0.06, 0.04])).tolist()
        for i, second in enumerate(s for s in at_s if s < hours * 3600):
            event = {"event_id": f"{user}-{i}", "user_id": f"u{user}", "amount": float(rng.random())}
            event |= {"event_time": (T0_US + second * SECOND_US) // 1000, "item": int(rng.integers(0, 5))}
            found += [orjson.dumps(event)] * (1 + (i % 11 == 0))
    return sorted(found, key=lambda line: orjson.loads(line)["event_time"])


def rows_of(fire: str, panes: int) -> list[FeatureRows]:
    """panes: how many close with one message."""
    job = loads(CONFIG.format(fire=fire)).job()
    ingest = Ingest(job.stream, job.columns, "p")
    raw = lines(6, 8)
    sent = ingest.process(Lines(raw, range(len(raw)), "events.jsonl"))
    batches = [m[1].batch for m in (*sent, *ingest.finish()) if isinstance(m, tuple) and m[1].batch is not None]
    subjects = SubjectOperator(job.stream, job.judgement.audience, form_of(job), 0, ("p",))
    messages = [GroupInput("p", T0_US, batch) for batch in batches]
    messages += [GroupInput("p", T0_US + n * 5 * MINUTE_US) for n in range(panes, 73, panes)]
    messages.append(GroupInput("p", END_OF_TIME_US, last_us=T0_US + 6 * 60 * MINUTE_US))
    answers = [a[1] for m in messages for a in subjects.process(m) if isinstance(a, tuple)]
    return [rows for a in answers if isinstance(a, CohortInput) for rows in a.rows]


@pytest.mark.parametrize("fire", ["all", "active"])
@pytest.mark.parametrize("panes", [4, 72])
def test_rows_and_own_history_do_not_depend_on_how_much_closes_at_once(fire: str, panes: int) -> None:
    """To the bit, in the same order; and own history has something to say."""
    alone, together = rows_of(fire, 1), rows_of(fire, panes)
    assert [(r.window, r.end_us) for r in together] == [(r.window, r.end_us) for r in alone]
    judged = 0
    for one, other in zip(alone, together, strict=True):
        assert one.name.tolist() == other.name.tolist()
        assert np.array_equal(one.x, other.x, equal_nan=True)
        said, also = one.own["history"], other.own["history"]
        judged += int((~np.isnan(said.score)).sum())
        for name in ("score", "typical", "share"):
            assert np.array_equal(getattr(said, name), getattr(also, name), equal_nan=True), (one.window, one.end_us)
    assert judged > 50
