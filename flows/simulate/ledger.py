"""Ledger: what campaigns have played of their own tracks, as it is in the stream."""

from collections.abc import Sequence

import numpy as np

from flows.simulate.campaigns.base import Campaign, Crew
from flows.simulate.rows import NOTHING, Rows, Type
from state.types import END_OF_TIME_US, I64


class Ledger:
    """Takes the days of a simulation, each once, in any order."""

    def __init__(self, crews: Sequence[tuple[Campaign, Crew]], accounts: int) -> None:
        """accounts: of the whole simulation."""
        self.first_us = np.full(accounts, END_OF_TIME_US)
        """(accounts,) end of each account's first play of its campaign; END_OF_TIME_US for none."""
        self._crew_of = np.full(accounts, NOTHING, np.int32)
        self._start_us = np.full(accounts, END_OF_TIME_US)
        for number, (_, crew) in enumerate(crews):
            self._crew_of[crew.user] = number
            self._start_us[crew.user] = crew.start_us
        self._tracks = np.array([(c.tracks[0], c.tracks[-1]) for _, c in crews], np.int32).reshape(-1, 2)
        self._days: dict[int, tuple[I64, I64]] = {}

    def __contains__(self, day: int) -> bool:
        return day in self._days

    def note(self, day: int, rows: Rows) -> None:
        """Take all events of a day."""
        at = np.flatnonzero((self._crew_of[rows.user] != NOTHING) & (rows.type == Type.PLAY))
        user, track, time_us = rows.user[at], rows.track[at], rows.time_us[at]
        low, high = self._tracks[self._crew_of[user]].T
        own = (track >= low) & (track <= high) & (time_us > self._start_us[user])
        np.minimum.at(self.first_us, user[own], time_us[own])
        self._days[day] = self._crew_of[user[own]], time_us[own]

    def plays_us(self, number: int) -> I64:
        """When the plays of a campaign ended, ascending, on the days taken so far."""
        parts = [time_us[crew == number] for crew, time_us in self._days.values()]
        return np.sort(np.concatenate([np.zeros(0, np.int64), *parts]))
