"""`driftnet bench quality`: what it replays is what runs, and what it counts is what there was."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xxhash import xxh3_64_intdigest

from bench.pipeline import Collect
from bench.quality import kept
from bench.quality.asked import Asked
from bench.quality.guard import mistakes
from bench.quality.kept import measured
from bench.quality.measure import Accounts, _odd_after_h, figures
from bench.quality.record import Recording, recorded
from bench.quality.replay import Found, alert, judge
from bench.quality.scenarios import ATTACKS, TABLE, Scenario, chosen
from bench.quality.smallest import DailySmallest, learned_weights
from detectors.alerting.policy import combine_windows
from flows.drive.assembly import Assembly
from flows.drive.local import LocalDriver
from flows.operators.population.verdict import Verdict
from flows.operators.rows import FeatureRows
from flows.streams import Stream
from state.types import DAY_US, END_OF_TIME_US, HOUR_US, SECOND_US

_SHIPPED = next(attack for attack in ATTACKS if attack.name == "shipped")
_SMALL = Scenario(_SHIPPED, 600, 31, 1, ("job.key_groups=2",))
_START_US = 1_772_409_600 * SECOND_US


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A day of 600 users under attack."""
    return recorded(_SMALL, tmp_path_factory.mktemp("quality") / "small.recording")


@pytest.mark.parametrize("settings", [(), ("alerts.line=1e-2", "detectors.extremes.params.ready=64")])
def test_a_replay_is_a_run_to_the_bit(recording: Recording, settings: tuple[str, ...]) -> None:
    """Recorded rows give the alerts and drift events of the local driver, reasons and all; under other settings too."""
    scenario = replace(_SMALL, settings=(*_SMALL.settings, *settings))
    job = scenario.config.job()
    alerts, drift = Collect(), Collect()
    sinks = {Stream.ALERTS: [alerts], Stream.DRIFT: [drift]}
    driver = LocalDriver(job, Assembly(scenario.config).partitions(), sinks)
    driver.run()
    found = alert(judge(recorded(scenario, recording.path), job), job)
    assert found.alerts == alerts.records
    assert found.drift == drift.records
    assert len(found.alerts) > (5 if settings else 1)
    assert all(driver.outputs.counts[name] == count for name, count in found.counts.items())


def test_a_recording_is_kept_as_long_as_it_fits(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other detectors and policies read the same file; another simulation, another window or other code do not."""
    path, made = recording.path, []
    monkeypatch.setattr("bench.quality.record._record", lambda *asked: made.append(asked))
    before = recording.path.stat().st_mtime_ns
    other = replace(_SMALL, settings=(*_SMALL.settings, "alerts.line=1e-3", "detectors.population=false"))
    assert recorded(other, path) == recording
    assert made == []
    for changed in (
        replace(_SMALL, seed=32),
        replace(_SMALL, settings=(*_SMALL.settings, "windows.session.gap=20m")),
        replace(_SMALL, settings=(*_SMALL.settings, "job.key_groups=4")),
    ):
        recorded(changed, path)
    monkeypatch.setattr("bench.quality.record.code_digest", lambda *_: "other")
    recorded(_SMALL, path)
    assert len(made) == 4
    assert path.stat().st_mtime_ns == before
    for text in (b"", b"\x80\x05\x95\xff\xff\xff\xff\xff\xff\xff\x7f}"):
        (foreign := path.with_name("foreign.recording")).write_bytes(text)
        recorded(_SMALL, foreign)
    assert len(made) == 6


def test_the_smallest_probability_is_the_policy_s() -> None:
    """Random rounds of all windows, against the policy's own `combine_windows` over what is evidence of the day.  Who
    has evidence that was learned is odd, from its first act on; people never are.
    """
    job = _SMALL.config.job()
    names = [f"u{i}" for i in range(7)]
    acts_us = np.array([_START_US + hour * HOUR_US for hour in (0, 0, 5, 5, 30)] + [END_OF_TIME_US] * 2)
    watch = DailySmallest(job, names, acts_us, _START_US, 2)
    rng = np.random.default_rng(5)
    weights = learned_weights(job)
    evidence: dict[str, dict[str, tuple[float, int]]] = defaultdict(dict)
    expected: dict[tuple[int, str], float] = {}
    odd_us = dict.fromkeys(names, END_OF_TIME_US)
    for hour in range(1, 49):
        end_us = _START_US + hour * HOUR_US
        day = (hour - 1) // 24
        if hour == 25:
            evidence.clear()
        for use in job.stream.windows:
            window = use.window
            who = sorted(rng.choice(7, 4, replace=False).tolist(), key=lambda i: xxh3_64_intdigest(names[i].encode()))
            p = np.where(rng.random(4) < 0.1, np.nan, 10.0 ** -rng.uniform(0, 4, 4))
            subject = np.array([xxh3_64_intdigest(names[i].encode()) for i in who], np.uint64)
            at = np.full(4, end_us)
            x = np.zeros((4, len(use.features)))
            rows = FeatureRows(window.name, end_us, -1, subject, np.array([names[i] for i in who]), at, at, x)
            learned = np.where(rng.random(4) < 0.5, 1.0, p)
            watch(rows, Verdict(p, learned, {}, {}), None)  # type: ignore[arg-type]
            for i, value in zip(who, learned.tolist(), strict=True):
                if value <= 1e-2 and end_us > acts_us[i] and odd_us[names[i]] == END_OF_TIME_US:
                    odd_us[names[i]] = end_us
            for name, value in zip((names[i] for i in who), p.tolist(), strict=True):
                held = evidence[name]
                if value == value and (window.name not in held or held[window.name][1] <= end_us
                                       or value <= held[window.name][0]):  # fmt: skip
                    held[window.name] = (value, end_us + window.evidence_us)
                live = {w: q for w, (q, until_us) in held.items() if until_us > end_us}
                together = min(1.0, combine_windows(live, weights)) if live else 1.0
                expected[day, name] = min(expected.get((day, name), 1.0), together)
    for (day, name), p in expected.items():
        assert watch.smallest[day, names.index(name)] == pytest.approx(p, rel=1e-12), (day, name)
    assert 0 < min(expected.values()) < 1e-2
    assert watch.odd_us.tolist() == list(odd_us.values())
    assert odd_us["u0"] < acts_us[4] < odd_us["u4"] < odd_us["u5"] == END_OF_TIME_US


def _alert(subject: str, hour: float) -> dict[str, Any]:
    moment = datetime.fromtimestamp(_START_US / 1e6 + 3600 * hour, UTC).isoformat()
    return {"subject": subject, "raised": moment, "end": moment, "severity": "high"}


def test_figures_by_day() -> None:
    """Two days, two people, two attackers (one from day two on): what is true, found, missed and false on which day."""
    job = _SMALL.config.job()
    truth = [
        {"user_id": "early", "role": "loop_bot", "is_attacker": True, "campaign": "loop_bot", "start_us": _START_US},
        {"user_id": "late", "role": "sign_up_farm", "is_attacker": True, "campaign": "sign_up_farm",
         "start_us": _START_US + DAY_US + HOUR_US},
        {"user_id": "fan", "role": "super_fan", "is_attacker": False, "campaign": None, "start_us": _START_US},
        {"user_id": "person", "role": "person", "is_attacker": False, "campaign": None, "start_us": _START_US},
    ]  # fmt: skip
    recording = Recording(Path(), "", truth, _START_US, 2)
    accounts = Accounts.of(truth)
    watch = DailySmallest(job, accounts.names, accounts.acts_us, _START_US, 2)
    watch.smallest[:] = [[1e-9, 0.5, 0.05, 0.5], [1e-9, 1e-9, 5e-4, np.nan]]
    watch.busiest[:] = [[9.0, 1.0, 7.0, 2.0], [3.0, 2.0, 8.0, np.nan]]
    # At midnight it is still day one; an alert before the attack is false.
    alerts = [_alert("late", 23.0), _alert("early", 24.0), _alert("early", 47.0), _alert("fan", 30.0)]
    wave = {"what": "wave", "at": "2026-03-02T03:00:00.000000Z", "after": 0.4}
    found = Found(alerts, [wave])
    found.counts.update({"withheld.medium": 3, "withheld.high": 1})
    told = figures(found, recording, accounts, watch, job)
    one, two = told["days"]
    assert [one[k] for k in ("genuine", "true", "false", "acting", "found")] == [3, 1, 1, 1, 1]
    assert [two[k] for k in ("genuine", "true", "false", "acting", "found")] == [1, 1, 1, 2, 1]
    assert (one["false_per_1000"], two["recall"]) == (pytest.approx(1000 / 3), 0.5)
    assert [p["share"] for p in one["calibration"]] == [pytest.approx(1 / 3), 0.0, 0.0, 0.0]
    assert [p["share"] for p in two["calibration"]] == [1.0, 1.0, 1.0, 0.0]
    assert told["calibration"][0]["share"] == 0.5
    assert one["baseline"] == {"precision": 0.5, "recall": 1.0}
    assert two["baseline"] == {"precision": 0.5, "recall": 0.5}
    assert (told["alerts"], told["false_alerts"], told["missed"], told["withheld"]) == (4, 2, 1, 4)
    assert told["odd_after_h"] is None
    assert told["waves"] == [{"at": wave["at"], "day": 1, "share": 0.4, "after_h": 3.0}]
    assert mistakes(told | {"attack_day": 2}) == {"false alerts": 2, "missed on the first day": 1, "missed": 1}


def test_when_a_few_are_odd() -> None:
    """The fifth attacker counts, from the first act of all."""
    acts_us = (np.array([1.0, 2.0, 2.0, 2.0, 2.0, 9.0]) * HOUR_US).astype(np.int64)
    accounts = Accounts(list("abcdef"), acts_us)
    odd = (np.array([3.0, 4.0, 5.0, 2.5, 8.0, 9.5]) * HOUR_US).astype(np.int64)
    assert _odd_after_h(odd, accounts) == 7.0
    odd[:2] = END_OF_TIME_US
    assert _odd_after_h(odd, accounts) is None


def test_results_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured is read again; other days, settings or code are measured anew; recordings go if not wanted."""
    ran: list[Scenario] = []

    def measure(scenario: Scenario, path: Path) -> dict[str, Any]:
        ran.append(scenario)
        path.touch()
        return {"alerts": len(ran)}

    monkeypatch.setattr(kept, "measure", measure)
    asked = Asked(str(tmp_path))
    assert [measured(_SMALL, asked), measured(_SMALL, asked)] == [{"alerts": 1}] * 2
    assert not list(tmp_path.glob("*.recording"))
    assert measured(_SMALL, replace(asked, days=3, recordings=True)) == {"alerts": 2}
    assert [path.name for path in tmp_path.glob("*.recording")] == [f"{_SMALL.id}.recording"]
    assert measured(_SMALL, replace(asked, settings=("alerts.line=1e-3",))) == {"alerts": 3}
    assert [scenario.days for scenario in ran] == [1, 3, 1]
    assert ran[-1].settings == (*_SMALL.settings, "alerts.line=1e-3")
    monkeypatch.setattr(kept, "code_digest", lambda *_: "other")
    assert measured(_SMALL, asked) == {"alerts": 4}
    for name, value in asked.environment().items():
        monkeypatch.setenv(name, value)
    assert Asked.here() == asked


def test_the_table() -> None:
    """Ids are unique and can be chosen by pattern; the budget follows the users, but for large attacks."""
    ids = [s.id for s in TABLE]
    assert len(set(ids)) == len(ids) == 9 * 3 * 7
    assert [s.id for s in chosen(["null-*-42", "warm-2000-31"], smoke=False)] == [
        "null-2000-42",
        "null-5000-42",
        "null-20000-42",
        "warm-2000-31",
    ]
    by_id = {s.id: s for s in TABLE}
    assert [by_id[f"{name}-43"].budget for name in ("shipped-2000", "double-20000", "four-2000")] == [60, 600, 3000]
    assert by_id["warm-2000-31"].tuned
    assert not by_id["warm-2000-42"].tuned
    simulation = by_id["warm-5000-42"].simulation
    assert (simulation.users, simulation.seed, simulation.attack_day, simulation.duration_us) == (
        5000,
        42,
        3,
        7 * DAY_US,
    )
    assert by_id["ten-2000-42"].config.job().judgement.policy.budget_per_day == 3000
