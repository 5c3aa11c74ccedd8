"""Genuine listening against the figures measured on real histories (docs of flows.simulate.listening)."""

import os
from pathlib import Path

import numpy as np
import pytest

from flows.simulate.geography import ZONE_US
from flows.simulate.people import PERSONA_SHARES, Persona
from flows.simulate.platform import Platform
from flows.simulate.rows import Rows, Type
from state.types import HOUR_US, MINUTE_US

DATA = Path(os.environ.get("DRIFTNET_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
HISTORIES = DATA / "listening" / "spotify_account_exports.parquet"


@pytest.fixture(scope="module")
def active(platform: Platform, plays: Rows, genuine: np.ndarray) -> Rows:
    """Plays of people who listen on most days, by account and time."""
    mine = plays.take((platform.world.people.active & genuine)[plays.user])
    return mine.take(np.lexsort((mine.time_us, mine.user)))


def test_a_third_of_plays_is_given_up_before_30_seconds(active: Rows) -> None:
    """Real: 32.9 %."""
    assert 0.27 < (active.ms < 30_000).mean() < 0.39


def test_half_of_plays_is_heard_to_the_end(platform: Platform, active: Rows) -> None:
    """Real: 50 % equal the track's length; and little mass lies just above 30 s."""
    assert 0.44 < (active.ms == platform.world.catalogue.ms[active.track]).mean() < 0.60
    assert ((active.ms >= 30_000) & (active.ms < 45_000)).mean() < 0.03


def test_plays_per_day_follow_the_real_quantiles(active: Rows) -> None:
    """Real: 24, 52, 95 at the quartiles, 199 at 95 %, 293 at 99 %; look-alikes included here."""
    count = np.bincount(active.user)
    seen = np.quantile(count[count > 0], (0.25, 0.5, 0.75, 0.95, 0.99))
    np.testing.assert_allclose(seen, (24, 52, 95, 199, 293), rtol=0.3)


def test_most_of_the_platform_hardly_listens(plays: Rows, genuine: np.ndarray) -> None:
    """Two thirds at most two streams of 30 s in the day, three quarters at most 25 plays, yet somebody has over 250."""
    streams = np.bincount(plays.user[plays.ms >= 30_000], minlength=len(genuine))[genuine]
    count = np.bincount(plays.user, minlength=len(genuine))[genuine]
    assert 0.60 < (streams <= 2).mean() < 0.80
    assert np.quantile(count, 0.75) <= 25
    assert count.max() > 250


def test_skips_come_in_runs(active: Rows) -> None:
    """Real: 66 % after a skip, 17 % after none."""
    same, short = np.diff(active.user) == 0, active.ms < 30_000
    after_skip, after_none = short[1:][same & short[:-1]].mean(), short[1:][same & ~short[:-1]].mean()
    assert 0.5 < after_skip < 0.75
    assert 0.1 < after_none < 0.25


def test_gaps_are_mostly_none_and_heavy_tailed(active: Rows) -> None:
    """The next track follows at once; one gap in 20 is minutes long, one in 100 hours."""
    same = np.diff(active.user) == 0
    gap_s = (active.time_us[1:] - active.ms[1:] * 1000 - active.time_us[:-1])[same & ~active.offline[1:]] / 1e6
    assert np.median(gap_s) < 2
    assert np.quantile(gap_s, 0.95) > 60
    assert np.quantile(gap_s, 0.99) > 3600


def test_taste_is_concentrated_but_wide(platform: Platform, active: Rows, role: np.ndarray) -> None:
    """Of people with 20 plays: top artist about 17 % of plays, artists per play 0.5, tracks per play 0.85 (medians)."""
    found = []
    for user in np.flatnonzero((np.bincount(active.user, minlength=len(role)) >= 20) & (role == "person")):
        track = active.track[active.user == user]
        artists = np.unique(platform.world.catalogue.artist[track], return_counts=True)[1]
        found.append((artists.max() / len(track), len(artists) / len(track), len(np.unique(track)) / len(track)))
    np.testing.assert_allclose(np.median(found, axis=0), (0.17, 0.5, 0.85), rtol=0.2)


def test_people_play_one_track_at_a_time(platform: Platform, active: Rows) -> None:
    """Except offline, and where two share an account."""
    shared = platform.world.people.shares_account
    alone = active.take(~active.offline & ~shared[active.user])
    overlap_us = (alone.time_us[:-1] - (alone.time_us[1:] - alone.ms[1:] * 1000))[np.diff(alone.user) == 0]
    assert (overlap_us > 0).mean() < 0.001
    both = active.take(~active.offline & shared[active.user])
    assert ((both.time_us[:-1] - (both.time_us[1:] - both.ms[1:] * 1000))[np.diff(both.user) == 0] > 0).any()


def test_every_persona_is_there_in_number(role: np.ndarray) -> None:
    """The declared share of the accounts each."""
    for persona, share in PERSONA_SHARES.items():
        assert (role == persona.name.lower()).sum() == max(2, round(share * len(role)))


def test_sleep_music_plays_one_or_few_tracks_all_night_in_full(platform: Platform, plays: Rows) -> None:
    """At least 15 of the 24 hours' nights hold over 60 full plays of at most four tracks."""
    who = platform.world.people.are(Persona.SLEEP_MUSIC)
    sleep = plays.take(np.isin(plays.user, who) & np.isin(plays.track, platform.world.catalogue.sleep_tracks))
    assert (sleep.ms == platform.world.catalogue.ms[sleep.track]).mean() > 0.95
    per = [np.unique(sleep.track[sleep.user == u], return_counts=True)[1] for u in who]
    assert np.median([p.sum() for p in per]) > 60
    assert np.median([len(p) for p in per]) <= 4


def test_super_fans_play_much_of_one_artist(platform: Platform, plays: Rows) -> None:
    """Medians: over 150 plays, nine of ten by one artist, with a human share of skips."""
    found = []
    for user in platform.world.people.are(Persona.SUPER_FAN):
        mine = plays.take(plays.user == user)
        top = np.bincount(platform.world.catalogue.artist[mine.track]).max() / len(mine)
        found.append((len(mine), top, (mine.ms < 30_000).mean()))
    count, top, short = np.median(found, axis=0)
    assert count > 150
    assert top > 0.85
    assert short > 0.1


def test_release_day_fans_loop_the_new_album(platform: Platform, plays: Rows) -> None:
    """Everybody plays most of it, the median person more than three rounds."""
    album = platform.world.catalogue.new_album
    who = platform.world.people.are(Persona.RELEASE_DAY)
    mine = plays.take(np.isin(plays.user, who) & np.isin(plays.track, album))
    assert np.median(np.bincount(mine.user)[who]) > 3 * len(album)


def test_offline_plays_burst_into_one_minute(platform: Platform, day: Rows, plays: Rows) -> None:
    """At most 90 of them, some with more than 50; all are plays, and sync in order."""
    offline = plays.take(plays.offline)
    assert (day.type[day.offline] == Type.PLAY).all()
    burst = [offline.time_us[offline.user == u] for u in platform.world.people.are(Persona.OFFLINE_SYNC)]
    sizes = [len(b) for b in burst]
    assert 50 < max(sizes) <= 90
    assert all(np.ptp(b) < MINUTE_US for b in burst if len(b))


def test_a_family_shares_an_address_and_so_does_a_dormitory(platform: Platform) -> None:
    """Up to four accounts at a family's home, about 40 behind a NAT, one elsewhere."""
    people = platform.world.people
    size = np.bincount(people.home)
    for persona, most in ((Persona.FAMILY_MEMBER, 4), (Persona.NAT_USER, 40)):
        assert size[people.home[people.are(persona)]].max() == most
    assert {platform.world.people.plan[u] for u in people.are(Persona.FAMILY_MEMBER)} == {2}


def test_travellers_arrive_in_another_country(platform: Platform, plays: Rows) -> None:
    """After landing all plays come from one foreign country; none is streamed in the air."""
    world, people = platform.world, platform.world.people
    for user in people.are(Persona.TRAVELLER):
        mine = plays.take((plays.user == user) & ~plays.offline)
        after = mine.time_us >= people.arrive_us[user]
        assert not ((mine.time_us >= people.depart_us[user]) & ~after).any()
        assert set(world.country[mine.ip[after]].tolist()) <= {world.country[people.guest[user]]}
        assert world.country[people.guest[user]] != people.country[user]


def test_nobody_acts_before_signing_up(platform: Platform, day: Rows) -> None:
    """A new account's first event is its sign-up."""
    assert (day.time_us >= platform.world.people.created_us[day.user]).all()
    for at in np.flatnonzero(day.type == Type.SIGN_UP):
        assert (day.time_us[day.user == day.user[at]] >= day.time_us[at]).all()


@pytest.mark.skipif(not HISTORIES.exists(), reason=f"needs the real histories, {HISTORIES} (set DRIFTNET_DATA)")
def test_real_histories_agree(active: Rows) -> None:
    """Quantiles of plays per day and of listening time, and the share of short plays, lie near those of 13 people."""
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(HISTORIES)
    real_ms = table["ms_played"].to_numpy()
    user = table["user"].combine_chunks().indices.to_numpy().astype(np.int64)
    real_count = np.unique(user * 10**6 + table["end_ts"].to_numpy() // 86_400, return_counts=True)[1]
    count = np.bincount(active.user)
    levels = (0.25, 0.5, 0.75, 0.9, 0.95)
    np.testing.assert_allclose(np.quantile(count[count > 0], levels), np.quantile(real_count, levels), rtol=0.3)
    assert abs((real_ms < 30_000).mean() - (active.ms < 30_000).mean()) < 0.06
    np.testing.assert_allclose(np.quantile(active.ms, (0.5, 0.7, 0.9)), np.quantile(real_ms, (0.5, 0.7, 0.9)), rtol=0.1)


def test_evenings_are_busier_than_nights(platform: Platform, active: Rows) -> None:
    """In local time."""
    local = (active.time_us + ZONE_US[platform.world.people.country[active.user]]) // HOUR_US % 24
    count = np.bincount(local, minlength=24)
    assert count[17:21].sum() > 2 * count[2:6].sum()
