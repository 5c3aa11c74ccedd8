"""Each campaign shows what its kind is known for, and nothing gives its accounts away but what they do."""

import numpy as np
import pytest

from flows.simulate.campaigns import DEFAULT_CAMPAIGNS
from flows.simulate.campaigns.base import Crew
from flows.simulate.config import SimulationSpec
from flows.simulate.people import CLIENTS, PLANS
from flows.simulate.platform import Platform
from flows.simulate.rows import Rows, Type
from state.types import DAY_US, HOUR_US, MINUTE_US


def crew_of(platform: Platform, name: str) -> Crew:
    """The accounts of a campaign."""
    return next(crew for campaign, crew in platform.world.crews if campaign.name == name)


def acts(platform: Platform, plays: Rows, name: str) -> list[Rows]:
    """Each account's plays of the owner's tracks, by time."""
    crew = crew_of(platform, name)
    mine = plays.take(np.isin(plays.track, crew.tracks))
    return [mine.take(mine.user == user) for user in crew.user]


def per_day(acts: Rows) -> float:
    """Plays per day at the pace from the first to the last."""
    return len(acts) * DAY_US / max(1, int(acts.time_us[-1] - acts.time_us[0]))


@pytest.mark.parametrize("campaign", DEFAULT_CAMPAIGNS, ids=lambda c: c.name)
def test_campaigns_begin_between_two_and_ten_and_go_on_to_the_end(platform: Platform, plays: Rows, campaign) -> None:  # type: ignore[no-untyped-def]
    """Every account acts after its own start, and the campaign is at work in the day's last two hours."""
    crew, start_us = crew_of(platform, campaign.name), platform.spec.start_us
    assert len(crew) == campaign.size(platform.spec.users)
    assert ((crew.start_us >= start_us + 2 * HOUR_US) & (crew.start_us <= start_us + 10 * HOUR_US)).all()
    seen = acts(platform, plays, campaign.name)
    early = sum(int((a.time_us < first).sum()) for a, first in zip(seen, crew.start_us, strict=True))
    assert early < 0.001 * sum(map(len, seen))  # chance finds of the account's own listening
    assert max(a.time_us[-1] for a in seen) > start_us + 23 * HOUR_US
    assert max(a.time_us[-1] for a in seen) < start_us + DAY_US


def test_attackers_are_two_to_three_percent_with_ids_like_everybody(platform: Platform) -> None:
    """Their numbers are spread over the whole range, and ids are random digits of one length."""
    truth = platform.truth()
    attackers = np.flatnonzero([r["is_attacker"] for r in truth])
    assert 0.02 <= len(attackers) / len(truth) <= 0.03
    assert 0.4 < attackers.mean() / len(truth) < 0.6
    assert len({r["user_id"] for r in truth}) == len(truth)
    assert {len(r["user_id"]) for r in truth} == {11}


def test_loop_bot(platform: Platform, plays: Rows) -> None:
    """Few tracks of one artist, one or two durations, free plan, desktop or web, hundreds of plays."""
    world = platform.world
    crew = crew_of(platform, "loop_bot")
    for a in acts(platform, plays, "loop_bot"):
        assert len(np.unique(a.track)) <= 12
        assert np.sort(np.bincount(a.ms // 1000))[-2:].sum() > 0.98 * len(a)
        assert per_day(a) > 400
    assert {PLANS[p] for p in world.people.plan[crew.user]} == {"free"}
    assert {CLIENTS[c] for c in world.client[crew.device]} <= {"desktop", "web"}
    few = [len(np.unique(a.track)) <= 3 for a in acts(platform, plays, "loop_bot")]
    assert np.mean(few) > 0.5


def test_thirty_second_farm(platform: Platform, plays: Rows) -> None:
    """Each play is cut at 31 to 37 s; 450 to 2,000 plays a day, naps aside."""
    for a in acts(platform, plays, "thirty_second_farm"):
        assert ((a.ms >= 31_000) & (a.ms <= 37_000)).mean() > 0.99
        assert 200 < per_day(a) < 2200


def test_spread_thin(platform: Platform, plays: Rows) -> None:
    """One full play per about 136 s round the clock, hardly a track twice, three owners, family plans, no skips."""
    world = platform.world
    crew = crew_of(platform, "spread_thin")
    seen = acts(platform, plays, "spread_thin")
    assert 120 < np.median(np.concatenate([np.diff(a.time_us) for a in seen])) / 1e6 < 150
    assert 450 < np.median([per_day(a) for a in seen]) < 680
    for a in seen:
        assert (a.ms == world.catalogue.ms[a.track]).mean() > 0.99  # people find these tracks too, now and then
        assert len(np.unique(a.track)) > 0.95 * len(a)
    owners = np.unique(world.catalogue.holder[world.catalogue.artist[crew.tracks]])
    assert len(owners) == 3
    assert len(crew.tracks) == 20_000
    assert {PLANS[p] for p in world.people.plan[crew.user]} == {"family"}


def test_playlist_farm(platform: Platform, plays: Rows) -> None:
    """The owner's playlist of short tracks in order, from the top again, in full."""
    crew = crew_of(platform, "playlist_farm")
    for a in acts(platform, plays, "playlist_farm"):
        step = np.diff(a.track - crew.tracks[0]) % len(crew.tracks)
        assert (step == 1).mean() > 0.95
        assert (a.context == crew.playlist).mean() > 0.99
        assert 30_000 < a.ms.min() <= a.ms.max() <= 60_000
        assert len(a) > 500


def test_account_takeover(platform: Platform, day: Rows, plays: Rows) -> None:
    """A burst of failed log-ins from abroad, a new device, then one owner's plays among those of the person."""
    world, crew = platform.world, crew_of(platform, "account_takeover")
    overlaps = 0
    for user, start_us, device, ip in zip(crew.user, crew.start_us, crew.device, crew.ip, strict=True):
        mine = day.take(day.user == user)
        burst = mine.take((mine.type == Type.LOGIN_FAILED) & (mine.ip == ip))
        assert len(burst) >= 5
        assert start_us - 1000 <= burst.time_us[0] <= burst.time_us[-1] < start_us + 3 * MINUTE_US
        entry = mine.time_us[(mine.type == Type.LOGIN_OK) & (mine.device == device)]
        assert entry[0] > burst.time_us[-1]
        assert world.country[ip] != world.people.country[user]
        assert device not in mine.device[mine.time_us < start_us]
        play = plays.take(plays.user == user)
        begin_us = play.time_us - play.ms * 1000
        overlaps += int((begin_us[1:] < play.time_us[:-1]).sum())
        assert (play.device[np.isin(play.track, crew.tracks)] == device).mean() > 0.95  # people find them, too
    genuine = [(~np.isin(plays.track[plays.user == u], crew.tracks)).sum() for u in crew.user]
    assert np.median(genuine) > 10
    assert overlaps > len(crew)


def test_sign_up_farm(platform: Platform, day: Rows, plays: Rows) -> None:
    """Sign-ups within 20 minutes from a few addresses, nothing before, then hundreds of like plays each."""
    crew = crew_of(platform, "sign_up_farm")
    made = day.take((day.type == Type.SIGN_UP) & np.isin(day.user, crew.user))
    assert len(made) == len(crew)
    assert np.ptp(made.time_us) < 20 * MINUTE_US
    assert len(np.unique(made.ip)) <= -(-len(crew) // 8)
    assert np.median([len(a) for a in acts(platform, plays, "sign_up_farm")]) > 150
    assert all(len(np.unique(a.track)) <= 200 for a in acts(platform, plays, "sign_up_farm"))


@pytest.mark.parametrize("name", ["loop_bot", "thirty_second_farm", "spread_thin", "playlist_farm", "sign_up_farm"])
def test_attackers_disguise_themselves(platform: Platform, plays: Rows, name: str) -> None:
    """They mix in popular tracks, vary their gaps, and some are silent for hours."""
    crew = crew_of(platform, name)
    mine = plays.take(np.isin(plays.user, crew.user) & (plays.time_us > crew.start_us.max()))
    other = (~np.isin(mine.track, crew.tracks)).mean()
    assert 0 < other < 0.15
    gaps_us = [np.diff(mine.time_us[mine.user == u]) for u in crew.user]
    assert min(g.std() / g.mean() for g in gaps_us) > 0.05
    assert max(g.max() for g in gaps_us) > HOUR_US


def test_a_campaign_that_has_not_begun_is_not_in_the_truth() -> None:
    """Its accounts are still people."""
    truth = Platform(SimulationSpec(users=300, duration_us=HOUR_US)).truth()
    assert not any(r["is_attacker"] for r in truth)
