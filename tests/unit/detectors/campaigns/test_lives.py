"""Campaigns keep their ids while members come and go, and while they merge."""

from detectors.campaigns.lives import Change, Life, Lives, Told
from state.types import DAY_US, HOUR_US


def group(*who: int) -> dict[int, str]:
    return {w: f"u{w}" for w in who}


def said(told: list[Told]) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    return [(t.life.id, t.change.value, t.joined, t.left) for t in told]


def test_grows_shrinks_ends() -> None:
    """One campaign, told only when something changes; who is not confirmed for a day has left."""
    lives = Lives("job", DAY_US)
    (found,) = lives.review(HOUR_US, [group(1, 2, 3)])
    name = found.life.id
    assert (found.change, found.joined) == (Change.FOUND, ("u1", "u2", "u3"))
    assert lives.review(2 * HOUR_US, [group(1, 2, 3)]) == []
    assert said(lives.review(3 * HOUR_US, [group(2, 3, 4)])) == [(name, "grew", ("u4",), ())]
    assert said(lives.review(3 * HOUR_US + DAY_US, [group(2, 3, 5)])) == [(name, "changed", ("u5",), ("u1",))]
    assert said(lives.review(4 * HOUR_US + DAY_US, [group(2, 3, 5)])) == [(name, "shrank", (), ("u4",))]
    assert lives.review(2 * HOUR_US + 2 * DAY_US, []) == []
    assert said(lives.review(6 * HOUR_US + 2 * DAY_US, [])) == [(name, "ended", (), ("u2", "u3", "u5"))]
    assert lives.lives == []


def test_the_older_survives_a_merge() -> None:
    """Whatever their sizes, and wherever the community stands among those found."""
    lives = Lives("job", DAY_US)
    lives.review(HOUR_US, [group(1, 2, 3)])
    lives.review(2 * HOUR_US, [group(1, 2, 3), group(4, 5, 6, 7, 8)])
    old, young = lives.lives
    told = lives.review(3 * HOUR_US, [group(20, 21), group(1, 2, 3, 4, 5, 6, 7, 8)])
    by_id = {t.life.id: t for t in told}
    assert (by_id[young.id].change, by_id[young.id].into) == (Change.MERGED, old.id)
    assert (by_id[old.id].change, by_id[old.id].absorbed) == (Change.GREW, (young.id,))
    assert old.members[4].joined_us == 2 * HOUR_US
    assert lives.lives[0].id == old.id
    assert young.id not in [life.id for life in lives.lives]


def test_a_split() -> None:
    """The larger part keeps the id, the other is found anew."""
    lives = Lives("job", HOUR_US)
    lives.review(HOUR_US, [group(1, 2, 3, 4, 5, 6, 7)])
    (life,) = lives.lives
    told = lives.review(3 * HOUR_US, [group(5, 6, 7), group(1, 2, 3, 4)])
    assert sorted((t.change.value, t.life.id == life.id) for t in told) == [("found", False), ("shrank", True)]
    assert sorted(life.members) == [1, 2, 3, 4]


def test_ids_depend_on_nothing_but_what_was_found() -> None:
    """Not on the order of members or communities; on the job, the review and the members."""

    def ids(job: str, end_us: int, *groups: dict[int, str]) -> set[str]:
        lives = Lives(job, DAY_US)
        lives.review(end_us, groups)
        return {life.id for life in lives.lives}

    one = ids("job", HOUR_US, group(1, 2, 3), group(4, 5, 6))
    assert ids("job", HOUR_US, group(6, 5, 4), group(3, 2, 1)) == one
    assert not ids("other", HOUR_US, group(1, 2, 3), group(4, 5, 6)) & one
    assert not ids("job", 2 * HOUR_US, group(1, 2, 3), group(4, 5, 6)) & one


def test_saved_and_forgotten() -> None:
    """What is restored goes on; an account that is forgotten is in none."""
    lives = Lives("job", DAY_US)
    lives.review(HOUR_US, [group(1, 2, 3)])
    again = Lives("job", DAY_US, [Life.from_json(life.to_json()) for life in lives.lives])
    assert again.review(2 * HOUR_US, [group(1, 2, 3)]) == []
    assert again.forget(2) == 1
    assert again.forget(2) == 0
    assert sorted(again.lives[0].members) == [1, 3]
    assert [again.forget(who) for who in (1, 3)] == [1, 1]
    assert again.lives == []
