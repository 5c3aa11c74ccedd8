"""The processes of a cluster meet, whoever else knocks."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.engine.cluster import _free_addresses
from flows.engine.rendezvous import meet


def knock(address: str, said: bytes) -> socket.socket:
    """Connects as soon as somebody listens, says something, and stays."""
    host, _, port = address.rpartition(":")
    while True:
        try:
            stranger = socket.create_connection((host, int(port)), timeout=5.0)
        except ConnectionRefusedError:
            time.sleep(0.01)
            continue
        stranger.sendall(said)
        return stranger


def never() -> bool:
    return False


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_all_go_when_all_are_there(order: tuple[int, ...]) -> None:
    """Nobody goes before the last one has come, in whatever order they come; then the port is free for the engine."""
    addresses = _free_addresses(3)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(meet, addresses, index, never) for index in order[:-1]]
        time.sleep(0.5)
        assert not any(each.done() for each in waiting)
        assert meet(addresses, order[-1], never)
        assert all(each.result(timeout=5) for each in waiting)
    host, _, port = addresses[0].rpartition(":")
    socket.create_server((host, int(port))).close()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01" + bytes(300),
        b"driftnet process 0 of 2\n",
        b"driftnet process 1 of 3\n",
    ],
)
def test_strangers_are_not_counted(said: bytes) -> None:
    """A port scan, other protocols, another cluster: they are dropped, or wait in vain, and end nothing."""
    addresses = _free_addresses(2)
    with ThreadPoolExecutor(2) as pool:
        zero = pool.submit(meet, addresses, 0, never)
        strangers = [knock(addresses[0], said) for _ in range(20)]
        for stranger in strangers[:10]:
            stranger.close()
        time.sleep(0.3)
        assert not zero.done()
        assert meet(addresses, 1, never)
        assert zero.result(timeout=5)
        for stranger in strangers[10:]:
            stranger.close()


def test_nobody_listens_any_more_when_the_others_go() -> None:
    """The engine of another process, which connects at once, must not meet what is about to end."""
    for _ in range(50):
        addresses = _free_addresses(2)
        host, _, port = addresses[0].rpartition(":")
        with ThreadPoolExecutor(1) as pool:
            zero = pool.submit(meet, addresses, 0, never)
            assert meet(addresses, 1, never)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, int(port)), timeout=5.0)
            assert zero.result(timeout=5)


def test_one_that_left_again_is_waited_for() -> None:
    """Who greeted and died is not there."""
    addresses = _free_addresses(2)
    with ThreadPoolExecutor(2) as pool:
        zero = pool.submit(meet, addresses, 0, never)
        gone = threading.Event()
        first = pool.submit(meet, addresses[:1] * 3, 1, gone.is_set)  # of a cluster of three: never lets go
        time.sleep(0.3)
        gone.set()
        assert not first.result(timeout=5)
        assert not zero.done()
        assert meet(addresses, 1, never)
        assert zero.result(timeout=5)


@pytest.mark.parametrize("index", [0, 1])
def test_a_stop_ends_the_wait(index: int) -> None:
    """Whoever is asked to stop before all are there leaves."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(meet, _free_addresses(2), index, stop.is_set)
        time.sleep(0.2)
        stop.set()
        assert waiting.result(timeout=5) is False


def test_a_stop_while_all_are_let_go_ends_nobody_alone() -> None:
    """Process 0 has decided, and the word is under way, when another one is asked to stop: it goes with the others."""
    addresses = _free_addresses(2)
    looks = iter([False])  # before it greets

    def stopped() -> bool:
        return next(looks, True) and zero.result(timeout=5)

    with ThreadPoolExecutor(1) as pool:
        zero = pool.submit(meet, addresses, 0, never)
        knock(addresses[0], b"").close()  # it listens
        assert meet(addresses, 1, stopped)
        assert zero.result(timeout=5)


@pytest.mark.parametrize("both", [True, False], ids=["both are asked", "one is asked"])
def test_all_go_or_nobody(both: bool) -> None:
    """At whatever moment one is asked to stop, and the other too or not, they say the same."""
    for i in range(30):
        addresses, stop = _free_addresses(2), threading.Event()
        with ThreadPoolExecutor(2) as pool:
            zero = pool.submit(meet, addresses, 0, stop.is_set if both else never)
            one = pool.submit(meet, addresses, 1, stop.is_set)
            time.sleep(i * 4e-4)
            stop.set()
            goes = one.result(timeout=10)
            if not goes and not both:
                assert not zero.done()
                assert meet(addresses, 1, never)
                goes = True
            assert zero.result(timeout=10) is goes


def test_an_address_of_another_host_is_told() -> None:
    """Process 0 has to listen on its own address."""
    call: Callable[[], bool] = lambda: meet(["192.0.2.1:9100", "192.0.2.2:9100"], 0, never)  # noqa: E731
    with pytest.raises(OSError, match="assign"):
        call()
