"""Innocent company: crowds do together what campaigns do, and the truth has them as people."""

from collections import Counter
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest

from flows.simulate.calendar import day_of
from flows.simulate.company.crowds import CROWDS, EditorialPlaylist, LocalBand, SchoolClass, ShopChain, ShopStaff
from flows.simulate.company.crowds.party import StreamingParty
from flows.simulate.geography import ZONE_US
from flows.simulate.people import CLIENTS, Persona
from flows.simulate.platform import Platform
from flows.simulate.rows import Rows
from state.errors import ConfigError
from state.types import DAY_US, HOUR_US, MINUTE_US
from tests.unit.simulate.company import accounts_per, begin_us, overlaps, plays_on, spec

C = TypeVar("C")


@pytest.fixture(scope="module")
def platform() -> Platform:
    """Two crowds of each kind, no attack."""
    return Platform(replace(spec(users=6000, crowds=1.7), attackers=0.0))


@pytest.fixture(scope="module")
def plays(platform: Platform) -> Rows:
    """Of the first day, a Monday."""
    return plays_on(platform, 0)


def all_of(platform: Platform, kind: type[C]) -> list[C]:
    """The crowds of one kind."""
    assert platform.world.company is not None
    found = [crowd for crowd in platform.world.company.crowds if isinstance(crowd, kind)]
    assert len(found) == 2
    return found


def of(plays: Rows, members: np.ndarray) -> Rows:
    """Their plays."""
    return plays.take(np.isin(plays.user, members))


def test_nobody_is_in_two_crowds_and_the_truth_names_them(platform: Platform) -> None:
    """As people without a campaign; families and shared homes are crowds, too."""
    assert platform.world.company is not None
    members = np.concatenate([crowd.members for crowd in platform.world.company.crowds])
    assert len(members) == len(np.unique(members))
    truth = platform.truth()
    for crowd in platform.world.company.crowds:
        assert len(crowd.members) >= 8
        for user in crowd.members.tolist():
            assert truth[user]["crowd"] == crowd.name
            assert not truth[user]["is_attacker"]
            assert truth[user]["campaign"] is None
    kinds = Counter(str(r["crowd"]).rsplit("-", 1)[0] for r in truth)
    assert {kind.kind for kind in CROWDS} | {"family_member", "nat_user", "None"} == set(kinds)
    people = platform.world.people
    families = [r["crowd"] for r in truth if r["role"] == "family_member"]
    assert Counter(Counter(families).values()).most_common(1)[0][0] == 4
    assert len(people.are(Persona.RELEASE_DAY)) > 20


def test_there_are_none_at_a_factor_of_0() -> None:
    """But households remain, and campaigns' fervent listeners have a name of their own."""
    bare = Platform(spec(crowds=0.0))
    assert bare.world.company is not None
    assert not bare.world.company.crowds
    kinds = {str(r["crowd"]).rsplit("-", 1)[0].split(" of ")[0] for r in bare.truth()}
    assert kinds == {"None", "family_member", "nat_user", "listeners"}
    assert all(r["crowd"] is None for r in bare.truth() if r["is_attacker"])


def test_too_many_crowds_are_refused() -> None:
    """Those who are left do not fill one."""
    with pytest.raises(ConfigError, match=r"company.crowds: a crowd of \d+ is to be made of the \d+ people left"):
        Platform(spec(users=1500, crowds=10.0))


def test_parties_are_in_step_at_home(platform: Platform, plays: Rows) -> None:
    """The same albums in order, begun within three minutes; the first crowd meets on the first day, the second not."""
    party, later = all_of(platform, StreamingParty)
    today = day_of(platform.spec, 0)
    together = Rows.concat(party.acts(platform.world, today, today.rng(f"acts {party.name}")))
    assert not later.acts(platform.world, today, today.rng(f"acts {later.name}"))
    together = together.take(together.time_us < today.from_us + DAY_US)
    there = of(plays, party.members)
    assert np.isin(together.time_us, there.time_us).all()
    assert (platform.world.catalogue.artist[together.track] == party.artist).all()
    guests, at = np.unique(together.user, return_index=True)
    assert len(guests) > 0.6 * len(party.members)
    assert np.ptp(begin_us(together)[at]) < 5 * MINUTE_US
    assert len(np.unique(together.ip)) == len(np.unique(together.device)) == len(guests)
    albums = [together.track[together.user == user].tolist() for user in guests]
    most = max(albums, key=len)
    assert len(most) >= 12
    assert all(album == most[: len(album)] for album in albums)


def test_a_class_shares_its_school_and_its_songs(platform: Platform, plays: Rows) -> None:
    """One address by day, breaks that begin together, a dozen favourites."""
    for school in all_of(platform, SchoolClass):
        people = platform.world.people
        address = np.unique(people.work[school.members])
        assert len(address) == 1
        there = plays.take(plays.ip == address[0])
        assert set(np.unique(there.user)) <= set(school.members.tolist())
        assert len(np.unique(there.user)) > 0.7 * len(school.members)
        songs = there.take(np.isin(there.track, school.songs))
        assert len(songs) > 50
        local_us = (begin_us(songs) + ZONE_US[people.country[school.members[0]]]) % DAY_US
        in_break = np.zeros(len(songs), np.bool_)
        for begin in (9 * HOUR_US + 35 * MINUTE_US, 11 * HOUR_US + 20 * MINUTE_US, 13 * HOUR_US):
            in_break |= (local_us >= begin) & (local_us < begin + 15 * MINUTE_US)
        assert in_break.mean() > 0.9
        one, other = (set(people.favourites[u].tolist()) for u in school.members[:2])
        assert len(one & other) >= 9


def test_shops_play_one_list_all_day(platform: Platform, plays: Rows) -> None:
    """40 accounts, each on its device, open within ten minutes of each other and play on for ten hours."""
    for chain in all_of(platform, ShopChain):
        mine = of(plays, chain.members)
        assert len(chain.members) == 40
        assert np.isin(mine.track, chain.tracks).all()
        assert (mine.context == chain.playlist).all()
        first_us = np.array([begin_us(mine)[mine.user == u].min() for u in chain.members])
        last_us = np.array([mine.time_us[mine.user == u].max() for u in chain.members])
        if np.ptp(first_us) < HOUR_US:  # not over midnight
            assert np.ptp(first_us) <= 10 * MINUTE_US
            assert (last_us - first_us > 9 * HOUR_US).all()
        assert max(accounts_per(mine.device, mine.user).values()) == 1
        assert 5 < max(accounts_per(mine.ip, mine.user).values()) < 20
        others = plays.take(~np.isin(plays.user, chain.members))
        assert np.isin(chain.tracks, others.track).mean() > 0.8  # of artists that everybody hears


def test_staff_share_a_speaker(platform: Platform, plays: Rows) -> None:
    """By day, at the shop's address; nobody else uses it."""
    for staff in all_of(platform, ShopStaff):
        there = plays.take(plays.device == staff.speaker)
        assert 3 <= len(np.unique(there.user)) <= 8
        assert np.isin(there.user, staff.members).all()
        assert CLIENTS[platform.world.client[staff.speaker]] == "speaker"
        assert len(np.unique(there.ip)) == 1


def test_families_share_a_device(platform: Platform, plays: Rows) -> None:
    """A speaker or a television, at home; a third of them on a day by two or more."""
    assert platform.world.company is not None
    shared = platform.world.company.shared
    on_it = plays.take(np.isin(plays.device, np.unique(shared[shared >= 0])))
    assert (shared[on_it.user] == on_it.device).all()
    assert (on_it.ip == platform.world.people.home[on_it.user]).all()
    assert np.mean(np.array(list(accounts_per(on_it.device, on_it.user).values())) >= 2) > 0.15
    assert {CLIENTS[c] for c in platform.world.client[on_it.device]} == {"speaker", "tv"}


def test_an_editorial_playlist_is_heard_in_order(platform: Platform, plays: Rows) -> None:
    """From its top, at any time of the day, by dozens; a tenth of it by artists whom few know."""
    for listeners in all_of(platform, EditorialPlaylist):
        mine = of(plays, listeners.members)
        mine = mine.take((mine.context == listeners.playlist) & np.isin(mine.track, listeners.tracks))
        assert len(np.unique(mine.user)) > 25
        order = np.lexsort((mine.time_us, mine.user))
        steps = np.diff(np.searchsorted(np.sort(listeners.tracks), mine.track[order]))
        place = {int(t): i for i, t in enumerate(listeners.tracks)}
        steps = np.diff([place[int(t)] for t in mine.track[order]])
        assert (steps == 1).mean() > 0.6
        assert np.ptp(mine.time_us) > 12 * HOUR_US


def test_a_local_band_has_an_audience_of_its_own(platform: Platform, plays: Rows) -> None:
    """Nobody else hears it; a few play little else."""
    for band in all_of(platform, LocalBand):
        of_band = plays.take(np.isin(plays.track, band.tracks))
        assert len(of_band) > 150
        assert np.isin(of_band.user, band.members).mean() > 0.98
        assert len(np.unique(of_band.user)) > 25
        assert np.isin(of_band.user, band.mates).mean() > 0.3
        assert len(np.unique(platform.world.catalogue.holder[platform.world.catalogue.artist[band.tracks]])) == 1
    one, other = all_of(platform, LocalBand)
    assert not np.isin(one.tracks, other.tracks).any()


def test_crowds_of_one_place_live_in_its_country(platform: Platform) -> None:
    """Home and school, shop or speaker: nobody commutes across a border."""
    people, country = platform.world.people, platform.world.country
    for kind in (SchoolClass, ShopChain, ShopStaff):
        for crowd in all_of(platform, kind):
            homes, works = country[people.home[crowd.members]], country[people.work[crowd.members]]
            assert len({*homes.tolist(), *works.tolist(), *people.country[crowd.members].tolist()}) == 1


def test_what_is_done_together_leaves_no_time_for_anything_else(platform: Platform, plays: Rows) -> None:
    """No member of a party, a class or a chain plays two things at once, but for those who share the account."""
    busy = [c.members for kind in (StreamingParty, SchoolClass, ShopChain) for c in all_of(platform, kind)]
    mine = of(plays, np.concatenate(busy))
    alone = mine.take(~platform.world.people.shares_account[mine.user] & ~mine.offline)
    assert overlaps(alone) == 0
