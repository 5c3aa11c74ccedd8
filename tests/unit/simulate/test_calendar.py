"""A week is not seven copies of a day; and the first day does not know how long the simulation is."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import orjson
import pytest

from flows.simulate.calendar import day_of, weekday
from flows.simulate.config import MONDAY_US, SimulationSpec
from flows.simulate.geography import ALL_COUNTRIES, ZONE_US
from flows.simulate.offline import dead_zones
from flows.simulate.platform import Platform
from flows.simulate.rows import NOTHING, Rows, Type
from state.types import DAY_US, HOUR_US, MINUTE_US

PLAIN = SimulationSpec(
    users=1500,
    duration_us=8 * DAY_US,
    seed=21,
    weekends=False,
    holidays=0.0,
    outage_us=0,
    hit=0.0,
    taste=0.0,
    growth=0.0,
)
"""Every day is like the first."""
FULL = SimulationSpec(users=1500, duration_us=8 * DAY_US, seed=21)


def genuine(platform: Platform, number: int, kind: Type = Type.PLAY) -> Rows:
    """Events of one type on a day, without those of campaigns' accounts."""
    rows = platform.days.day(number)[0]
    crew = np.concatenate([np.zeros(0, np.int32), *(c.user for _, c in platform.world.crews)])
    return rows.take((rows.type == kind) & ~np.isin(rows.user, crew))


def outages(spec: SimulationSpec) -> Iterator[int]:
    """The days with one."""
    return (d for d in range(spec.duration_us // DAY_US) if day_of(spec, d).outage)


def test_a_longer_simulation_begins_with_the_shorter_one() -> None:
    """Line for line, whatever makes the days after the first differ."""
    for other in (FULL, PLAIN):
        short, long = Platform(replace(FULL, users=300, duration_us=DAY_US)), Platform(replace(other, users=300))
        for partition in short.partitions():
            lines = [line for chunk in short.lines(partition) for line in chunk]
            begin = [line for _, chunk in zip(range(24 * 6), long.lines(partition), strict=False) for line in chunk]
            assert begin == lines
            assert len(lines) > 1000
    three, all_of_it = Platform(replace(FULL, duration_us=3 * DAY_US)), Platform(FULL)
    for number in range(3):
        (rows, ids), (again, twins) = three.days.day(number), all_of_it.days.day(number)
        assert (ids == twins).all()
        assert (rows.time_us == again.time_us).all()
        assert (rows.track == again.track).all()


def test_any_day_can_be_had_first() -> None:
    """With all that makes them differ; another seed makes others."""
    straight, jump, other = Platform(FULL), Platform(FULL), Platform(replace(FULL, seed=22))
    seen = [straight.days.day(d)[0] for d in range(8)]
    for number in (6, 1, 7):
        again = jump.days.day(number)[0]
        assert (again.time_us == seen[number].time_us).all()
        assert (again.user == seen[number].user).all()
        assert not np.array_equal(other.days.day(number)[0].time_us, seen[number].time_us)


def test_partitions_hold_the_same_events_over_days() -> None:
    """However many there are; an account stays in its own, newcomers too."""
    spec = replace(FULL, users=100, duration_us=3 * DAY_US, duplicate_share=0.0, growth=0.1)
    one, four = Platform(replace(spec, partitions=1)), Platform(replace(spec, partitions=4))
    parts = [{line for chunk in four.lines(p) for line in chunk} for p in four.partitions()]
    assert set.union(*parts) == {line for chunk in one.lines("part-00") for line in chunk}
    accounts = [{orjson.loads(line)["user_id"] for line in part} for part in parts]
    assert sum(map(len, accounts)) == len(set.union(*accounts))


def test_weekends_are_quieter_later_and_not_at_work() -> None:
    """Real: 0.80 of a weekday's plays in all, 0.89 for the median person.  Without weekends Saturday is a weekday."""
    for on in (True, False):
        platform = Platform(replace(PLAIN, weekends=on))
        people = platform.world.people
        found = []
        for days in (range(1, 5), range(5, 7)):
            plays = Rows.concat([genuine(platform, d) for d in days])
            local = (plays.time_us + ZONE_US[people.country[plays.user]]) // HOUR_US % 24
            at_work = (plays.ip == people.work[plays.user]) & (plays.ip != people.home[plays.user])
            found.append((len(plays) / len(days), ((local >= 5) & (local < 9)).mean(), at_work.mean()))
        weekday, weekend = found
        assert weekday[2] > 0.1
        if on:
            assert 0.78 < weekend[0] / weekday[0] < 0.92
            assert weekend[1] < 0.75 * weekday[1]
            assert weekend[2] < 0.03  # sittings of Friday night in the west
        else:
            assert 0.93 < weekend[0] / weekday[0] < 1.07
            assert 0.85 < weekend[1] / weekday[1] < 1.15
            assert weekend[2] > 0.1


def test_days_of_the_week_are_those_of_the_calendar() -> None:
    """The default start is a Monday; a day that begins in the evening is the next one; countries go by their clocks."""
    assert [weekday(MONDAY_US + d * DAY_US) for d in range(8)] == [0, 1, 2, 3, 4, 5, 6, 0]
    assert weekday(MONDAY_US + 17 * HOUR_US) == 1
    saturday = day_of(replace(PLAIN, weekends=True, start_us=MONDAY_US - 40 * HOUR_US), 0)
    assert saturday.free.all()
    night = day_of(replace(PLAIN, weekends=True, start_us=MONDAY_US - 16 * HOUR_US), 0)  # its middle: Sunday 20:00
    assert dict(zip(ALL_COUNTRIES, night.free, strict=True))["US"]
    assert not dict(zip(ALL_COUNTRIES, night.free, strict=True))["JP"]


def test_holidays_are_a_countrys_own_and_as_many_as_asked_for() -> None:
    """About 13 a year each, never on the first day; who has one lives as on a Sunday, the others do not notice."""
    spec = replace(PLAIN, holidays=13.0, duration_us=366 * DAY_US)
    free = np.array([day_of(spec, d).free for d in range(366)])
    assert not free[0].any()
    assert 10 < free.sum(axis=0).mean() < 16
    assert (free.any(axis=1) & ~free.all(axis=1)).sum() > 100
    platform = Platform(replace(PLAIN, users=4000, holidays=73.0))
    plays, free = genuine(platform, 3), day_of(platform.spec, 3).free
    people = platform.world.people
    off = free[people.country[plays.user]]
    at_work = (plays.ip == people.work[plays.user]) & (plays.ip != people.home[plays.user])
    assert off.any()
    assert at_work[off].mean() < 0.03
    assert at_work[~off].mean() > 0.1


def test_one_outage_a_week_never_on_the_first_day() -> None:
    """Between the hours of 8 and 22 of its day, as long as asked for, on different days in different weeks."""
    spec = replace(FULL, duration_us=70 * DAY_US, outage_us=2 * HOUR_US)
    days = list(outages(spec))
    assert [d // 7 for d in days] == list(range(10))
    assert 0 not in days
    assert len({d % 7 for d in days}) > 2
    for number in days:
        day = day_of(spec, number)
        assert day.outage
        assert day.outage.until_us - day.outage.from_us == 2 * HOUR_US
        assert 8 * HOUR_US <= day.outage.from_us - day.from_us <= 20 * HOUR_US
    assert not list(outages(replace(spec, outage_us=0)))


def test_an_outage_has_no_events_and_then_a_rush() -> None:
    """Of anybody; no play runs into it; afterwards people log in, fail to, and sit down all at once."""
    platform = Platform(FULL)
    number = next(outages(FULL))
    outage, rows = day_of(FULL, number).outage, platform.days.day(number)[0]
    assert outage
    assert not ((rows.time_us >= outage.from_us) & (rows.time_us < outage.until_us)).any()
    plays = rows.take((rows.type == Type.PLAY) & ~rows.offline)
    begin_us = plays.time_us - plays.ms.astype(np.int64) * 1000
    assert not ((begin_us < outage.until_us) & (plays.time_us >= outage.until_us)).any()

    def within(kind: Type, from_us: int) -> int:
        return int(((rows.type == kind) & (rows.time_us >= from_us) & (rows.time_us < from_us + 20 * MINUTE_US)).sum())

    for kind, times in ((Type.LOGIN_OK, 4), (Type.SEARCH, 1.5)):
        assert within(kind, outage.until_us) > times * within(kind, outage.from_us - HOUR_US)
    assert within(Type.LOGIN_FAILED, outage.until_us) > within(Type.LOGIN_FAILED, outage.from_us - HOUR_US)
    calm = Platform(replace(FULL, outage_us=0)).days.day(number)[0]
    lost = calm.take((calm.time_us >= outage.from_us) & (calm.time_us < outage.until_us))
    back = rows.user[(rows.type == Type.LOGIN_OK) & (rows.time_us >= outage.until_us)]
    crew = np.concatenate([c.user for _, c in platform.world.crews])
    active = np.intersect1d(lost.user[lost.type == Type.PLAY], crew)
    assert len(active)
    assert np.isin(active, back).all()


def test_what_is_postponed_stays_in_order() -> None:
    """Sign-ups and the ends of dead zones come after the outage, and an account's first event is its sign-up."""
    spec = replace(FULL, growth=0.2, outage_us=6 * HOUR_US)
    platform = Platform(spec)
    number = next(outages(spec))
    outage, rows = day_of(spec, number).outage, platform.days.day(number)[0]
    assert outage
    made = rows.take(rows.type == Type.SIGN_UP)
    assert len(made) == 300
    assert ((made.time_us >= outage.until_us) & (made.time_us < outage.until_us + 30 * MINUTE_US)).sum() > 40
    assert (rows.time_us >= platform.world.people.created_us[rows.user]).all()
    for ends, some in ((platform, False), (Platform(replace(spec, outage_us=0)), True)):
        until_us = dead_zones(ends.world.on(number), day_of(ends.spec, number))[1]
        assert ((until_us >= outage.from_us) & (until_us < outage.until_us)).any() == some


def test_an_attack_that_sets_out_during_an_outage_begins_after_it() -> None:
    """The truth says when it is first heard of."""
    number = next(outages(FULL))
    outage = day_of(FULL, number).outage
    assert outage
    begin_us = outage.from_us - (FULL.start_us + number * DAY_US)
    campaigns = tuple(replace(c, start_us=begin_us, ramp_us=MINUTE_US, resters=0.0) for c in FULL.campaigns)
    platform = Platform(replace(FULL, campaigns=campaigns, attack_day=number + 1))
    rows = Rows.concat([platform.days.day(d)[0] for d in (number, number + 1)])  # some nap till midnight
    for user, record in enumerate(platform.truth()):
        if record["is_attacker"]:
            assert record["start_us"] >= outage.until_us
            assert record["start_us"] in rows.time_us[rows.user == user]


def test_a_hit_comes_out_on_friday_and_wears_off() -> None:
    """Many play it again and again, fewer each day; before it, and without hits, next to nobody does."""
    spec = replace(PLAIN, hit=0.2, duration_us=13 * DAY_US)
    platform, without = Platform(spec), Platform(replace(spec, hit=0.0))
    assert [day_of(spec, d).hit == NOTHING for d in range(6)] == [True] * 4 + [False] * 2
    assert [day_of(spec, d).hit_day for d in range(4, 13)] == [4] * 7 + [11] * 2
    song = int(platform.world.catalogue.first_album(day_of(spec, 4).hit)[0])
    share = [(genuine(platform, d).track == song).mean() for d in range(3, 11)]
    assert share[0] < 0.005
    assert 0.03 < share[1] < 0.08
    assert share[1] > share[3] > share[5] > share[7] > share[0]
    plays = genuine(platform, 4)
    per_person = np.bincount(plays.user[plays.track == song])
    assert (per_person >= 5).sum() > 0.05 * len(np.unique(plays.user))
    assert (genuine(without, 4).track == song).mean() < 0.005
    world, played = platform.world, plays.take(plays.track == song)
    assert (played.context == world.catalogue.album[song]).mean() > 0.9
    assert played.ms.max() <= world.catalogue.ms[song]


def test_taste_changes_a_little_each_day() -> None:
    """The share of favourites that is new grows by `taste` a day; who comes in was less known than who goes."""
    platform = Platform(replace(PLAIN, taste=0.02, duration_us=366 * DAY_US))
    first = platform.world.on(0).people.favourites
    np.testing.assert_array_equal(first, platform.world.people.favourites)
    for number in (1, 5, 20):
        now = platform.world.on(number).people.favourites
        assert (now != first).mean() == pytest.approx(0.02 * number, rel=0.05)
    month = platform.world.on(120).people.favourites
    assert np.median(month) > np.median(first) + 100
    plays = [platform.world.catalogue.artist[genuine(platform, d).track] for d in (0, 120)]
    assert np.median(plays[1]) > np.median(plays[0]) + 50
    still = Platform(PLAIN).world
    np.testing.assert_array_equal(still.on(7).people.favourites, still.people.favourites)


def test_the_population_grows_each_day() -> None:
    """By the share asked for, rounded over the days; newcomers sign up, then listen as others do, and are people."""
    spec = replace(PLAIN, growth=0.0305)
    platform = Platform(spec)
    counts = [len(platform.world.on(d).people) for d in range(8)]
    assert counts == [1500 + int(45.75 * d) for d in range(8)]
    assert len(platform.world.people) == len(platform.truth()) == counts[-1]
    assert len({r["user_id"] for r in platform.truth()}) == counts[-1]
    people = platform.world.people
    for number in (1, 6):
        rows = platform.days.day(number)[0]
        made = rows.take(rows.type == Type.SIGN_UP)
        assert sorted(made.user) == list(range(counts[number - 1], counts[number]))
        assert (rows.time_us >= people.created_us[rows.user]).all()
    plays = genuine(platform, 7)
    new = (plays.user >= 1500) & (plays.user < counts[-2])
    assert new.sum() / (counts[-2] - 1500) == pytest.approx((plays.user < 1500).sum() / 1500, rel=0.35)
    assert {r["role"] for r in platform.truth()[1500:]} == {"person"}
    assert len(np.intersect1d(people.device[1500:], people.device[:1500])) == 0
    assert len(Platform(PLAIN).world.people) == 1500


def test_newcomers_work_where_others_of_their_country_do() -> None:
    """So no office is theirs alone."""
    world = Platform(replace(PLAIN, users=3000, growth=0.02)).world
    people = world.people
    assert np.isin(people.work[3000:], people.work[:3000]).mean() > 0.9
    assert (world.country[people.work[3000:]] == people.country[3000:]).all()


def test_plans_change_on_every_day_in_like_number() -> None:
    """Two accounts in a thousand a day."""
    platform = Platform(replace(PLAIN, users=6000))
    changes = [(platform.days.day(d)[0].type == Type.PLAN_CHANGE).sum() for d in range(8)]
    assert 6 * 8 < sum(changes) < 16 * 8
    assert min(changes) > 0


def test_days_without_anything_special_are_alike() -> None:
    """Plays by day differ by no more than chance."""
    platform = Platform(PLAIN)
    count = np.array([len(genuine(platform, d)) for d in range(8)])
    assert count.std() / count.mean() < 0.05
