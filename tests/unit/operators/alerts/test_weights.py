"""The alert stage: what a window's evidence is worth beside that of the others."""

import pytest

from detectors.alerting.alert import Candidate
from flows.config import loads
from flows.operators.alerts.operator import AlertOperator
from flows.operators.messages import Output, PolicyInput
from flows.sinks.base import Record
from flows.streams import Stream
from state.types import DAY_US, MINUTE_US

JOB = loads(
    """
[job]
name = "weighed"
extends = "none"
[event]
[event.columns]
kind = { kind = "enum", values = ["play"] }
[features]
events = { kind = "count" }
[windows]
short = { kind = "tumbling", size = "5m" }
long = { kind = "tumbling", size = "10m" }
ruled = { kind = "tumbling", size = "10m" }
[detectors]
one = { type = "ecod", windows = ["short", "long"], weight = 0.5 }
other = { type = "ecod", windows = ["long"], weight = 2.5 }
[detectors.flood]
type = "rules"
windows = ["short", "ruled"]
weight = 7
params = { rules = [{ name = "flood", feature = "events", above = 100, p = 1e-9 }] }
[alerts]
line = 1e-3
"""
).job()
END_US = 10 * MINUTE_US


def alerts(**tail_probability: float) -> list[Record]:
    """What is told of one subject with this evidence, by window."""
    windows = (window.name for window in JOB.stream.rows.windows)
    operator = AlertOperator(JOB.judgement, windows)
    candidates = [
        Candidate(7, "u7", "all", 0, window, 0, END_US, END_US, 0, END_US + DAY_US, p)
        for window, p in tail_probability.items()
    ]
    out = operator.process(PolicyInput("all", END_US, candidates, [(END_US, 1)]))
    found = [told for told in out if isinstance(told, Output) and told.stream is Stream.ALERTS]
    return [record for told in found for record in told.records]


@pytest.mark.parametrize(
    ("evidence", "together"),
    [
        ({"short": 1e-5}, 1e-5 * 3.5 / 0.5),
        ({"long": 1e-5}, 1e-5 * 3.5 / 3.0),
        ({"short": 1e-5, "long": 1e-4}, 3.5 / (0.5 / 1e-5 + 3.0 / 1e-4)),
        ({"ruled": 1e-5}, 1e-5),
    ],
    ids=lambda value: " and ".join(value) if isinstance(value, dict) else "",
)
def test_a_window_weighs_what_its_learning_detectors_do(evidence: dict[str, float], together: float) -> None:
    """Half for the short one, three for the long one, of three and a half: a window alone pays for the other by that;
    rules weigh nothing, and where nothing learns evidence is taken as it is.
    """
    (alert,) = alerts(**evidence)
    assert alert["tail_probability"] == pytest.approx(together, rel=1e-12)
