"""A surge: the share of suspicious subjects rises within hours, and not by chance."""

from detectors.base import Wave
from detectors.drift.event import DriftEvent
from detectors.drift.spec import DriftSpec
from detectors.drift.surge import Surge
from detectors.drift.waves import Waves
from state.types import DAY_US, HOUR_US
from state.windows import WindowKind, WindowSpec


def test_a_rise_within_hours_is_one_and_a_slow_one_is_none() -> None:
    """From 0.5 % to 3 % in two rounds, and by the same much over days."""
    sudden, slow = Surge(0), Surge(0)
    found = [sudden.update(hour * HOUR_US, n, 1000) for hour, n in enumerate([5, 4, 6, 12, 30])]
    assert found == [None, None, None, None, (HOUR_US, 0.004)]
    assert not any(slow.update(hour * HOUR_US, 5 + hour // 2, 1000) for hour in range(60))


def test_what_was_longer_ago_is_forgotten() -> None:
    """Three hours count."""
    for gap, told in ((3, (0, 0.005)), (4, None)):
        surge = Surge(0, 0, [(0, 0.005)])
        assert surge.update(gap * HOUR_US, 40, 1000) == told, gap


def test_windows_that_are_not_full_are_no_yardstick() -> None:
    """In the first day of a stream its windows of a day hold more each hour."""
    surge = Surge(2 * HOUR_US)
    found = [surge.update(hour * HOUR_US, n, 1000) for hour, n in enumerate([0, 50, 60, 61, 130])]
    assert found == [None, None, None, None, (2 * HOUR_US, 0.06)]


def test_of_few_subjects_chance_is_more() -> None:
    """One suspicious of a hundred, then six: three in a hundred are many of a thousand, and none of 100."""
    assert Surge(0, 0, [(0, 0.01)]).update(HOUR_US, 6, 100) is None
    assert Surge(0, 0, [(0, 0.01)]).update(HOUR_US, 60, 1000) == (0, 0.01)
    assert Surge(0, 0, [(0, 0.0)]).update(HOUR_US, 63, 63) is None, "63 rows say nothing"


def test_it_goes_on_where_it_was() -> None:
    """From what it remembers."""
    whole, first = Surge(2 * HOUR_US), Surge(2 * HOUR_US)
    rounds = [(hour * HOUR_US, n, 500) for hour, n in enumerate([1, 9, 1, 2, 20, 3, 30])]
    found = [whole.update(*round_) for round_ in rounds]
    begun = [first.update(*round_) for round_ in rounds[:3]]
    second = Surge(2 * HOUR_US, *first.state())
    assert begun + [second.update(*round_) for round_ in rounds[3:]] == found
    assert any(found)


def test_it_is_said_once_and_again_when_it_has_doubled() -> None:
    """With what was before, and what those who are suspicious have in common; nothing where waves are not watched."""
    window = WindowSpec("w1h", WindowKind.TUMBLING, HOUR_US)
    waves, told = Waves(DriftSpec(), "all", window, {}), list[DriftEvent]()
    for hour, n in enumerate([90, 5, 30, 40, 60, 62]):
        event = waves.surge(hour * HOUR_US, n, 1000, lambda: ["plays"])
        told += [event] if event else []
        waves = Waves(DriftSpec(), "all", window, waves.reported, waves.surge_state)
    assert [(e.name, e.monitor, e.at_us // HOUR_US, e.since_us, e.before, e.after) for e in told] == [
        ("alert_rate", "surge", 2, HOUR_US, 0.005, 0.03),
        ("alert_rate", "surge", 4, HOUR_US, 0.005, 0.06),
    ]
    assert told[0].evidence == "3.0% of the subjects are suspicious, 0.5% were; they share plays"
    off = Waves(DriftSpec(monitors=()), "all", window, {}, (0, [(0, 0.0)]))
    assert off.surge(HOUR_US, 900, 1000, list) is None


def test_only_what_has_grown_is_reacted_to() -> None:
    """A wave that goes on is told each day, and what detectors do not know of people yet they have to learn."""
    spec, day = DriftSpec(on_attack_wave="freeze"), WindowSpec("w24h", WindowKind.SLIDING, DAY_US, HOUR_US)
    waves, told = Waves(spec, "all", day, {}), list[tuple[int, str]]()
    for hour in range(100):
        share = 0.06 if hour < 60 else 0.12
        waves.surge(hour * HOUR_US, 0, 1000, list)
        told += [(hour, str(e.reaction)) for e in waves.update(hour * HOUR_US, {"extremes": Wave(share, ("plays",))})]
    assert told == [(0, "notify"), (24, "notify"), (48, "notify"), (60, "freeze"), (84, "notify")]


def test_the_next_attack_is_a_new_one() -> None:
    """As large as the one a week before or smaller, it is reacted to again; two days later it is the same."""
    spec, day = DriftSpec(on_attack_wave="freeze"), WindowSpec("w24h", WindowKind.SLIDING, DAY_US, HOUR_US)
    for days, reaction in ((2, "notify"), (7, "freeze"), (40, "freeze")):
        waves, told = Waves(spec, "all", day, {}), list[tuple[str, str]]()
        for hour in range(24 * (4 + days)):
            odd = 60 if hour // 24 == 2 else 50 if hour // 24 == 2 + days else 0
            surge = waves.surge(hour * HOUR_US, odd, 1000, list)
            seen = {"extremes": Wave(odd / 1000, ("plays",))}
            events = [*([surge] if surge else []), *waves.update(hour * HOUR_US, seen)]
            told += [(e.monitor, str(e.reaction)) for e in events]
        first, second = [("surge", "freeze"), ("wave", "freeze")], [("surge", reaction), ("wave", reaction)]
        assert told == first + second, days
