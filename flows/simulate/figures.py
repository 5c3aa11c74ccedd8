"""What each kind of campaign gives away on a day, beside what people do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from flows.simulate.platform import Platform
from flows.simulate.rows import NOTHING, Rows, Type
from flows.simulate.world import World
from state.types import I32, Bool


@dataclass(frozen=True, slots=True)
class KindFigures:
    """One kind of campaign, or people as a whole, on one day.

    unheard: share of its plays of its own tracks that are of tracks which nobody outside heard on the day.  organic:
    plays of its tracks by others, per own one.  own: its own tracks as a share of its accounts' plays.  per_device,
    per_address: accounts on the device and at the address of the median play.  plays: a day and listening account, 10th
    percentile, median and 90th.  nan where there is nothing to divide by.
    """

    kind: str
    campaigns: int
    accounts: int
    unheard: float
    organic: float
    own: float
    per_device: float
    per_address: float
    plays: tuple[float, float, float]


def figures_of(platform: Platform) -> list[KindFigures]:
    """Of its last day."""
    return figures(platform.world, platform.days.day(platform.days.count - 1)[0])


def figures(world: World, rows: Rows) -> list[KindFigures]:
    """By kind of campaign, people last.  rows: all events of a day on which all campaigns are at work."""
    plays = rows.take(rows.type == Type.PLAY)
    crew_of = np.full(len(world.people), NOTHING, np.int32)
    owner_of = np.full(len(world.catalogue.ms), NOTHING, np.int32)
    names = [campaign.name for campaign, _ in world.crews]
    for number, (_, crew) in enumerate(world.crews):
        crew_of[crew.user], owner_of[crew.tracks] = number, number
    whose, owner = crew_of[plays.user], owner_of[plays.track]
    heard = np.zeros(len(owner_of), np.bool_)
    heard[plays.track[whose != owner]] = True
    day = _Day(plays, whose, owner, heard[plays.track])
    found = []
    for kind in dict.fromkeys(names):
        numbers = [number for number, name in enumerate(names) if name == kind]
        found.append(day.of(kind, numbers, int(np.isin(crew_of, numbers).sum())))
    return [*found, day.of("people", [NOTHING], int((crew_of == NOTHING).sum()))]


def table(found: Iterable[KindFigures]) -> str:
    """As Markdown."""
    head = (
        "| kind | campaigns | accounts | heard by nobody else | organic plays per own | own tracks |"
        " accounts per device | per address | plays a day of the 10th, 50th and 90th in 100 |"
    )
    lines = [head, "|---|" + "--:|" * 7 + "---|"]
    for f in found:
        shares = " | ".join("" if np.isnan(x) else f"{100 * x:.0f} %" for x in (f.unheard, f.organic, f.own))
        count = f"{f.campaigns or ''} | {f.accounts:,}"
        company = f"{f.per_device:g} | {f.per_address:g}"
        lines.append(f"| {f.kind} | {count} | {shares} | {company} | {', '.join(f'{n:.0f}' for n in f.plays)} |")
    return "\n".join(lines)


class _Day:
    """A day's plays, (n,) each: whose they are and whose track it is, as numbers of campaigns or NOTHING.

    heard: whether anybody else than the track's owner heard it on the day.
    """

    def __init__(self, plays: Rows, crew: I32, owner: I32, heard: Bool) -> None:
        self._plays, self._crew, self._owner, self._heard = plays, crew, owner, heard
        self._per_device = _accounts_per(plays.device, plays.user)
        self._per_address = _accounts_per(plays.ip, plays.user)

    def of(self, kind: str, numbers: Sequence[int], accounts: int) -> KindFigures:
        """The figures of some campaigns together; of people for NOTHING alone."""
        mine, earns = np.isin(self._crew, numbers), np.isin(self._owner, numbers) & (self._owner != NOTHING)
        own = earns & (self._crew == self._owner)
        _, count = np.unique(self._plays.user[mine], return_counts=True)
        low, middle, high = np.quantile(count, (0.1, 0.5, 0.9)).tolist() if len(count) else (0.0, 0.0, 0.0)
        is_people = list(numbers) == [NOTHING]
        return KindFigures(
            kind=kind,
            campaigns=0 if is_people else len(numbers),
            accounts=accounts,
            unheard=_share(own & ~self._heard, own),
            organic=_share(earns & ~own, own),
            own=float("nan") if is_people else _share(own, mine),
            per_device=float(np.median(self._per_device[mine])) if mine.any() else float("nan"),
            per_address=float(np.median(self._per_address[mine])) if mine.any() else float("nan"),
            plays=(low, middle, high),
        )


def _accounts_per(thing: I32, user: I32) -> I32:
    """(n,) how many accounts are seen on each play's device, or at its address."""
    pairs = np.unique(np.stack((thing, user)), axis=1)
    return np.bincount(pairs[0], minlength=int(thing.max(initial=0)) + 1)[thing].astype(np.int32)


def _share(part: Bool, whole: Bool) -> float:
    return float(part.sum() / whole.sum()) if whole.any() else float("nan")
