"""What makes a day unlike the one before: people off work, an outage, a hit.  The evening before the start is plain."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from flows.simulate.config import SimulationSpec
from flows.simulate.geography import ALL_COUNTRIES, ZONE_US
from flows.simulate.rows import NOTHING
from flows.simulate.seeds import stream
from state.types import DAY_US, I64, MINUTE_US, SECOND_US, Bool

_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; Monday is 0."""
_FRIDAY: Final = 4
_SATURDAY: Final = 5
_HIT_RANKS: Final = 60
_OUTAGE_HOURS: Final = (8, 22)
_RUSH_US: Final = 4 * MINUTE_US
_RUSH_MOST_US: Final = 25 * MINUTE_US


@dataclass(frozen=True, slots=True)
class Outage:
    """The platform is down in [from_us, until_us): nobody is heard of, and everybody comes back soon after."""

    from_us: int
    until_us: int

    def postponed(self, rng: np.random.Generator, time_us: I64) -> I64:
        """The times, those inside moved to within 25 minutes of the end, most of them within four."""
        inside = (time_us >= self.from_us) & (time_us < self.until_us)
        wait_us = np.minimum(rng.exponential(_RUSH_US, len(time_us)), _RUSH_MOST_US)
        back_us: I64 = self.until_us + (wait_us.astype(np.int64) // SECOND_US + 1) * SECOND_US
        return np.where(inside, back_us, time_us)


@dataclass(frozen=True, slots=True)
class Day:
    """The 24 hours from from_us.  number: 0 for the first, -1 for the evening before.

    free: (countries,) whether people are off work.  hit: the artist of the newest hit, NOTHING before there is one.
    hit_day: the day of its release.
    """

    seed: int
    number: int
    from_us: int
    free: Bool
    outage: Outage | None
    hit: int
    hit_day: int

    def rng(self, purpose: str) -> np.random.Generator:
        """The day's generator for one purpose."""
        return stream(self.seed, purpose, self.number + 1)


def day_of(spec: SimulationSpec, number: int) -> Day:
    """Day `number` of the simulation, as the spec and its seed have it."""
    from_us = spec.start_us + number * DAY_US
    hit, hit_day = _hit(spec, number)
    return Day(spec.seed, number, from_us, _free(spec, number, from_us), _outage(spec, number, from_us), hit, hit_day)


def weekday(from_us: int) -> int:
    """The day of the week, Monday 0, that holds most of the 24 hours from from_us (UTC)."""
    return int(((from_us + DAY_US // 2) // DAY_US + _EPOCH_WEEKDAY) % 7)


def _free(spec: SimulationSpec, number: int, from_us: int) -> Bool:
    """Saturdays and Sundays by each country's clock, from the first day on; from the second on holidays of some."""
    free = np.zeros(len(ALL_COUNTRIES), np.bool_)
    if number >= 0 and spec.weekends:
        free |= ((from_us + DAY_US // 2 + ZONE_US) // DAY_US + _EPOCH_WEEKDAY) % 7 >= _SATURDAY
    if number > 0:
        free |= stream(spec.seed, "holidays", number).random(len(free)) < spec.holidays / 365
    return free


def _outage(spec: SimulationSpec, number: int, from_us: int) -> Outage | None:
    """One in each week since the start, never on the first day, 8 to 22 hours after the day's begin."""
    if number <= 0 or not spec.outage_us:
        return None
    week, place = divmod(number, 7)
    rng = stream(spec.seed, "outage", week)
    if place != rng.integers(1 if week == 0 else 0, 7):
        return None
    first, last = _OUTAGE_HOURS
    second = int(rng.integers(first * 3600, last * 3600 - spec.outage_us // SECOND_US))
    begin_us = from_us + second * SECOND_US
    return Outage(begin_us, begin_us + spec.outage_us)


def _hit(spec: SimulationSpec, number: int) -> tuple[int, int]:
    """Hits come out on Fridays; one of the best known artists has it, until the next.  (artist, day), or NOTHING."""
    released = number - (weekday(spec.start_us + number * DAY_US) - _FRIDAY) % 7
    if released <= 0 or not spec.hit:
        return NOTHING, NOTHING
    return int(stream(spec.seed, "hit", released).integers(_HIT_RANKS)), released
