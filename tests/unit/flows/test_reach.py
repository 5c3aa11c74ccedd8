"""What evidence can amount to, and configurations that can alert nobody."""

import numpy as np
import pytest

from flows.config import loads
from flows.job import Job
from flows.operators.population.window_models import WindowModels
from flows.reach import no_alerts, reach
from state.types import HOUR_US

SMALL = """
[job]
name = "small"
extends = "none"
[event]
id = "id"
subject = "user"
time = { path = "t", unit = "ms" }
[event.columns]
amount = { kind = "number" }
[features]
spent = { kind = "sum", column = "amount", log = true }
[windows]
h1 = { kind = "tumbling", size = "1h" }
d1 = { kind = "sliding", size = "24h", slide = "1h" }
[detectors]
ecod = { type = "ecod", windows = ["h1"] }
"""
RULES = """
[detectors.cap]
type = "rules"
[[detectors.cap.params.rules]]
name = "much"
feature = "spent"
above = 10.0
p = 1e-9
"""


def job(more: str = "", **settings: float) -> Job:
    """settings: section_key=value, of alerts and calibration."""
    lines: dict[str, list[str]] = {"alerts": [], "calibration": []}
    for name, value in settings.items():
        section, _, key = name.partition("_")
        lines[section].append(f"{key} = {value}")
    return loads(SMALL + more + "".join(f"\n[{s}]\n" + "\n".join(keys) for s, keys in lines.items() if keys)).job()


def test_one_detector_reaches_what_is_left_of_the_floor() -> None:
    """A window of an hour is calibrated by the day's largest score, so its floor is that of a day."""
    found = reach(job(calibration_floor=1e-4))
    assert found.windows == {"h1": pytest.approx(0.9e-4)}
    assert found.together == pytest.approx(0.9e-4)
    assert found.declared == 1.0


def test_slides_of_a_day_have_their_chances() -> None:
    """The newest row of a sliding day is one of several looks: the floor times 1.7."""
    found = reach(job('day = { type = "ecod", windows = ["d1"] }'))
    assert found.windows["d1"] == pytest.approx(2 * 0.9 * 5e-5 * 1.7)
    assert found.windows["h1"] == pytest.approx(2 * 0.9 * 5e-5)
    assert found.together == pytest.approx(2 / (1 / (0.9 * 5e-5) + 1 / (0.9 * 5e-5 * 1.7)))


def test_a_light_detector_alone_reaches_less() -> None:
    """Who weighs a tenth of the others is ten times and more weaker when nothing else is odd."""
    found = reach(job('day = { type = "ecod", windows = ["d1"], weight = 0.1 }'))
    assert found.windows["d1"] == pytest.approx(1.1 / 0.1 * 0.9 * 5e-5 * 1.7)


def test_models_reach_it_and_no_less() -> None:
    """A score beyond all that was seen gets that probability, and no score a smaller one."""
    made = job()
    models = WindowModels(made.judgement, "all", made.stream.rows.windows[0])
    model = models._models[0]
    assert model.calibrator is not None
    subject = np.arange(4096, dtype=np.uint64) << np.uint64(40)
    model.calibrator.learn(subject, np.random.default_rng(1).exponential(size=4096), HOUR_US)
    told = model.tail(np.array([10.0, 1e3, 1e9]))
    assert told.min() >= reach(made).windows["h1"]
    assert told[-1] == pytest.approx(reach(made).windows["h1"], rel=0.02)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"alerts_line": 1e-6, "alerts_false_discovery": 0}, "alerts.line = 1e-06"),
        ({"alerts_line": 1e-6, "alerts_candidate_line": 2e-6}, "alerts.candidate_line = 2e-06"),
    ],
)
def test_lines_below_all_evidence_alert_nobody(settings: dict[str, float], key: str) -> None:
    """Both keys are named; a rule that is improbable enough, or a floor that is low enough, makes alerts possible."""
    told = no_alerts(job(**settings))
    assert key in told
    assert "calibration.floor = 5e-05" in told
    assert not no_alerts(job(RULES, **settings))
    assert not no_alerts(job(**settings, calibration_floor=1e-7))


def test_a_line_that_rises_is_enough() -> None:
    """Several who are odd together are alerted above `line`; and what ships can alert."""
    assert not no_alerts(job(alerts_line=1e-6))
    assert not no_alerts(loads("").job())
