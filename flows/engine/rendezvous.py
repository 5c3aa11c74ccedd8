"""The processes of a cluster meet before the engine begins.

The engine's own way of meeting takes every connection for one of the others, so that whoever looks at its port while it
waits, as port scanners do, ends the process. So they meet here first, where anything else than a greeting is dropped,
and the engine's ports are open for a moment only: process 0 listens where the engine will, the others tell it that they
are there, and when all of them are it lets them go. All go, or nobody: whoever is asked to stop meanwhile takes leave
of process 0, which may have let all go just before; it goes too then, as an engine waits for all processes for ever.
"""

import math
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

_GREETING: Final = "driftnet process {index} of {count}\n"
_GO: Final = b"go\n"
_TICK_S: Final = 0.1
_SAY_S: Final = 5.0
"""Who has said nothing for this long is none of us."""


def meet(addresses: Sequence[str], index: int, stopped: Callable[[], bool]) -> bool:
    """Returns when all processes are there: True, or False when `stopped` before.

    addresses: "host:port" of each.  Raises OSError when process 0 cannot listen.
    """
    return _gather(addresses, stopped) if index == 0 else _join(addresses, index, stopped)


@dataclass(slots=True)
class _Guest:
    since_s: float
    said: bytes = b""
    index: int | None = field(default=None)


def _gather(addresses: Sequence[str], stopped: Callable[[], bool]) -> bool:
    """Process 0: waits until every other one has greeted on a connection that is still open."""
    count = len(addresses)
    greetings = {_GREETING.format(index=i, count=count).encode(): i for i in range(1, count)}
    guests: dict[socket.socket, _Guest] = {}
    with _listening(addresses[0]) as door, selectors.DefaultSelector() as selector:
        selector.register(door, selectors.EVENT_READ)

        def leave(guest: socket.socket) -> None:
            selector.unregister(guest)
            del guests[guest]
            guest.close()

        try:
            while {guest.index for guest in guests.values() if guest.index is not None} != set(greetings.values()):
                if stopped():
                    return False
                for key, _ in selector.select(_TICK_S):
                    if key.fileobj is door:
                        with suppress(OSError):
                            came, _ = door.accept()
                            came.setblocking(False)
                            guests[came] = _Guest(time.monotonic())
                            selector.register(came, selectors.EVENT_READ)
                        continue
                    assert isinstance(key.fileobj, socket.socket)
                    guest = guests[key.fileobj]
                    said = _heard(key.fileobj)
                    guest.said += said
                    guest.index = greetings.get(guest.said)
                    if not said or not any(greeting.startswith(guest.said) for greeting in greetings):
                        leave(key.fileobj)
                now_s = time.monotonic()
                for came, guest in list(guests.items()):
                    if guest.index is None and now_s - guest.since_s > _SAY_S:
                        leave(came)
            # The door is shut before anybody goes: the engine of another process would take it for that of this one.
            selector.unregister(door)
            door.close()
            for came, guest in guests.items():
                if guest.index is not None:
                    with suppress(OSError):
                        came.sendall(_GO)
            return True
        finally:
            for came in list(guests):
                leave(came)


def _listening(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host.strip("[]"), int(port)), family=family)


def _heard(guest: socket.socket) -> bytes:
    """Nothing when it is gone."""
    try:
        return guest.recv(256)
    except OSError:
        return b""


def _join(addresses: Sequence[str], index: int, stopped: Callable[[], bool]) -> bool:
    """Another process: greets process 0 until that lets it go."""
    host, _, port = addresses[0].rpartition(":")
    greeting = _GREETING.format(index=index, count=len(addresses)).encode()
    while not stopped():
        with suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), timeout=1.0) as zero:
            zero.sendall(greeting)
            zero.settimeout(_TICK_S)
            until_s = math.inf
            while time.monotonic() < until_s:
                if until_s == math.inf and stopped():
                    # Process 0 may have let us go a moment ago: then it counts on us, stopped or not.
                    zero.shutdown(socket.SHUT_WR)
                    until_s = time.monotonic() + _SAY_S
                try:
                    heard = zero.recv(len(_GO))
                except TimeoutError:
                    continue
                if heard == _GO:
                    return True
                break  # it was not process 0, or that is gone, or has seen that we go
        time.sleep(_TICK_S)
    return False
