"""A model that becomes worse is told, one that learns is not."""

import pickle

import numpy as np
import pytest

from detectors.drift.errors import ErrorMonitor, Rise
from detectors.drift.event import Reaction, Watch
from detectors.drift.monitors import DriftMonitors
from detectors.drift.spec import DriftSpec, MonitorSpec
from state.types import F64
from tests.unit.drift.test_monitors import FEATURES, WINDOW


def wrong(rng: np.random.Generator, share: float, rows: int = 32, known: float = 1.0) -> F64:
    answers = (rng.random(rows) < share).astype(np.float64)
    answers[rng.random(rows) >= known] = np.nan
    return answers


def told(shares: list[float], known: float = 1.0, seed: int = 1) -> list[tuple[int, Rise]]:
    """(round, rise).  One share per round."""
    monitor, rng = ErrorMonitor(0.002), np.random.default_rng(seed)
    found = [(i, monitor.update(i, wrong(rng, share, known=known))) for i, share in enumerate(shares)]
    return [(i, rise) for i, rise in found if rise is not None]


def test_a_rise_is_found_soon_and_dated() -> None:
    """Within five rounds, dated to about the round, with the shares before and after."""
    ((i, rise),) = told([0.1] * 200 + [0.4] * 40)
    assert 200 <= i <= 205
    assert 195 <= rise.since_us <= i
    assert rise.before == pytest.approx(0.1, abs=0.03)
    assert rise.after > 0.2


@pytest.mark.parametrize("seed", range(5))
def test_what_stays_is_silent(seed: int) -> None:
    """40,000 rows of a model that is wrong on a fifth of them raise nothing."""
    assert told([0.2] * 1250, seed=seed) == []


def test_a_fall_is_silent() -> None:
    """A model that learns is no news."""
    assert told([0.5] * 200 + [0.1] * 200) == []


def test_rows_without_a_label_do_not_count() -> None:
    """Nothing is said without labels, and a rise among few labels is found after as many of them."""
    assert told([0.1] * 50, known=0.0) == []
    ((i, _),) = told([0.1] * 400 + [0.6] * 40, known=0.3)
    assert 400 <= i <= 412


def test_it_goes_on_from_its_state() -> None:
    """Saved and restored every seven rounds it says the same."""
    rng = np.random.default_rng(3)
    rounds = [wrong(rng, 0.1) for _ in range(100)] + [wrong(rng, 0.5) for _ in range(20)]
    one, two = ErrorMonitor(0.002), ErrorMonitor(0.002)
    for i, answers in enumerate(rounds):
        if i % 7 == 0:
            window, rest = two.state()
            two = ErrorMonitor(0.002)
            two.restore(pickle.loads(pickle.dumps(window)), rest)
        assert one.update(i, answers) == two.update(i, answers)


def test_monitors_tell_it_as_a_drift_event() -> None:
    """With the family's own reaction; a detector without labels has no such series."""
    spec = DriftSpec(monitors=(MonitorSpec(Watch.ERROR, reaction=Reaction.RETRAIN),))
    monitors = DriftMonitors(spec, "all", WINDOW, FEATURES, ("trees", "judge"), predictors=("judge",))
    rng = np.random.default_rng(7)
    events = []
    for i in range(120):
        answers = wrong(rng, 0.1 if i < 100 else 0.6)
        if i % 10 == 5:
            monitors = DriftMonitors(spec, "all", WINDOW, FEATURES, ("trees", "judge"), monitors.snapshot(), ("judge",))
        events += monitors.update(i * WINDOW.size_us, np.zeros((32, 3)), {}, 0, {"judge": answers})
    (event,) = events
    assert (event.what, event.name, event.monitor, event.reaction) == (Watch.ERROR, "judge", "adwin", Reaction.RETRAIN)
    assert event.before < 0.2 < event.after
    assert event.size > 1


def test_the_confidence_is_shared_by_all_who_are_watched() -> None:
    """Ten detectors may raise no more false alarms together than one alone."""
    names = tuple(f"d{i}" for i in range(10))
    monitors = DriftMonitors(DriftSpec(delta=0.002), "all", WINDOW, FEATURES, names, predictors=names)
    assert {m._delta for m in monitors._errors.values()} == {0.0002}
