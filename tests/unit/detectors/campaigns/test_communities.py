"""Which coincidences make a campaign, and who is a member."""

from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from detectors.campaigns.coincidence import Coincidences
from detectors.campaigns.communities import review
from detectors.campaigns.evidence import log10_tail
from detectors.campaigns.spec import CampaignSpec
from state.errors import ConfigError
from state.types import HOUR_US

SPEC: Final = CampaignSpec()
Pair = tuple[int, int, int]
"""Two accounts and an object; its parent is object // 20."""


def segment(pairs: set[Pair], end_us: int = HOUR_US, visits: float = 10.0) -> Coincidences:
    low, high, on = (np.array(c, np.int64) for c in zip(*sorted(pairs), strict=True))
    account, object_ = np.unique(np.concatenate([low, high])), np.unique(on)
    return Coincidences(
        end_us, "track 0", "track",
        account.astype(np.uint64), account.astype(str).astype(object),
        object_.astype(np.uint64), object_.astype(str).astype(object),
        (object_ // 20 + 1).astype(np.uint64), np.full(len(object_), visits),
        np.searchsorted(account, low), np.searchsorted(account, high), np.searchsorted(object_, on),
    )  # fmt: skip


def crew(first: int, size: int, objects: int = 100, per_pair: int = 6, seed: int = 1) -> set[Pair]:
    """Accounts of which each two coincide on some of the objects."""
    rng = np.random.default_rng(seed)
    return {
        (a, b, int(o))
        for a in range(first, first + size)
        for b in range(a + 1, first + size)
        for o in rng.choice(objects, per_pair, replace=False)
    }


def chance(accounts: int, pairs: int, seed: int = 2) -> set[Pair]:
    """People who coincide with anybody, on one of many objects."""
    rng = np.random.default_rng(seed)
    found = {(*sorted(rng.choice(np.arange(1000, 1000 + accounts), 2, replace=False)), 5000 + int(rng.integers(3000)))
             for _ in range(pairs)}  # fmt: skip
    return {(int(a), int(b), o) for a, b, o in found}


def members(segments: list[Coincidences], spec: CampaignSpec = SPEC) -> list[list[int]]:
    found = review(segments, spec)
    return sorted(found.evidence.account[c.members].tolist() for c in found.communities)


def heard_elsewhere(objects: set[int], often: int) -> set[Pair]:
    """Pairs of people on each of some objects, who have nothing else in common."""
    return {
        (9000 + 2 * (often * i + j), 9001 + 2 * (often * i + j), o)
        for i, o in enumerate(sorted(objects))
        for j in range(often)
    }


def test_a_crowd_with_a_few_songs_in_common() -> None:
    """A class coincides as often as a crew, on a list of 25 songs that others hear: that is too few for a campaign."""
    few = {(a, b, o % 3 * 20 + o // 3) for a, b, o in crew(1, 12, objects=25, per_pair=8)}
    many = crew(1, 12, objects=60, per_pair=8)
    few |= heard_elsewhere({o for _, _, o in few}, 20)
    assert members([segment(few | chance(500, 3000))], replace(SPEC, repetition=0.0)) == []
    assert members([segment(few | chance(500, 3000))], replace(SPEC, repetition=0.0, objects_min=20)) != []
    assert members([segment(many | chance(500, 3000))], replace(SPEC, repetition=0.0)) == [list(range(1, 13))]


def test_the_more_closed_the_fewer_objects() -> None:
    """Twenty songs of four artists that nobody else hears; of these fewer than half of what is asked for are none."""
    twenty = {(a, b, o % 4 * 20 + o // 4) for a, b, o in crew(1, 12, objects=20)}
    assert members([segment(twenty | chance(500, 3000))]) == [list(range(1, 13))]
    twelve = {(a, b, o % 4 * 20 + o // 4) for a, b, o in crew(1, 12, objects=12)}
    assert members([segment(twelve | chance(500, 3000))]) == []
    heard = heard_elsewhere({o for _, _, o in twenty}, 12)
    assert members([segment(twenty | heard | chance(500, 3000))], replace(SPEC, repetition=0.0)) == []


def test_who_comes_later_lets_nobody_in() -> None:
    """Fans who have ever more in common with others: each that joins lowers what is usual, and so lets in the next.
    It may not fall far below what is usual in the core; without that five more would have come.
    """
    fans = {(a, 900 + i, (7 * a + i + 3 * k) % 100) for i in range(12) for a in range(1, 9) for k in range(3)}
    elsewhere = {(900 + i, 3000 + 100 * i + j, 6000 + 100 * i + j) for i in range(12) for j in range(12 + 2 * i)}
    together = crew(1, 8, per_pair=12) | fans | elsewhere | chance(500, 3000)
    assert members([segment(together)]) == [[*range(1, 9), *range(900, 905)]]


def test_a_crew_among_people() -> None:
    """Who coincides again and again is a campaign, who does by chance is not."""
    assert members([segment(crew(1, 12) | chance(500, 3000))]) == [list(range(1, 13))]
    assert members([segment(chance(500, 3000))]) == []
    assert members([]) == []


def test_it_is_the_coincidences_that_count_not_how_they_are_cut() -> None:
    """One segment or many, in whatever buckets."""
    everything = sorted(crew(1, 12) | chance(500, 3000))
    parts = [segment(set(everything[i::5]), (i + 1) * HOUR_US) for i in range(5)]
    assert members(parts) == members([segment(set(everything))])


TWO: Final = crew(1, 12) | {(a, b, o + 200) for a, b, o in crew(101, 12, seed=3)}


def test_a_listener_of_two_campaigns_does_not_chain_them() -> None:
    """Whoever coincides with both is one of neither, and they stay two."""
    bridge = {
        (a, 999, a % 50 + 200 * (a > 100) + shift)
        for a in (*range(1, 13), *range(101, 113))
        for shift in (0, 15, 30, 45)
    }
    assert members([segment(TWO | bridge | chance(2000, 20_000))]) == [list(range(1, 13)), list(range(101, 113))]


def test_a_single_link_does_not_chain_them() -> None:
    """Two who have more in common than with anybody else, and no partner in common."""
    link = {(5, 105, 1000 + 20 * i) for i in range(12)}
    assert members([segment(TWO | link | chance(500, 3000))]) == [list(range(1, 13)), list(range(101, 113))]


def test_who_has_much_else_in_common_does_not_belong() -> None:
    """A heavy listener of the campaign's objects, most of whose coincidences are with people."""
    listens = {(a, 999, o) for a in range(1, 13) for o in (3 * a, 3 * a + 1)}
    people = {(999, 1000 + i, 6000 + i) for i in range(60)}
    assert members([segment(crew(1, 12) | listens | people | chance(500, 3000))]) == [list(range(1, 13))]
    assert members([segment(crew(1, 12) | listens | chance(500, 3000))]) == [[*range(1, 13), 999]]


def test_crowds_are_none() -> None:
    """One artist; a list with a track of each artist; a list that many others hear, too."""
    few = replace(SPEC, objects_min=10)
    band = {(a, b, o % 20 if o % 10 else 40 + o % 20) for a, b, o in crew(1, 12)}
    assert members([segment(band | chance(2000, 20_000))], few) == []
    half = {(a, b, o % 20 if o % 2 else 40 + o % 20) for a, b, o in crew(1, 12)}
    assert members([segment(half | chance(2000, 20_000))], few) == [list(range(1, 13))]
    playlist = {(a, b, o * 20) for a, b, o in crew(1, 12)}
    assert members([segment(playlist | chance(500, 3000))]) == []
    rng = np.random.default_rng(4)
    popular = {
        (2000 + 2 * i, 2001 + 2 * i, o) for o in range(100) for i in rng.choice(3000, 12, replace=False).tolist()
    }
    assert members([segment(crew(1, 12) | chance(500, 3000) | popular)]) == []
    assert members([segment(crew(1, 12) | chance(500, 3000) | popular)], replace(SPEC, closure=0.1)) != []


def test_the_more_closed_the_fewer_of_one_parent() -> None:
    """Two tracks of each artist are enough where nobody else hears them; a list with one of each never is."""
    two = {(a, b, o // 2 * 20 + o % 2) for a, b, o in crew(1, 12)}
    rng = np.random.default_rng(4)
    others = {
        (2000 + 2 * i, 2001 + 2 * i, o // 2 * 20 + o % 2)
        for i in range(40)
        for o in rng.choice(100, 8, replace=False).tolist()
    }
    assert members([segment(two | chance(500, 3000))]) == [list(range(1, 13))]
    assert members([segment(two | chance(500, 3000) | others)]) == []
    assert members([segment(two | chance(500, 3000) | others)], replace(SPEC, repetition=1.5)) != []
    assert members([segment({(a, b, o * 20) for a, b, o in crew(1, 12)} | chance(500, 3000))]) == []


def around_the_clock(hours: int, listeners: int = 10) -> list[Coincidences]:
    """Eight accounts with three tracks of one artist, in every half hour, and people who hear these in one of them."""
    bots = {(a, b, o) for a in range(1, 9) for b in range(a + 1, 9) for o in (0, 1, 2)}
    heard = {(a, 3000 + i, o) for a in range(1, 9) for i in range(listeners) for o in (0, 1, 2)}
    ends = range(HOUR_US // 2, hours * HOUR_US + 1, HOUR_US // 2)
    return [segment(bots | (heard if end_us == ends[0] else set()), end_us) for end_us in ends[:-1]] + [
        segment(bots | chance(500, 3000), ends[-1])
    ]


def test_who_never_rests_needs_no_second_artist() -> None:
    """Accounts that are with each other all day are no people, whoever else hears what they play, and however few."""
    assert members(around_the_clock(24)) == [list(range(1, 9))]
    assert members(around_the_clock(17)) == []
    assert members(around_the_clock(17), replace(SPEC, awake_us=17 * HOUR_US)) == [list(range(1, 9))]


def test_what_has_become_popular_tells_nothing() -> None:
    """The last that was told of an object counts for all its coincidences."""
    found = segment(crew(1, 12) | chance(500, 3000))
    later = replace(
        found, end_us=2 * HOUR_US, visits=found.visits * 100, low=found.low[:0], high=found.high[:0], on=found.on[:0]
    )
    assert members([found]) == [list(range(1, 13))]
    assert members([found, later]) == []
    assert members([replace(later, end_us=0), found]) == [list(range(1, 13))]


def test_what_is_told_of_a_campaign() -> None:
    """Partners, objects by pairs, closure, and how improbable it is."""
    pairs = crew(1, 12)
    found = review([segment(pairs | chance(500, 3000))], SPEC)
    (campaign,) = found.communities
    assert campaign.partners.tolist() == [11] * 12
    assert len(campaign.own) == len(pairs)
    assert campaign.closure == 1.0
    assert (np.diff(campaign.pairs) <= 0).all()
    assert campaign.pairs.sum() == len(pairs)
    assert campaign.chance < -100


def test_a_bound_on_the_tail() -> None:
    """Never below the probability itself, and 1 where there is nothing odd."""
    assert log10_tail(np.array([2.0]), np.array([3.0])).tolist() == [0.0]
    exact = 1 - np.exp(-2.0) * sum(2.0**k / float(np.prod(range(1, k + 1))) for k in range(9))
    bound = log10_tail(np.array([9.0]), np.array([2.0]))[0]
    assert np.log10(exact) < bound < np.log10(exact) + 1.5


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("links", 0, "campaigns.links is 0; it must lie between 1 and 1000"),
        ("p", 0.0, "campaigns.p is 0.0"),
        ("review_us", 45 * 60_000_000, "campaigns.review is 2700000000; it must be a multiple of the bucket"),
    ],
)
def test_settings_that_make_no_sense(key: str, value: float, why: str) -> None:
    """The message names the key."""
    with pytest.raises(ConfigError, match=why):
        replace(SPEC, **{key: value})
