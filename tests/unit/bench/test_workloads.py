"""The workloads never change under their ids, and are what their scenarios say."""

from collections import Counter
from hashlib import blake2b

import numpy as np
import orjson
import pytest

from bench.pipeline import whole
from bench.scenarios import SCENARIOS
from bench.workloads import evenly, plays
from flows.simulate.config import MONDAY_US
from state.types import HOUR_US, MINUTE_US, SECOND_US

_HASHES = {
    "uniform": "26d0df3d629e7278",
    "zipf": "79c7afa30d40d524",
    "shipped": "ec01948e3745cdc5",
    "alone": "ec01948e3745cdc5",
    "hot-user": "17735bdd27c97ff7",
    "churn": "ffd235d7a0715108",
    "disorder": "8f29227e0876a318",
    "cold": "26d0df3d629e7278",
    "full": "1eb54c159b2beded",
    "replay-archive": "97df53205c9261d4",
    "wide": "26d0df3d629e7278",
    "many-windows": "77d408b4a21e450b",
}


def _events(scenario: str, events: int | None = None) -> list[dict[str, object]]:
    lines = SCENARIOS[scenario].lines(events or SCENARIOS[scenario].smoke_events)
    return [orjson.loads(line) for line in lines]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_workload_is_the_one_of_its_id(scenario: str) -> None:
    """The smoke workload has the bytes it always had: whoever needs others takes a new id."""
    lines = SCENARIOS[scenario].lines(SCENARIOS[scenario].smoke_events)
    assert blake2b(b"\n".join(lines), digest_size=8).hexdigest() == _HASHES[scenario]


def test_ids_are_permanent() -> None:
    """No id has gone or been renamed."""
    assert list(SCENARIOS) == list(_HASHES)


def test_shipped_is_a_day_of_the_platform() -> None:
    """Events of all kinds, of no more users than declared, in the order in which they arrive."""
    events = _events("shipped")
    assert {"play", "skip", "login_ok"} <= {str(e["type"]) for e in events}
    assert len({e["user_id"] for e in events}) <= SCENARIOS["shipped"].users_of(len(events))
    at = np.array([e["event_time"] for e in events], np.int64)
    assert (np.maximum.accumulate(at) - at).max() * 1000 < 2 * MINUTE_US


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name not in ("shipped", "alone")])
def test_lines_are_like_each_other(scenario: str) -> None:
    """About 330 bytes with all the fields, of the declared number of events and of no more users than declared."""
    found = SCENARIOS[scenario]
    lines = found.lines(found.smoke_events)
    assert len(lines) == found.smoke_events
    assert 325 < np.mean([len(line) for line in lines]) < 335
    events = _events(scenario)
    assert len({e.get("user_id") for e in events} - {None}) <= found.users_of(found.smoke_events)
    whole_lines = [e for e in events if len(e) == 14]
    assert len(whole_lines) >= 0.995 * len(events)
    assert all(e["type"] == "play" and 0 <= e["ms_played"] <= e["track_ms"] for e in whole_lines)  # type: ignore[operator]


def test_zipf_users_follow_the_law() -> None:
    """The user of rank r has about r**-1.1 times the events of the first."""
    events = 100_000
    counts = Counter(e["user_id"] for e in _events("zipf", events)).most_common()
    share = np.arange(1, SCENARIOS["zipf"].users_of(events) + 1) ** -1.1
    share /= share.sum()
    assert [n / events for _, n in counts[:5]] == pytest.approx(share[:5].tolist(), rel=0.1)
    assert sum(n for _, n in counts[100:200]) / events == pytest.approx(share[100:200].sum(), rel=0.1)


def test_hot_user_has_half() -> None:
    """One account has half of the events, nobody else many."""
    (_, most), (_, second) = Counter(e["user_id"] for e in _events("hot-user")).most_common(2)
    assert most == pytest.approx(2000, rel=0.1)
    assert second < 50


def test_churn_users_pass_through() -> None:
    """Nobody is seen for longer than a minute or so; all the time new ones come."""
    seen: dict[object, list[int]] = {}
    for e in _events("churn"):
        seen.setdefault(e["user_id"], []).append(e["event_time"])  # type: ignore[arg-type]
    assert max(max(times) - min(times) for times in seen.values()) < 65_000
    per_minute = Counter(min(times) // 60_000 for times in seen.values())
    assert len(per_minute) >= 29
    assert len(seen) > 0.9 * SCENARIOS["churn"].users_of(4_000)


def test_disorder_is_minutes_and_a_few_are_late() -> None:
    """Most events come up to ten minutes after younger ones, and 1 to 4 % after their window."""
    time_us = np.array([e["event_time"] for e in _events("disorder")]) * 1000
    behind_us = np.maximum.accumulate(time_us) - time_us
    assert 3 * MINUTE_US < np.median(behind_us) < 7 * MINUTE_US
    assert behind_us.max() > 20 * MINUTE_US
    assert np.ptp(time_us) < HOUR_US
    scenario = SCENARIOS["disorder"]
    counts = whole(scenario.job(), scenario.lines(4_000))
    assert 0.01 < counts["late"] / 4_000 < 0.04


def test_full_evicts_all_the_time() -> None:
    """Each window evicts more users than fit."""
    scenario = SCENARIOS["full"]
    job = scenario.job()
    counts = whole(job, scenario.lines(40_000))
    assert counts["evicted"] > 4 * job.stream.state.capacity * job.stream.key_groups


def test_archive_has_broken_and_repeated_lines() -> None:
    """Which are set aside and dropped; all lines are JSON, so that the reference can parse them."""
    scenario = SCENARIOS["replay-archive"]
    counts = whole(scenario.job(), scenario.lines(40_000))
    assert set(counts) >= {"rejected.wrong_type", "rejected.missing_field", "rejected.time_out_of_range"}
    assert sum(n for key, n in counts.items() if key.startswith("rejected.")) == pytest.approx(40, abs=20)
    assert counts["duplicate"] == pytest.approx(80, abs=30)


def test_jobs_are_as_wide_as_they_say() -> None:
    """12 features and one window, 40 features, four windows."""
    jobs = {name: SCENARIOS[name].job() for name in ("zipf", "wide", "many-windows")}
    assert [len(w.features) for w in jobs["zipf"].stream.windows] == [12]
    assert [len(w.features) for w in jobs["wide"].stream.windows] == [40]
    assert [len(w.features) for w in jobs["many-windows"].stream.windows] == [12] * 4
    assert {d.spec.type for job in jobs.values() for d in job.judgement.detectors} == {"half_space_trees"}


def test_plays_are_of_many_users_evenly_in_time() -> None:
    """As many lines as asked for, of about 330 bytes, unique ids, small disorder."""
    lines, other = (list(plays(20_000, 500, 30 * MINUTE_US, evenly(500), seed=seed)) for seed in (2, 3))
    assert lines != other
    events = [orjson.loads(line) for line in lines]
    assert len({e["event_id"] for e in events}) == 20_000
    assert 300 < np.mean([len(line) for line in lines]) < 360
    assert len({e["user_id"] for e in events}) == 500
    time_us = np.array([e["event_time"] for e in events]) * 1000
    behind_us = np.maximum.accumulate(time_us) - time_us
    assert 0 < behind_us.max() <= 2 * SECOND_US
    assert MONDAY_US <= time_us.min() <= time_us.max() < MONDAY_US + 30 * MINUTE_US
    per_minute = np.bincount((time_us - MONDAY_US) // MINUTE_US)
    assert per_minute.min() > 0.9 * per_minute.mean()
    assert all(e["type"] == "play" and 0 <= e["ms_played"] <= e["track_ms"] for e in events)
