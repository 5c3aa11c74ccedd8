"""Rows: events as columns of small integers, before they become text."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final

import numpy as np

from state.types import I16, I32, I64, Bool

NOTHING: Final = -1
"""An index or a duration that the event does not have."""


class Type(IntEnum):
    """What happened; the lower-case name is the word on the wire."""

    PLAY = 0
    SKIP = 1
    LIKE = 2
    SAVE = 3
    FOLLOW = 4
    SEARCH = 5
    PLAYLIST_EDIT = 6
    LOGIN_OK = 7
    LOGIN_FAILED = 8
    SIGN_UP = 9
    PASSWORD_CHANGE = 10
    EMAIL_CHANGE = 11
    PLAN_CHANGE = 12


@dataclass(slots=True)
class Rows:
    """Equal-length columns.  Indices point into the world's tables; NOTHING where an event has none.

    time_us: event time, whole milliseconds.  track: index into the catalogue (number of tracks + artist for an artist
    alone).  ms: milliseconds played, plays only.  offline: played without a connection, stamped when it was synced.
    """

    time_us: I64
    type: I16
    user: I32
    device: I32
    ip: I32
    track: I32
    context: I32
    ms: I32
    offline: Bool

    def __len__(self) -> int:
        return len(self.time_us)

    @classmethod
    def of(
        cls,
        time_us: I64,
        user: I32,
        *,
        kind: Type = Type.PLAY,
        device: I32 | int = NOTHING,
        ip: I32 | int = NOTHING,
        track: I32 | int = NOTHING,
        context: I32 | int = NOTHING,
        ms: I32 | int = NOTHING,
    ) -> "Rows":
        """Rows of one type; single values are repeated, times are cut to whole milliseconds."""

        def column(value: I32 | int) -> I32:
            return np.array(np.broadcast_to(value, len(time_us)), np.int32)

        return cls(
            time_us // 1000 * 1000,
            np.full(len(time_us), kind, np.int16),
            column(user),
            column(device),
            column(ip),
            column(track),
            column(context),
            column(ms),
            np.zeros(len(time_us), np.bool_),
        )

    def take(self, index: Any) -> "Rows":
        """The rows at these positions, under this mask or in this slice."""
        return Rows(*(getattr(self, f.name)[index] for f in fields(self)))

    def then(self, time_us: I64, kind: Type, *, bare: bool = False) -> "Rows":
        """The same users and devices doing something else, which is not a play, at these times.

        bare: without the track and the context.
        """
        track, context = (NOTHING, NOTHING) if bare else (self.track, self.context)
        return Rows.of(time_us, self.user, kind=kind, device=self.device, ip=self.ip, track=track, context=context)

    @staticmethod
    def concat(parts: Sequence["Rows"]) -> "Rows":
        """All rows, in the order given.  At least one part."""
        return Rows(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Rows)))

    def by_time(self) -> "Rows":
        """The rows by event time; ties keep their order."""
        return self.take(np.argsort(self.time_us, kind="stable"))
