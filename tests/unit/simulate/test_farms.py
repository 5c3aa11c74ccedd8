"""Farms: as many plays as asked for, in people's hours, on tracks that others hear, from the places they should."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import pairwise

import numpy as np
import pytest

from flows.simulate.campaigns.base import Crew
from flows.simulate.company.farms import FarmCrew
from flows.simulate.config import SimulationSpec
from flows.simulate.figures import figures
from flows.simulate.platform import Platform
from flows.simulate.rows import Rows, Type
from state.types import DAY_US, HOUR_US, MINUTE_US
from tests.unit.simulate.company import accounts_per, begin_us, crews, only, overlaps, own, plays_on, spec

FARMS = ("drip_farm", "partitioned_farm", "aged_farm", "residential_farm", "phone_farm", "lockstep_farm")
SHUFFLED = FARMS[:-1]


@pytest.fixture(scope="module")
def platform() -> Platform:
    """All farms, about 30 accounts each in two campaigns, with the default settings."""
    return Platform(only(spec(), *FARMS, share=0.01))


@pytest.fixture(scope="module")
def plays(platform: Platform) -> Rows:
    """Of the second day, on which all have begun."""
    return plays_on(platform, 1)


def farm_crew(crew: Crew) -> FarmCrew:
    """What it is."""
    assert isinstance(crew, FarmCrew)
    return crew


def block(text: str) -> str:
    """The /24 or /48 that an address lies in."""
    return str(ip_network(f"{text}/{24 if ip_address(text).version == 4 else 48}", strict=False))


def texts(platform: Platform) -> list[str]:
    """All addresses."""
    assert platform.world.layout is not None
    return platform.world.layout.texts(platform.spec.seed)


def test_accounts_play_20_to_500_times_inside_a_persons_day(platform: Platform, plays: Rows) -> None:
    """Log-uniform, so the median is near 100; nobody plays in more than 19 of 24 hours, or two things at once."""
    crew = np.concatenate([c.user for _, c in platform.world.crews])
    mine = plays.take(np.isin(plays.user, crew) & ~platform.world.people.shares_account[plays.user] & ~plays.offline)
    assert overlaps(mine) == 0
    count = np.bincount(mine.user)[np.unique(mine.user)]
    assert np.quantile(count, 0.05) > 10
    assert 60 < np.median(count) < 160
    assert 250 < count.max() < 520
    hours = np.unique(np.stack((mine.user, mine.time_us // HOUR_US)), axis=1)[0]
    assert np.bincount(hours).max() <= 19


@pytest.mark.parametrize("each", [30.0, 120.0])
def test_plays_and_decoys_are_those_asked_for(each: float) -> None:
    """With equal ends every account and campaign is alike, in step or not."""
    fixed = Platform(only(spec(plays=(each, each), decoys=(0.4, 0.4)), "aged_farm", "lockstep_farm", share=0.02))
    plays = plays_on(fixed, 1)
    for _, crew in fixed.world.crews:
        mine = plays.take(np.isin(plays.user, crew.user))
        assert len(mine) / len(crew) == pytest.approx(0.93 * each, rel=0.2)
        assert len(own(plays, crew)) / len(mine) == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize("organic", [0.0, 0.25, 1.5])
def test_organic_listeners_are_as_many_as_asked_for(organic: float) -> None:
    """Per play of the campaign, and a third of it from a few; none of them is an attacker."""
    asked = Platform(only(spec(organic=(organic, organic), plays=(50, 50)), *SHUFFLED, share=0.01))
    plays = plays_on(asked, 1)
    assert asked.world.company is not None
    for campaign, crew in asked.world.crews:
        others = np.isin(plays.track, crew.tracks) & ~np.isin(plays.user, crew.user)
        mean = asked.world.company.farms[0][0].daily_plays(farm_crew(crew))  # all shuffled ones' are alike
        assert others.sum() / mean == pytest.approx(organic, abs=0.05 + 0.2 * organic)
        many, heavy = asked.world.company.organic[campaign.campaign_id]
        assert not np.isin(crew.user, np.concatenate((many.listeners, heavy.listeners))).any()
        if organic:
            few = np.isin(plays.user[others], heavy.listeners).mean()
            assert few == pytest.approx(0.3, abs=0.1)
            assert organic < 1 or len(heavy.listeners) < len(many.listeners) / 5


def test_hardly_a_track_is_the_campaigns_alone(platform: Platform, plays: Rows) -> None:
    """With a quarter organic; in the plain world nine plays in ten are of tracks that nobody else hears."""
    asked = Platform(only(spec(organic=(0.25, 0.25)), *FARMS, share=0.01))
    for found in figures(asked.world, plays_on(asked, 1))[:-1]:
        assert found.unheard < 0.45, found.kind
        assert found.organic > 0.15, found.kind
    plain = Platform(SimulationSpec(users=3000, duration_us=2 * DAY_US, seed=5))
    assert min(found.unheard for found in figures(plain.world, plays_on(plain, 1))[:-1]) > 0.7
    kinds = {found.kind: found for found in figures(platform.world, plays)}
    assert set(kinds) == {*FARMS, "people"}
    assert np.mean([kinds[kind].own for kind in FARMS]) == pytest.approx(0.45, abs=0.15)


def test_figures_are_what_counting_one_by_one_says(platform: Platform, plays: Rows) -> None:
    """Of a kind with two campaigns: each is outside for the other."""
    found = {f.kind: f for f in figures(platform.world, plays)}
    for kind in ("partitioned_farm", "phone_farm"):
        own = alone = others = all_plays = 0
        counts, per_device = [], []
        for _, crew in crews(platform, kind):
            members, tracks = set(crew.user.tolist()), set(crew.tracks.tolist())
            heard = list(zip(plays.user.tolist(), plays.track.tolist(), plays.device.tolist(), strict=True))
            outside = {track for user, track, _ in heard if track in tracks and user not in members}
            own += sum(user in members and track in tracks for user, track, _ in heard)
            alone += sum(user in members and track in tracks - outside for user, track, _ in heard)
            others += sum(user not in members and track in tracks for user, track, _ in heard)
            counts += [n for user in members if (n := sum(user == u for u, _, _ in heard))]
            all_plays += sum(user in members for user, _, _ in heard)
            of_device = accounts_per(plays.device, plays.user)
            per_device += [of_device[device] for user, _, device in heard if user in members]
        figure = found[kind]
        assert (figure.campaigns, figure.accounts) == (2, sum(len(crew) for _, crew in crews(platform, kind)))
        assert figure.unheard == pytest.approx(alone / own)
        assert figure.organic == pytest.approx(others / own)
        assert figure.own == pytest.approx(own / all_plays)
        assert figure.per_device == np.median(per_device)
        assert figure.plays == pytest.approx(np.quantile(counts, (0.1, 0.5, 0.9)))


def test_partitioned_accounts_have_few_tracks_in_common(platform: Platform, plays: Rows) -> None:
    """A tenth of the tracks each, together most of them; other farms' accounts share theirs."""
    for name, tenth in (("partitioned_farm", True), ("aged_farm", False)):
        for _, crew in crews(platform, name):
            mine = own(plays, crew)
            heard = [np.unique(mine.track[mine.user == user]) for user in crew.user]
            assert len(np.unique(mine.track)) > 0.6 * len(crew.tracks)
            most = max(map(len, heard))
            assert most <= len(crew.tracks) / 10 if tenth else most > len(crew.tracks) / 4


@pytest.mark.parametrize("jitter_us", [0, 10 * MINUTE_US, HOUR_US])
def test_lockstep_accounts_begin_the_same_play_within_the_jitter(jitter_us: int) -> None:
    """All of them, over the whole jitter, in the same order; shuffled ones do not."""
    asked = Platform(only(spec(jitter_us=(jitter_us, jitter_us)), "lockstep_farm", "aged_farm", share=0.02))
    plays = plays_on(asked, 1)
    rates = {}
    for campaign, crew in asked.world.crews:
        mine = own(plays, crew)
        busiest = np.bincount(mine.user).argmax()
        reference = mine.take(mine.user == busiest)
        mine = mine.take(mine.user != busiest)
        apart_us = np.array(
            [
                np.abs(begin_us(reference)[reference.track == t] - b).min(initial=DAY_US)
                for t, b in zip(mine.track.tolist(), begin_us(mine).tolist(), strict=True)
            ]
        )
        rates.setdefault(campaign.name, []).append((apart_us <= jitter_us + 1000).mean())
        if campaign.name == "lockstep_farm" and jitter_us:
            near = apart_us[apart_us <= jitter_us]
            assert near.max() > 0.6 * jitter_us
    assert min(rates["lockstep_farm"]) > 0.9
    assert max(rates["aged_farm"]) < (0.02 if not jitter_us else 0.4)


def test_operators_share_devices_and_addresses_between_campaigns(platform: Platform, plays: Rows) -> None:
    """Operator 1 runs half of partitioned_farm and lockstep_farm, operator 2 the other half and the second of each."""
    terms = {record["campaign"]: record for record in platform.campaigns()}
    assert terms["partitioned_farm"]["operators"] == [1, 2]
    assert terms["partitioned_farm-2"]["operators"] == terms["lockstep_farm-2"]["operators"] == [2]
    assert terms["aged_farm"]["operators"] == []
    (_, split), (_, second) = crews(platform, "partitioned_farm")
    (_, step), (_, step_2) = crews(platform, "lockstep_farm")
    blocks = [
        {block(texts(platform)[ip]) for ip in np.unique(crew.addresses)} for crew in (split, second, step, step_2)
    ]
    assert [len(found) for found in blocks] == [2, 1, 1, 1]
    assert blocks[0] == blocks[1] | blocks[2]
    assert blocks[1] == blocks[3]
    assert np.isin(split.device, np.concatenate((step.device, step_2.device))).all()
    seen = plays.take(np.isin(plays.user, np.concatenate((split.user, second.user, step.user, step_2.user))))
    per_device = accounts_per(seen.device, seen.user)
    assert 3 <= np.mean(list(per_device.values())) <= 8
    assert max(accounts_per(seen.ip, seen.user).values()) > 5


def test_phones_of_a_farm_have_several_accounts_behind_a_carrier(platform: Platform, plays: Rows) -> None:
    """Four on each, at addresses where hundreds of people are."""
    for _, crew in crews(platform, "phone_farm"):
        assert set(accounts_per(crew.device, crew.user).values()) <= {3, 4}
        mine = plays.take(np.isin(plays.user, crew.user))
        assert set(np.unique(mine.device)) <= set(crew.device.tolist())
        carriers = platform.world.carriers
        gateways = np.concatenate([np.arange(f, f + n) for f, n in zip(carriers.first, carriers.count, strict=True)])
        assert np.isin(mine.ip, gateways).all()
        everybody = accounts_per(plays.ip, plays.user)
        assert max(everybody[ip] for ip in np.unique(mine.ip)) > 20


def test_carrier_addresses_have_hundreds_of_innocents() -> None:
    """In a country with enough people about 500 a day at each."""
    large = Platform(only(spec(users=12_000, days=1), "aged_farm"))
    plays = plays_on(large, 0)
    first, count = large.world.carriers.first[0], large.world.carriers.count[0]
    seen = accounts_per(plays.ip, plays.user)
    assert all(350 < seen[ip] < 700 for ip in range(first, first + count))


def test_residential_farms_play_from_homes_of_people(platform: Platform, plays: Rows) -> None:
    """Many different ones, which their owners use too."""
    crew = np.concatenate([c.user for _, c in platform.world.crews])
    for _, one in crews(platform, "residential_farm"):
        mine = plays.take(np.isin(plays.user, one.user))
        exits = np.unique(mine.ip)
        homes = platform.world.people.home[np.setdiff1d(np.arange(platform.spec.users), crew)]
        assert np.isin(exits, homes).mean() > 0.8
        assert len(exits) > 3 * len(one)
        assert len(np.unique(platform.world.country[exits])) == 1


def test_drip_farms_sign_up_one_by_one_over_a_block() -> None:
    """Over four days, from a /24 or a /48 in which nobody else is, an address each."""
    late = Platform(replace(only(spec(days=5), "drip_farm", share=0.02), attack_day=4))
    rows = Rows.concat([late.days.day(day)[0] for day in range(5)])
    names = texts(late)
    everywhere = np.array([block(text) for text in names])
    versions = []
    for _, crew in crews(late, "drip_farm"):
        made = rows.take((rows.type == Type.SIGN_UP) & np.isin(rows.user, crew.user))
        assert len(made) == len(crew)
        assert np.ptp(made.time_us) > 3 * DAY_US
        assert np.quantile(np.diff(np.sort(made.time_us)), 0.1) > 5 * MINUTE_US
        found = {names[ip] for ip in made.ip}
        assert len(found) == len(crew)
        assert len({block(text) for text in found}) == 1
        inside = np.flatnonzero(everywhere == block(found.pop()))
        assert set(inside.tolist()) == set(np.unique(crew.addresses).tolist())
        versions.append(ip_address(names[crew.ip[0]]).version)
        first = own(rows, crew)
        assert first.time_us.min() > late.spec.attack_us
    assert versions == [4, 6, 4]
    records = {r["user_id"]: r for r in late.truth() if r["is_attacker"]}
    made_us = {late.world.user_id[u]: late.world.people.created_us[u] for _, c in late.world.crews for u in c.user}
    assert all(r["start_us"] == made_us[user] for user, r in records.items())


def test_aged_accounts_live_as_people_before_the_attack() -> None:
    """Made within a night, months ago; from the first day on they listen, to nothing of the owner's."""
    late = Platform(replace(only(spec(days=3), "aged_farm", share=0.02), attack_day=3))
    before, after = plays_on(late, 1), plays_on(late, 2)
    for _, crew in crews(late, "aged_farm"):
        made_us = late.world.people.created_us[crew.user]
        assert np.ptp(made_us) < 8 * HOUR_US
        assert late.spec.attack_us - made_us.max() > 59 * DAY_US
        assert np.isin(crew.user, before.user).mean() > 0.8
        assert 10 < np.isin(before.user, crew.user).sum() / len(crew) < 60
        assert len(own(before, crew)) == 0
        assert len(own(after, crew)) > 5 * len(crew)


def test_the_other_kinds_are_thinned() -> None:
    """Half of the plays is left, log-ins all; farms are not."""
    whole, half = (
        Platform(only(spec(users=2000, thinned=t), "loop_bot", "playlist_farm", "aged_farm")) for t in (1, 0.5)
    )
    for (campaign, crew), (_, same) in zip(whole.world.crews, half.world.crews, strict=True):
        assert (crew.user == same.user).all()
        ratio = len(own(plays_on(half, 1), crew)) / len(own(plays_on(whole, 1), crew))
        assert ratio == pytest.approx(1 if campaign.name == "aged_farm" else 0.5, abs=0.06)


def test_campaigns_of_a_kind_are_at_least_two(platform: Platform) -> None:
    """With ids, tracks and accounts of their own."""
    ids = [c.campaign_id for c, _ in platform.world.crews]
    assert len(set(ids)) == len(ids)
    for name in FARMS:
        assert len(crews(platform, name)) == 2
    tracks = [set(crew.tracks.tolist()) for _, crew in platform.world.crews]
    assert all(one.isdisjoint(other) for one, other in pairwise(tracks))


def test_truth_names_campaigns_and_when_they_played(platform: Platform) -> None:
    """Counted from the events of both days; an attacker begins with its first play of the campaign's tracks."""
    both = Rows.concat([plays_on(platform, day) for day in range(2)])
    truth = platform.truth()
    records = {record["campaign"]: record for record in platform.campaigns()}
    for campaign, crew in platform.world.crews:
        record = records[campaign.campaign_id]
        begun = crew.start_us[np.searchsorted(crew.user, own(both, crew).user)] < own(both, crew).time_us
        mine = own(both, crew).take(begun)
        assert record["plays"] == len(mine) > 0
        assert (record["role"], record["accounts"], record["tracks"]) == (campaign.name, len(crew), len(crew.tracks))
        times_us = np.sort(mine.time_us)
        assert record["percentiles_us"][0] == times_us[0]
        assert record["percentiles_us"][-1] == times_us[-1]
        assert abs(np.searchsorted(times_us, record["percentiles_us"][50]) - len(mine) / 2) <= 1
        for user in crew.user.tolist():
            assert truth[user]["crowd"] is None
            if not campaign.signs_up and truth[user]["is_attacker"]:
                assert truth[user]["campaign"] == campaign.campaign_id
                assert truth[user]["start_us"] == mine.time_us[mine.user == user].min()
    assert records["lockstep_farm"]["jitter_us"] <= HOUR_US
    assert records["partitioned_farm"]["partitions"] == 10
    assert 0.3 <= records["aged_farm"]["decoys"] <= 0.8
    assert records["aged_farm"]["jitter_us"] is None
