"""Lives: campaigns from review to review, under ids that stay."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Change(StrEnum):
    """What has become of a campaign."""

    FOUND = "found"
    GREW = "grew"
    SHRANK = "shrank"
    CHANGED = "changed"
    """Some have joined and others left."""
    MERGED = "merged"
    """Into an older one, which goes on."""
    ENDED = "ended"


class Member(NamedTuple):
    """name: its id as text.  joined_us, seen_us: the reviews that found it first and last."""

    name: str
    joined_us: int
    seen_us: int


@dataclass(slots=True)
class Life:
    """One campaign.  since_us: the review that found it.  members: by the hash of the account."""

    id: str
    since_us: int
    members: dict[int, Member] = field(default_factory=dict)

    def to_json(self) -> list[Any]:
        """As JSON values."""
        return [self.id, self.since_us, [[who, *member] for who, member in sorted(self.members.items())]]

    @staticmethod
    def from_json(saved: Sequence[Any]) -> "Life":
        """Takes what `to_json` gave."""
        return Life(saved[0], saved[1], {who: Member(*member) for who, *member in saved[2]})


@dataclass(frozen=True, slots=True)
class Told:
    """What a review did to a campaign.  community: its position among those found; None for none.  joined, left:
    ids as text, sorted.  absorbed: ids of campaigns that are part of it from now on.  into: of one that merged, which.
    """

    life: Life
    change: Change
    community: int | None
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    absorbed: tuple[str, ...] = ()
    into: str = ""


class Lives:
    """Campaigns that have not ended.

    A community goes on the life of the campaign that most of its members were in, or that most of whose members it
    has; of several campaigns the oldest goes on and the others merge into it.  Of several communities of one campaign
    the one with the most of its members goes on.  stay_us: an account that is not confirmed for so long has left.
    """

    def __init__(self, job: str, stay_us: int, lives: Iterable[Life] = ()) -> None:
        """job: a part of every id."""
        self._job = job
        self._stay_us = stay_us
        self.lives = list(lives)
        self.seen: dict[str, int] = {}
        """Id of a campaign -> the position of its community in the last review, of those that have one."""

    def review(self, end_us: int, communities: Sequence[Mapping[int, str]]) -> list[Told]:
        """Takes the communities, as hashes of their accounts and what these are called; what has changed, the oldest
        campaign first.
        """
        heirs = self._heirs(communities)
        told: list[Told] = []
        absorbed: dict[str, list[str]] = {}
        for number, lives in sorted(heirs.items()):
            for life in lives[1:]:
                lives[0].members = _joined(lives[0].members, life.members)
                absorbed.setdefault(lives[0].id, []).append(life.id)
                told.append(Told(life, Change.MERGED, number, into=lives[0].id))
        merged = {t.life.id for t in told}
        at = {lives[0].id: number for number, lives in heirs.items()}
        for life in [life for life in self.lives if life.id not in merged]:
            community = at.get(life.id)
            members = communities[community] if community is not None else {}
            told += self._go_on(life, end_us, community, members, tuple(absorbed.get(life.id, ())))
        for number, members in enumerate(communities):
            if number not in heirs:
                life = Life(self._id(end_us, members), end_us, {})
                life.members = {who: Member(name, end_us, end_us) for who, name in members.items()}
                told.append(Told(life, Change.FOUND, number, tuple(sorted(members.values()))))
        gone = {t.life.id for t in told if t.change in (Change.MERGED, Change.ENDED)}
        new = [t.life for t in told if t.change is Change.FOUND]
        self.seen = at | {t.life.id: t.community for t in told if t.change is Change.FOUND and t.community is not None}
        self.lives = sorted([x for x in [*self.lives, *new] if x.id not in gone], key=lambda x: (x.since_us, x.id))
        return sorted(told, key=lambda t: (t.life.since_us, t.life.id))

    def _heirs(self, communities: Sequence[Mapping[int, str]]) -> dict[int, list[Life]]:
        """Position of a community -> the campaigns whose life it goes on, the oldest first."""
        owner = {who: number for number, members in enumerate(communities) for who in members}
        heirs: dict[int, list[Life]] = {}
        for life in self.lives:  # the oldest first
            votes: dict[int, int] = {}
            for who in life.members:
                if who in owner:
                    votes[owner[who]] = votes.get(owner[who], 0) + 1
            fit = [
                (-count, number)
                for number, count in votes.items()
                if 2 * count >= min(len(life.members), len(communities[number]))
            ]
            if fit:
                heirs.setdefault(min(fit)[1], []).append(life)
        return heirs

    def _go_on(
        self, life: Life, end_us: int, community: int | None, members: Mapping[int, str], absorbed: tuple[str, ...]
    ) -> list[Told]:
        joined = tuple(sorted(name for who, name in members.items() if who not in life.members))
        for who, name in members.items():
            known = life.members.get(who)
            life.members[who] = Member(name, end_us if known is None else known.joined_us, end_us)
        gone = [who for who, member in life.members.items() if member.seen_us < end_us - self._stay_us]
        left = tuple(sorted(life.members.pop(who).name for who in gone))
        if not life.members:
            return [Told(life, Change.ENDED, None, left=left)]
        if not (joined or left or absorbed):
            return []
        change = Change.CHANGED if joined and left else Change.SHRANK if left else Change.GREW
        return [Told(life, change, community, joined, left, absorbed)]

    def _id(self, end_us: int, members: Iterable[int]) -> str:
        """The same in every replay: of the job, the review, and the members."""
        about = f"{self._job} {end_us} {' '.join(map(str, sorted(members)))}"
        return hashlib.blake2b(about.encode(), digest_size=8).hexdigest()

    def forget(self, subject: int) -> int:
        """Drops an account; in how many campaigns it was.  A campaign that has no other ends without a word."""
        found = [life for life in self.lives if life.members.pop(subject, None) is not None]
        self.lives = [life for life in self.lives if life.members]
        return len(found)


def _joined(one: Mapping[int, Member], other: Mapping[int, Member]) -> dict[int, Member]:
    """Members of both, since they were in either and as last confirmed."""
    both = dict(other) | dict(one)
    for who in one.keys() & other.keys():
        joined_us = min(one[who].joined_us, other[who].joined_us)
        both[who] = Member(one[who].name, joined_us, max(one[who].seen_us, other[who].seen_us))
    return both
