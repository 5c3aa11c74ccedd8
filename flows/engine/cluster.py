"""A run in several processes on this machine: started, stopped and mourned together."""

import multiprocessing
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

from flows.engine.member import run_member
from flows.engine.monitor import Status
from flows.engine.plan import Plan
from flows.engine.shutdown import Stop, stopping_on_signals
from flows.engine.watch import FirstError
from state.errors import DriftnetError

_TICK_S: Final = 0.2
_GRACE_S: Final = 5.0


class WorkerError(DriftnetError):
    """A process of the cluster failed; the others were stopped."""


def run_cluster(plan: Plan, store: Path | None, tell: Callable[[Sequence[Status]], None]) -> list[Status]:
    """Starts the processes, relays stop requests, collects their statuses.

    Raises the DriftnetError of the process that failed first, or WorkerError for any other end than a good one: a
    cluster that lost a process cannot go on.
    """
    context = multiprocessing.get_context("spawn")
    addresses = _free_addresses(plan.options.processes)
    members: list[tuple[SpawnProcess, Connection]] = []
    stop = Stop()

    def kill() -> None:
        for process, _ in members:
            process.kill()

    with stopping_on_signals(stop, at_once=kill), ExitStack() as stack:
        stack.callback(kill)
        for index in range(plan.options.processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_member, args=(plan, store, addresses, index, theirs), daemon=True)
            process.start()
            theirs.close()
            stack.callback(ours.close)
            members.append((process, ours))
        return _attend([c for _, c in members], [p for p, _ in members], stop, tell)


def _attend(
    connections: list[Connection],
    processes: list[SpawnProcess],
    stop: Stop,
    tell: Callable[[Sequence[Status]], None],
) -> list[Status]:
    """Listens until every process has said that it is done."""
    statuses = {index: Status() for index in range(len(connections))}
    open_connections = dict(enumerate(connections))
    asked = False
    while open_connections:
        if stop.is_set() and not asked:
            asked = True
            for connection in open_connections.values():
                with suppress(OSError):
                    connection.send("stop")
        ready = wait(list(open_connections.values()), _TICK_S)
        for index, connection in list(open_connections.items()):
            if connection not in ready:
                continue
            match _receive(connection):
                case ("status", Status() as status):
                    statuses[index] = status
                    tell(list(statuses.values()))
                case ("done", Status() as status):
                    statuses[index] = status
                    del open_connections[index]
                case ("error", BaseException() as error):
                    raise error
                case _:
                    _raise_dead(index, processes[index])
    for process in processes:
        process.join(_GRACE_S)
    return list(statuses.values())


def _receive(connection: Connection) -> Any:
    try:
        return connection.recv()
    except (EOFError, ConnectionResetError):
        return None


def _raise_dead(index: int, process: SpawnProcess) -> None:
    process.join(_GRACE_S)
    raise WorkerError(
        f"process {index} of the run ended with exit code {process.exitcode} (a minus sign means a signal);"
        " all others were stopped. Its own messages are above; start the run again to go on from the last checkpoint"
    )


def _free_addresses(count: int) -> list[str]:
    """Ports of the loopback interface that nobody uses now; all are held until the last one is found."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def _member(plan: Plan, store: Path | None, addresses: list[str], index: int, connection: Connection) -> None:
    """The main function of a process of the cluster."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent says what it means
    stop, lock = Stop(), threading.Lock()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def send(kind: str, what: Any) -> None:
        with lock, suppress(OSError):
            connection.send((kind, what))

    def listen() -> None:
        # An end of the pipe that nobody asked for means that the parent is gone: stop as well.
        _receive(connection)
        stop.set()

    threading.Thread(target=listen, daemon=True).start()
    first = FirstError(also=lambda where, error: send("error", _portable(where, error)))
    status = run_member(plan, store, stop, first, lambda status: send("status", status), addresses, index)
    send("done", status)


def _portable(where: str, error: BaseException) -> BaseException:
    """The error as the parent can raise it: itself if it is ours and can be pickled, else its text."""
    if isinstance(error, DriftnetError):
        with suppress(Exception):
            return pickle.loads(pickle.dumps(error))  # noqa: S301
        return DriftnetError(str(error))
    return WorkerError(f"{where}: {type(error).__name__}: {error}")
