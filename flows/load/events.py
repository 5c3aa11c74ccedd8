"""The events of a load: a simulated platform's, in their order, each moved to the moment at which it is due."""

import math
import threading
from collections.abc import Iterator
from itertools import chain
from queue import Queue
from typing import Final

from flows.simulate.config import SimulationSpec
from flows.simulate.platform import Platform
from state.types import DAY_US

_TIME: Final = b'"event_time":'
_USER: Final = b'"user_id":"'
_AHEAD: Final = 200
"""Pieces; a day has 144."""
_MS_DIGITS: Final = 13
_EVENTS_PER_USER_DAY: Final = 20
"""At least; with the shipped shares it is about fifty."""


class Events:
    """Lines of `count` events and the accounts they are of.

    The order is that of the simulated days; their time is not: a day goes by as fast as the rate wants it. So windows
    hold other people's lives than real ones, and it is for load that this is good, not for what is found.
    """

    def __init__(self, users: int, count: int, seed: int) -> None:
        days = min(366, math.ceil(count / (users * _EVENTS_PER_USER_DAY)) + 1)
        self._platform = Platform(SimulationSpec(users=users, duration_us=days * DAY_US, seed=seed, partitions=1))
        self._count = count

    def truth(self) -> dict[str, bool]:
        """Account -> whether it is an attacker."""
        return {account["user_id"]: account["is_attacker"] for account in self._platform.truth()}

    def lines(self) -> Iterator[bytes]:
        """The lines as simulated; fewer than `count` only where a year is not enough.

        They are made ahead of time, in a thread of their own: a day takes a second to draw.  The first is ready when
        this returns.
        """
        pieces: Queue[list[bytes]] = Queue(_AHEAD)
        threading.Thread(target=self._draw, args=(pieces,), daemon=True).start()
        return chain.from_iterable(chain([pieces.get()], iter(pieces.get, [])))

    def _draw(self, pieces: "Queue[list[bytes]]") -> None:
        """The lines in pieces; an empty one is the end."""
        left = self._count
        for piece in self._platform.lines(self._platform.partitions()[0]):
            if piece:
                pieces.put(piece[:left])
                left -= len(piece)
            if left <= 0:
                break
        pieces.put([])


def due_at(line: bytes, due_ms: int) -> tuple[bytes, bytes]:
    """The line with another event time, and its account's id."""
    time = line.index(_TIME) + len(_TIME)
    user = line.index(_USER, time) + len(_USER)
    return b"%b%d%b" % (line[:time], due_ms, line[time + _MS_DIGITS :]), line[user : line.index(b'"', user)]
