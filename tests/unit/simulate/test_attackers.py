"""How many attackers there are, from which day on, and what the truth says of them."""

from dataclasses import fields, replace

import numpy as np
import pytest

from flows.simulate.campaigns import DEFAULT_CAMPAIGNS
from flows.simulate.config import SimulationSpec
from flows.simulate.people import People
from flows.simulate.platform import Platform
from flows.simulate.rows import Rows, Type
from state.errors import ConfigError
from state.types import DAY_US, HOUR_US

SPEC = SimulationSpec(users=2000, duration_us=4 * DAY_US, seed=13)
SHARED_TABLES = {"device", "home", "guest"}
"""Columns that point into tables which the crews share; newcomers' rows of them lie behind the crews'."""


@pytest.fixture(scope="module")
def late() -> Platform:
    """Campaigns begin on the third day of four."""
    return Platform(replace(SPEC, attack_day=3))


def crew_users(platform: Platform) -> np.ndarray:
    """All accounts of campaigns."""
    return np.concatenate([np.zeros(0, np.int32), *(crew.user for _, crew in platform.world.crews)])


def assert_same_people(one: People, other: People, but: np.ndarray, columns: set[str]) -> None:
    """All these columns, of all accounts except some."""
    keep = np.setdiff1d(np.arange(len(one)), but)
    for name in columns:
        np.testing.assert_array_equal(getattr(one, name)[keep], getattr(other, name)[keep], name)


@pytest.mark.parametrize("attackers", [0.1, 1.0, 10.0])
def test_people_are_the_same_whatever_the_attackers(attackers: float) -> None:
    """Byte for byte, except for the accounts that campaigns hold; without attackers nobody is one."""
    none, some = Platform(replace(SPEC, attackers=0.0)), Platform(replace(SPEC, attackers=attackers))
    assert not none.world.crews
    assert not any(r["is_attacker"] for r in none.truth())
    crew = crew_users(some)
    assert len(none.world.people) == len(some.world.people) > SPEC.users
    columns = {f.name for f in fields(People)}
    assert_same_people(none.world.people, some.world.people, crew, columns - SHARED_TABLES)
    seated = [p.world.people.take(slice(SPEC.users)) for p in (none, some)]
    assert_same_people(*seated, crew, columns)
    assert none.world.user_id == some.world.user_id
    same = np.setdiff1d(np.arange(len(none.world.people)), crew)
    truth = none.truth(), some.truth()
    assert [truth[0][i] for i in same] == [truth[1][i] for i in same]


def test_no_event_of_an_attack_without_attackers() -> None:
    """No burst of guesses, and nobody plays all day long."""
    rows = Platform(replace(SPEC, attackers=0.0)).days.day(0)[0]
    assert np.bincount(rows.user[rows.type == Type.LOGIN_FAILED]).max() <= 5
    assert np.bincount(rows.user[rows.type == Type.PLAY]).max() < 430


@pytest.mark.parametrize("users", [1000, 2000, 5000])
@pytest.mark.parametrize("factor", [0.5, 2.0, 10.0])
def test_the_factor_is_exact_for_each_campaign(users: int, factor: float) -> None:
    """Times what the campaign holds at 1, to within one account; whole factors exactly."""
    one = SimulationSpec(users=users).crew_sizes()
    assert one == [c.size(users) for c in DEFAULT_CAMPAIGNS]
    for size, many in zip(one, SimulationSpec(users=users, attackers=factor).crew_sizes(), strict=True):
        assert many == factor * size if factor.is_integer() else abs(many - factor * size) < 1


@pytest.mark.parametrize(("users", "sizes"), [(500, [1, 0, 0, 0, 0, 0]), (2000, [1, 1, 1, 1, 1, 0])])
def test_small_factors_leave_campaigns_out_rather_than_the_sum_wrong(users: int, sizes: list[int]) -> None:
    """A tenth of 12 and of 50 accounts; of campaigns of one size the first ones."""
    spec = SimulationSpec(users=users, attackers=0.1)
    assert spec.crew_sizes() == sizes
    attackers = [r for r in Platform(spec).truth() if r["is_attacker"]]
    assert len(attackers) == sum(sizes)
    assert len({r["campaign"] for r in attackers}) == sum(s > 0 for s in sizes)


def test_too_many_attackers_are_refused() -> None:
    """With the factor, which may be why."""
    with pytest.raises(ConfigError, match="550 of 2000 accounts at attackers = 11; at most a quarter"):
        replace(SPEC, attackers=11.0)


def test_an_attack_after_the_end_is_refused() -> None:
    """Nobody wants to wait for it; attackers = 0 is how to have none."""
    with pytest.raises(ConfigError, match="attack_day is 5, but the simulation ends on day 4"):
        replace(SPEC, attack_day=5)


def test_nothing_of_an_attack_shows_before_its_day(late: Platform) -> None:
    """Stolen accounts live, unseen from the thief's device; signed-up ones do not exist; bots are quiet people."""
    both = Rows.concat([late.days.day(d)[0] for d in range(2)])
    day = late.days.day(2)[0]
    for campaign, crew in late.world.crews:
        before = both.take(np.isin(both.user, crew.user))
        assert (crew.start_us >= late.spec.start_us + 2 * DAY_US + campaign.start_us).all()
        if campaign.name == "sign_up_farm":
            assert not len(before)
        elif campaign.takes_over:
            assert not np.isin(before.device, crew.device).any()
            assert not np.isin(before.ip, crew.ip).any()
            assert len(np.unique(before.user)) > 0.9 * len(crew)
            assert np.bincount(before.user[before.type == Type.PLAY]).sum() > 20 * len(crew)
        else:
            assert np.isin(before.track, crew.tracks).mean() < 0.2  # people find some of 20,000 tracks, too
            assert len(before) < 20 * len(crew)
        assert (np.isin(day.user, crew.user) & np.isin(day.track, crew.tracks)).sum() > 50 * len(crew)


def test_the_day_of_the_attack_is_like_the_first_day_of_one(late: Platform) -> None:
    """The same campaigns in the same strength, two days later."""
    early = Platform(SPEC)
    for (_, crew), (campaign, first) in zip(late.world.crews, early.world.crews, strict=True):
        assert len(crew) == len(first) == campaign.size(SPEC.users)
        assert (crew.start_us.mean() - first.start_us.mean()) / HOUR_US == pytest.approx(48, abs=1)
    assert {r["campaign"] for r in late.truth()} == {r["campaign"] for r in early.truth()}


@pytest.mark.parametrize("attack_day", [1, 3])
def test_truth_says_when_the_first_event_of_the_attack_is(attack_day: int) -> None:
    """Read from the events: the first guess, the sign-up, the first play of the owner's (or a decoy just before)."""
    platform = Platform(replace(SPEC, attack_day=attack_day))
    truth = platform.truth()
    days = Rows.concat([platform.days.day(d)[0] for d in range(attack_day - 1, attack_day + 1)])
    later = 0
    for campaign, crew in platform.world.crews:
        for at, user in enumerate(crew.user.tolist()):
            record = truth[user]
            assert record["is_attacker"]
            assert record["role"] == record["campaign"] == campaign.name
            mine = days.take(days.user == user)
            if campaign.takes_over:
                guess = mine.take((mine.type == Type.LOGIN_FAILED) & (mine.ip == crew.ip[at]))
                assert record["start_us"] == guess.time_us.min()
            elif campaign.name == "sign_up_farm":
                assert record["start_us"] == mine.time_us[mine.type == Type.SIGN_UP] == mine.time_us[0]
            else:
                first_us = mine.time_us[np.isin(mine.track, crew.tracks) & (mine.time_us >= crew.start_us[at])].min()
                assert record["start_us"] in mine.time_us
                assert first_us - HOUR_US < record["start_us"] <= first_us
                later += int(record["start_us"] - crew.start_us[at] > HOUR_US)
    assert later > 0  # some are asleep when their campaign begins
    people = [r for r in truth if not r["is_attacker"]]
    assert {r["campaign"] for r in people} == {None}
    assert {r["start_us"] for r in people} == {SPEC.start_us}


def test_a_large_attack_is_several_campaigns_of_its_kind() -> None:
    """Of at most campaign_accounts each, with nothing in common: neither tracks nor owners, addresses nor devices."""
    one, many = Platform(SPEC), Platform(replace(SPEC, attackers=10.0, duration_us=DAY_US))
    assert {c.campaign_id for c, _ in one.world.crews} == {c.name for c in DEFAULT_CAMPAIGNS}
    crews = [crew for _, crew in many.world.crews]
    assert {len(crew) for crew in crews} == {20, 25}
    assert len(crews) == 6 * 4
    for table in ("user", "tracks", "ip", "device"):
        assert len(np.unique(np.concatenate([np.unique(getattr(crew, table)) for crew in crews]))) == sum(
            len(np.unique(getattr(crew, table))) for crew in crews
        )
    holders = [np.unique(many.world.catalogue.holder[many.world.catalogue.artist[crew.tracks]]) for crew in crews]
    assert len(np.unique(np.concatenate(holders))) == sum(map(len, holders))
    truth = [r for r in many.truth() if r["is_attacker"]]
    assert {(r["role"], r["campaign"]) for r in truth} == {(c.name, c.campaign_id) for c, _ in many.world.crews}
    rows = many.days.day(0)[0]
    plays = rows.take(rows.type == Type.PLAY)
    first_us = {c.name: c.start_us for c in DEFAULT_CAMPAIGNS}
    for campaign, crew in many.world.crews:
        assert 0 <= campaign.start_us - first_us[campaign.name] <= 6 * HOUR_US
        listeners = np.unique(plays.user[np.isin(plays.track, crew.tracks)])
        assert np.isin(crew.user, listeners).all()
        if campaign.number > 1 or campaign.name == "spread_thin":  # people come across the first one's 1,000 artists
            assert np.isin(listeners, crew.user).all() == (campaign.number > 1)


def test_there_are_at_most_16_campaigns_of_a_kind() -> None:
    """Then they become larger; their sizes differ by one at most, and add up."""
    spec = replace(SPEC, users=20_000, campaign_accounts=3)
    by_kind: dict[str, list[int]] = {}
    for campaign, size in spec.crews():
        by_kind.setdefault(campaign.name, []).append(size)
    assert {len(sizes) for sizes in by_kind.values()} == {16}
    assert [sum(sizes) for sizes in by_kind.values()] == spec.crew_sizes()
    assert all(max(sizes) - min(sizes) <= 1 for sizes in by_kind.values())


def test_truth_does_not_depend_on_what_was_asked_before() -> None:
    """Before any day, after the last, and after all of them."""
    fresh, last, every = (Platform(replace(SPEC, attack_day=2)) for _ in range(3))
    last.days.day(3)
    for number in range(4):
        every.days.day(number)
    assert fresh.truth() == last.truth() == every.truth()
