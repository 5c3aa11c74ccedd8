"""lockstep_farm: one timetable for all accounts, each of them late by less than the jitter."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from flows.simulate.campaigns.base import Crew
from flows.simulate.catalogue import Catalogue
from flows.simulate.company.farms import ACTIVE, FarmCrew
from flows.simulate.company.operated import OperatedFarm
from flows.simulate.rows import Rows
from state.types import DAY_US, HOUR_US, I32, I64, MS_US, SECOND_US

_SITTINGS: Final = 3
_FIRST_US, _APART_US = 8 * HOUR_US, 5 * HOUR_US
_BETWEEN: Final = 0.9
_GAP_S: Final = (5, 25)
_PLAY_LATE_US: Final = 4 * SECOND_US
"""Of the jitter, what differs from play to play, and less than a gap; the rest is how late a sitting begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockstepFarm(OperatedFarm):
    """Three sittings a day, in which all play the same tracks in the same order; between them each has its decoys."""

    name: str = "lockstep_farm"
    start_us: int = 6 * HOUR_US

    def terms(self, crew: FarmCrew) -> dict[str, Any]:
        return OperatedFarm.terms(self, crew) | {"jitter_us": crew.jitter_us}

    def lived_share(self, crew: FarmCrew) -> float:
        """The decoys, and those that will give way to the timetable."""
        return crew.decoys / _BETWEEN

    def own_share(self, crew: FarmCrew) -> float:
        """None: the timetable has them all."""
        del crew
        return 0.0

    def rows(self, crew: Crew, catalogue: Catalogue, day_us: int, rng: np.random.Generator) -> Rows:
        """The day's timetable as each account follows it: as far into each sitting as its plays of a day go."""
        assert isinstance(crew, FarmCrew)
        m = len(crew)
        goal = crew.plays * (1 - crew.decoys) / _SITTINGS
        count = np.rint(goal[:, None] * np.exp(rng.normal(-0.02, 0.2, (m, _SITTINGS)))).astype(np.int64)
        count[rng.random(m) >= ACTIVE] = 0
        shape = (_SITTINGS, max(1, int(count.max())))
        track = crew.tracks[rng.integers(0, len(crew.tracks), shape)]
        timetable_us = _timetable_us(catalogue.ms[track], day_us - crew.zone_us, day_us, rng)
        account, sitting, nth = np.nonzero(np.arange(shape[1]) < count[:, :, None])
        play_late_us = min(crew.jitter_us, _PLAY_LATE_US)
        late_us = rng.random((m, _SITTINGS))[account, sitting] * (crew.jitter_us - play_late_us)
        late_us += rng.random(len(account)) * play_late_us
        from_us = timetable_us[sitting, nth] + late_us.astype(np.int64)
        track = track[sitting, nth]
        ms = (catalogue.ms[track] * rng.uniform(0.6, 1, len(track))).astype(np.int32)
        rows = Rows.of(
            from_us + ms.astype(np.int64) * MS_US,
            crew.user[account],
            device=crew.device[account],
            ip=crew.addresses[account, sitting % crew.addresses.shape[1]],
            track=track,
            context=crew.playlist,
            ms=ms,
        )
        return rows.take(from_us >= crew.start_us[account])


def _timetable_us(ms: I32, local_us: int, day_us: int, rng: np.random.Generator) -> I64:
    """(sittings, k) when each play is to begin: from eight, one and six o'clock on, or up to half an hour later.

    ms: (sittings, k) of the tracks.  local_us: the day's begin less the zone.
    """
    begin_us = _FIRST_US + np.arange(_SITTINGS) * _APART_US + (rng.random(_SITTINGS) * HOUR_US / 2).astype(np.int64)
    begin_us = day_us + (local_us + begin_us - day_us) % DAY_US
    step_us = ms.astype(np.int64) * MS_US + (rng.uniform(*_GAP_S, ms.shape) * SECOND_US).astype(np.int64)
    timetable_us: I64 = begin_us[:, None] + np.cumsum(step_us, axis=1) - step_us
    return timetable_us
