"""Drift monitors on a small population with a daily rhythm and its own weather."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from detectors.base import FeatureInfo
from detectors.drift import monitors as monitors_module
from detectors.drift.event import DriftEvent, Reaction, Watch
from detectors.drift.monitors import DriftMonitors
from detectors.drift.spec import DriftSpec, MonitorSpec
from state.errors import ConfigError
from state.snapshot import unpack
from state.types import DAY_US, F64, HOUR_US, MINUTE_US
from state.windows import WindowKind, WindowSpec

T0 = 1_767_225_600_000_000
FEATURES = (FeatureInfo("plays", log=True), FeatureInfo("entropy"), FeatureInfo("played_ms", log=True))
WINDOW = WindowSpec("w5m", WindowKind.TUMBLING, 5 * MINUTE_US)
HOURLY = WindowSpec("w1h", WindowKind.TUMBLING, HOUR_US)


@dataclass
class Round:
    """What `DriftMonitors.update` takes."""

    end_us: int
    x: F64
    scores: dict[str, F64]
    candidates: int

    def to(self, monitors: DriftMonitors) -> list[DriftEvent]:
        return monitors.update(self.end_us, self.x, self.scores, self.candidates)


Change = Callable[[Round, np.random.Generator], None]


def play(
    rounds: int, *, start: int = 0, rows: int = 60, window: WindowSpec = WINDOW, change: Change | None = None
) -> Iterator[Round]:
    """Rounds of about `rows` rows, nearly twice as many at noon, hardly any at night.

    Means swing by 0.8 sd over the day, and wander by 0.05 sd with a correlation of 0.9 from round to round.
    start: rounds before the first one.  change: applied to every round.
    """
    rng = np.random.default_rng(start)
    wander = np.zeros(3)
    for k in range(start + 1, start + rounds + 1):
        end_us = T0 + k * window.size_us
        angle = 2 * np.pi * (end_us / DAY_US % 1.0)
        n = int(rng.poisson(rows * (1 - 0.8 * np.cos(angle))))
        wander = 0.9 * wander + 0.05 * np.sqrt(1 - 0.81) * rng.normal(size=3)
        g = rng.normal(size=(n, 3)) + wander + 0.4 * np.sin(angle + np.arange(3))
        x = np.column_stack([np.floor(np.exp(1.5 + 0.8 * g[:, 0])), g[:, 1], np.exp(11 + g[:, 2])])
        x[rng.random(n) < 0.1, 1] = np.nan
        round_ = Round(end_us, x, {"trees": 0.9 + 0.01 * g[:, 0] + 0.02 * rng.random(n)}, int(rng.binomial(n, 0.002)))
        if change is not None:
            change(round_, rng)
        yield round_


def build(spec: DriftSpec = DriftSpec(), window: WindowSpec = WINDOW, resume: bytes | None = None) -> DriftMonitors:  # noqa: B008
    """Monitors of the small population."""
    return DriftMonitors(spec, "free", window, FEATURES, ("trees",), resume)


def seen(monitors: DriftMonitors, rounds: Iterable[Round]) -> list[DriftEvent]:
    """All events of these rounds."""
    return [event for r in rounds for event in r.to(monitors)]


FIRST_DAY, FOURTH_DAY = 144, 3 * 288 + 100


@pytest.fixture(scope="module")
def lived() -> dict[int, bytes]:
    """Monitors that have lived for half a day, and for three days and a morning: rounds -> snapshot."""
    monitors = build()
    assert seen(monitors, play(FIRST_DAY)) == []
    young = monitors.snapshot()
    assert seen(monitors, play(FOURTH_DAY - FIRST_DAY, start=FIRST_DAY)) == []
    return {FIRST_DAY: young, FOURTH_DAY: monitors.snapshot()}


def unit_change(r: Round, rng: np.random.Generator) -> None:
    """The client starts to report seconds where it reported milliseconds."""
    r.x[:, 2] /= 1000


def nulls(share: float) -> Change:
    """A share of the rows loses a field."""

    def change(r: Round, rng: np.random.Generator) -> None:
        r.x[rng.random(len(r.x)) < share, 1] = np.nan

    return change


def shift(size: float) -> Change:
    """A mean moves by so many standard deviations."""

    def change(r: Round, rng: np.random.Generator) -> None:
        r.x[:, 1] += size

    return change


def attack(r: Round, rng: np.random.Generator) -> None:
    """One row in ten becomes a candidate."""
    r.candidates += int(rng.binomial(len(r.x), 0.1))


def odder(r: Round, rng: np.random.Generator) -> None:
    """Scores rise by about 1.5 of their standard deviations."""
    r.scores["trees"] += 0.018


@pytest.mark.parametrize("minutes", [30, 60])
def test_thirty_ordinary_days_give_at_most_one_alarm(minutes: int) -> None:
    """30 days of 8 series with a rhythm of 0.8 sd and autocorrelated weather: at most one alarm."""
    window = replace(WINDOW, size_us=minutes * MINUTE_US, slide_us=0)
    assert len(seen(build(window=window), play(30 * 24 * 60 // minutes, window=window))) <= 1


@pytest.mark.parametrize(
    ("change", "what", "name", "at", "within"),
    [
        (unit_change, Watch.FEATURE, "played_ms", FIRST_DAY, 12),
        (unit_change, Watch.FEATURE, "played_ms", FOURTH_DAY, 12),
        (nulls(0.3), Watch.MISSING, "entropy", FIRST_DAY, 12),
        (nulls(0.3), Watch.MISSING, "entropy", FOURTH_DAY, 12),
        (nulls(0.1), Watch.MISSING, "entropy", FOURTH_DAY, 24),
        (shift(2.0), Watch.FEATURE, "entropy", FIRST_DAY, 12),
        (shift(1.0), Watch.FEATURE, "entropy", FOURTH_DAY, 24),
        (shift(-1.0), Watch.FEATURE, "entropy", FOURTH_DAY, 24),
        (attack, Watch.ALERT_RATE, "alert_rate", FOURTH_DAY, 24),
        (odder, Watch.SCORE, "trees", FOURTH_DAY, 24),
    ],
)
def test_a_change_is_found_named_dated_and_measured(
    lived: dict[int, bytes], change: Change, what: Watch, name: str, at: int, within: int
) -> None:
    """Within 12 rounds when it is large, within 24 when it is 1 sd; nothing else is accused."""
    (event,) = seen(build(resume=lived[at]), play(60, start=at, change=change))
    assert (event.what, event.name, event.cohort, event.window) == (what, name, "free", "w5m")
    assert 0 < (event.at_us - T0) // WINDOW.size_us - at <= within
    assert abs((event.since_us - T0) // WINDOW.size_us - at - 1) <= 6


def test_the_event_tells_before_and_after_in_the_features_unit(lived: dict[int, bytes]) -> None:
    """A unit change by 1,000 is reported as such, and a shift of 1 sd as a size near 1."""
    (unit,) = seen(build(resume=lived[FOURTH_DAY]), play(30, start=FOURTH_DAY, change=unit_change))
    assert 300 < unit.before / unit.after < 3000
    (moved,) = seen(build(resume=lived[FOURTH_DAY]), play(30, start=FOURTH_DAY, change=shift(1.0)))
    assert moved.after - moved.before == pytest.approx(1.0, abs=0.3)
    assert moved.size == pytest.approx(1.0, abs=0.3)


def test_the_end_of_a_change_is_a_change_too(lived: dict[int, bytes]) -> None:
    """After an alarm a series starts over, and finds the way back: nulls that come and go make two events."""
    monitors = build(resume=lived[FOURTH_DAY])
    come = seen(monitors, play(60, start=FOURTH_DAY, change=nulls(0.5)))
    go = seen(monitors, play(60, start=FOURTH_DAY + 60))
    assert [(e.what, e.name, e.size > 0) for e in come + go] == [
        (Watch.MISSING, "entropy", True),
        (Watch.MISSING, "entropy", False),
    ]


def test_a_change_too_small_to_matter_is_no_event(lived: dict[int, bytes]) -> None:
    """A shift of 1 sd that the tests are sure of is not reported where size_min asks for 1.5."""
    coarse = build(DriftSpec(size_min=1.5, size_min_first=1.5), resume=lived[FOURTH_DAY])
    assert seen(coarse, play(60, start=FOURTH_DAY, change=shift(1.0))) == []


def test_small_rounds_are_added_up() -> None:
    """With five rows a round a sample takes several rounds, and a unit change is still found."""
    monitors = build()
    assert seen(monitors, play(576, rows=5)) == []
    (event,) = seen(monitors, play(144, start=576, rows=5, change=unit_change))
    assert (event.what, event.name) == (Watch.FEATURE, "played_ms")


def test_overlapping_windows_are_used_once_per_length() -> None:
    """A sliding window of an hour, sliding by 5 minutes, gives what the tumbling hour gives."""
    sliding = build(window=replace(HOURLY, kind=WindowKind.SLIDING, slide_us=5 * MINUTE_US))
    tumbling = build(window=HOURLY)
    for r in play(576):
        r.to(sliding)
        if r.end_us % HOUR_US == 0:
            r.to(tumbling)
    assert sliding.snapshot() == tumbling.snapshot()


def test_a_resumed_monitor_goes_on_as_if_it_had_never_stopped(lived: dict[int, bytes]) -> None:
    """Snapshot before, in the midst of, and after a change, restore, continue: the same event and the same state."""
    rounds = list(play(60, start=FOURTH_DAY, change=shift(1.5)))
    whole = build(resume=lived[FOURTH_DAY])
    expected = seen(whole, rounds)
    assert len(expected) == 1
    for cut in (0, 3, 30):
        first = build(resume=lived[FOURTH_DAY])
        head = seen(first, rounds[:cut])
        second = build(resume=first.snapshot())
        assert head + seen(second, rounds[cut:]) == expected
        # River's objects pickle differently after a round trip, and go on alike: all else is equal to the bit.
        ours, theirs = (unpack(m.snapshot(), "drift", (3,))[2] for m in (second, whole))
        for name in ours.keys() - {"tests"}:
            np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_snapshot_does_not_share_memory_with_the_monitor(lived: dict[int, bytes]) -> None:
    """What happens to a monitor after its snapshot, or after its restoring, does not change the bytes."""
    before = lived[FIRST_DAY]
    kept = bytes(bytearray(before))
    monitors = build(resume=before)
    taken = monitors.snapshot()
    copy = bytes(bytearray(taken))
    seen(monitors, play(60, start=FIRST_DAY, change=unit_change))
    assert (before, taken) == (kept, copy)


def test_another_river_restarts_the_tests_and_keeps_the_references(
    lived: dict[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pickles of another River version are not read; a change after the upgrade is still found."""
    monkeypatch.setattr(monitors_module, "_RIVER", "0.99.0")
    monitors = build(resume=lived[FOURTH_DAY])
    (event,) = seen(monitors, play(60, start=FOURTH_DAY, change=shift(1.0)))
    assert event.name == "entropy"


def test_series_come_and_go_and_the_others_stay(lived: dict[int, bytes]) -> None:
    """With another detector's score in the place of one, features are watched on as they were; the new score, and one
    whose detector is new under its old name, are watched from nothing.
    """

    def restored(detectors: tuple[str, ...], new: set[str]) -> DriftMonitors:
        monitors = DriftMonitors(DriftSpec(), "free", WINDOW, FEATURES, detectors)
        monitors.restore(lived[FOURTH_DAY], new)
        return monitors

    def seen_samples(monitors: DriftMonitors) -> dict[str, int]:
        keys = [s.key.rpartition("/")[0] for s in monitors._series]
        return dict(zip(keys, monitors._reference.seen.tolist(), strict=True))

    same = seen_samples(restored(("trees",), set()))
    other = seen_samples(restored(("history", "trees"), {"trees"}))
    assert min(same.values()) > 0
    assert {k: n for k, n in other.items() if "score/" not in k} == {k: n for k, n in same.items() if "score/" not in k}
    assert {k: n for k, n in other.items() if "score/" in k} == {"score/history": 0, "score/trees": 0}
    rounds = play(60, start=FOURTH_DAY, change=shift(1.0))
    (event,) = seen(restored(("trees",), {"trees"}), rounds)
    assert event.name == "entropy"


def test_rows_that_are_held_count_for_the_series_that_stay() -> None:
    """Few rows that were not added up yet, and another detector after the restart: its series knows of none of them."""
    monitors = build()
    x = np.array([[1.0, np.nan, 3.0]] * 7)
    assert monitors.update(T0, x, {"trees": np.full(7, 0.5)}, 1) == []
    other = DriftMonitors(DriftSpec(), "free", WINDOW, FEATURES, ("history",))
    other.restore(monitors.snapshot(), {"history"})
    seen_rows = {s.key.rpartition("/")[0]: n for s, n in zip(other._series, other._sums.count.tolist(), strict=True)}
    first, second, third = (f"feature/{f.name}" for f in FEATURES)
    assert (seen_rows[first], seen_rows[second], seen_rows[third]) == (7, 0, 7)
    assert seen_rows["score/history"] == 0
    assert seen_rows["alert_rate/alert_rate"] == 7


def test_values_that_are_no_numbers_never_blind_a_monitor(lived: dict[int, bytes]) -> None:
    """Rounds of nan and inf pass without harm: the change after them is found."""

    def poison(r: Round, rng: np.random.Generator) -> None:
        r.x[: len(r.x) // 20] = np.inf
        r.scores["trees"][:] = np.nan

    monitors = build(resume=lived[FOURTH_DAY])
    seen(monitors, play(10, start=FOURTH_DAY, change=poison))
    events = seen(monitors, play(20, start=FOURTH_DAY + 10, change=unit_change))
    assert (Watch.FEATURE, "played_ms") in {(e.what, e.name) for e in events}


def test_rounds_without_rows_and_without_monitors_give_nothing() -> None:
    """Empty rounds, and a spec that switches drift off, are no trouble."""
    assert build().update(T0, np.empty((0, 3)), {"trees": np.empty(0)}, 0) == []
    off = build(DriftSpec(monitors=()))
    assert seen(off, play(30)) == []
    assert seen(build(DriftSpec(monitors=()), resume=off.snapshot()), play(30, start=30)) == []


@pytest.mark.parametrize("test", ["adwin", "page_hinkley"])
def test_each_family_has_its_tests_and_reaction(test: str) -> None:
    """A monitor runs the tests it names, reports which fired, and carries its own reaction or the common one."""
    spec = DriftSpec(
        monitors=(MonitorSpec(Watch.MISSING, (test,), Reaction.FREEZE), MonitorSpec(Watch.FEATURE, (test,))),
        reaction=Reaction.RETRAIN,
    )

    def both(r: Round, rng: np.random.Generator) -> None:
        unit_change(r, rng)
        nulls(0.6)(r, rng)

    monitors = build(spec)
    assert seen(monitors, play(500)) == []
    found = {(e.what, e.name, e.monitor, e.reaction) for e in seen(monitors, play(40, start=500, change=both))}
    assert found == {
        (Watch.MISSING, "entropy", test, Reaction.FREEZE),
        (Watch.FEATURE, "played_ms", test, Reaction.RETRAIN),
    }


def test_an_event_has_a_stable_id_and_a_json_record() -> None:
    """The id is that of what changed, where and when; the record names every field."""
    event = DriftEvent(Watch.SCORE, "trees", "free", "w1h", "adwin", T0, T0 - HOUR_US, 0.1, 0.3, 2.0, Reaction.NOTIFY)
    assert replace(event, size=3.0).event_id == event.event_id
    assert replace(event, cohort="paid").event_id != event.event_id
    assert event.to_record() == {
        "event_id": event.event_id, "what": "score", "name": "trees", "cohort": "free", "window": "w1h",
        "monitor": "adwin", "at": "2026-01-01T00:00:00.000000Z", "since": "2025-12-31T23:00:00.000000Z",
        "before": 0.1, "after": 0.3, "size": 2.0, "reaction": "notify", "cause": "", "evidence": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {"delta": 0.0},
        {"warmup_rounds": 1},
        {"size_min": -1.0},
        {"size_min_first": 0.1},
        {"monitors": (MonitorSpec(Watch.SCORE), MonitorSpec(Watch.SCORE))},
    ],
)
def test_settings_out_of_range_name_the_key(settings: dict[str, object]) -> None:
    """A ConfigError names the key, the value seen and what is allowed."""
    with pytest.raises(ConfigError, match=r"drift\.\w+: seen .*, allowed: "):
        DriftSpec(**settings)  # type: ignore[arg-type]


def test_an_unknown_test_names_the_ones_there_are() -> None:
    """A word that is no test is refused with those that are."""
    with pytest.raises(ConfigError, match="adwin, page_hinkley"):
        MonitorSpec(Watch.SCORE, ("kswin",))


def single_rounds(rounds: int) -> list[Round]:
    """Rounds of one row, one feature of which rises in the middle."""
    rng = np.random.default_rng(6)
    out = []
    for k in range(rounds):
        x = rng.normal([5.0 + 50.0 * (k >= rounds // 2), 1.0, 10.0], 1.0)[None, :]
        x[0, 1] = np.nan if k % 7 == 0 else x[0, 1]
        out.append(
            Round(T0 + k * MINUTE_US, x, {"trees": rng.random(1) if k > 40 else np.full(1, np.nan)}, int(k % 50 == 0))
        )
    return out


def test_rounds_of_one_row_may_wait_and_are_part_of_the_state() -> None:
    """A restart after any of them changes nothing, and the rise is found."""
    spec = DriftSpec(rhythm="none")
    straight, resumed = build(spec), build(spec)
    found: list[tuple[list[str], list[str]]] = []
    for k, round_ in enumerate(single_rounds(3000)):
        found.append(tuple([e.event_id for e in round_.to(m)] for m in (straight, resumed)))  # type: ignore[arg-type]
        if k % 13 == 0:
            resumed = build(spec, resume=resumed.snapshot())
    assert any(mine for mine, _ in found)
    assert all(mine == other for mine, other in found)


def test_rounds_of_one_row_are_a_sample_as_soon_as_they_are_enough() -> None:
    """Of 30 rows, not of 31: every series that had a value in each has one sample then."""
    monitors = build(DriftSpec(rhythm="none"))
    seen = []
    for round_ in single_rounds(30):
        round_.to(monitors)
        seen.append(int(unpack(monitors.snapshot(), "drift", (3,))[2]["seen"].max()))
    assert seen == [0] * 29 + [1]
    straight = build(DriftSpec(rhythm="none"))
    for round_ in single_rounds(30):
        round_.to(straight)
    assert unpack(straight.snapshot(), "drift", (3,))[2]["seen"].max() == 1
