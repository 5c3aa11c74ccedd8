"""Draft: a day's listening while it is drawn, for farms and crowds to put their own in."""

from dataclasses import dataclass

import numpy as np

from state.types import I32, I64


@dataclass(frozen=True, slots=True)
class Draft:
    """Plays in account order, (n,) each.  sitting: ascending.  begin_us: when the play's sitting is to begin.

    track, context, device and ip may be overwritten in place.
    """

    user: I32
    sitting: I32
    begin_us: I64
    track: I32
    context: I32
    device: I32
    ip: I32

    def plays_of(self, accounts: I32) -> tuple[I64, I64]:
        """accounts: ascending.  (k,) where their plays are, and whose each is, as a position in `accounts`."""
        low = np.searchsorted(self.user, accounts)
        count = np.searchsorted(self.user, accounts, "right") - low
        seat = np.repeat(np.arange(len(accounts)), count)
        first = np.cumsum(count) - count
        return np.arange(len(seat)) + (low - first)[seat], seat

    def sittings(self, at: I64) -> tuple[I64, int]:
        """(k,) the sittings of these plays, numbered from 0, and how many there are."""
        number = np.cumsum(np.diff(self.sitting[at], prepend=-1) != 0) - 1
        return number, int(number[-1]) + 1 if len(at) else 0
