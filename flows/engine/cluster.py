"""The processes of a run on this machine: started, stopped and mourned together."""

import copy
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

from flows.archive.archive import Archive
from flows.engine.lock import held_by_member, run_holding, wait_for_other_hosts
from flows.engine.member import run_member
from flows.engine.monitor import Status
from flows.engine.observe import Observer
from flows.engine.plan import Plan
from flows.engine.recovery import make_ready
from flows.engine.shutdown import DrainTimeoutError, Stop
from flows.engine.store import latest_execution, saved_keys
from flows.engine.supervise import WorkerError
from flows.engine.watch import FirstError
from flows.metrics.observation import Observation
from flows.metrics.overview import Overview
from flows.printing import forgive_output
from flows.whereabouts import bind
from state.errors import CheckpointError, DriftnetError, SnapshotError

_TICK_S: Final = 0.2
_GRACE_S: Final = 5.0
_ORPHAN_S: Final = 15.0
"""How long a process whose parent is gone may drain at most; the next run waits longer than this for its lock."""
_ORPHANED: Final = 4
_TOGETHER_S: Final = 2.0
"""Who sends a signal to all processes reaches them within this time."""

Hold = Callable[[int], AbstractContextManager[None]]
"""Takes a process's lock on the state directory, by its index."""


class Cluster:
    """Runs a plan in child processes: all of its processes, or this host's one of a cluster over several hosts."""

    def __init__(
        self, plan: Plan, store: Path | None, overview: Overview | None = None, archive: Archive | None = None
    ) -> None:
        """overview: takes what the processes tell of themselves, once a second; None where nobody asks.  archive: is
        told when processes start, and ends them when another run has taken it.
        """
        self._plan = plan
        self._archive = archive
        self._overview = overview
        self._store = store
        self._processes: list[SpawnProcess] = []
        self._too_late = False

    def run(self, stop: Stop, tell: Callable[[Sequence[Status]], None]) -> list[Status]:
        """Starts the processes, relays a stop request, collects their statuses.

        Raises the DriftnetError of the process that failed first, or WorkerError for any other end than a good one: a
        cluster that lost a process cannot go on. Nothing is left running then.
        """
        options = self._plan.options
        addresses = list(options.addresses) or _free_addresses(options.processes)
        hold = self._hold()
        if self._archive is not None:
            self._archive.started()
        if self._overview is not None:
            names = {stage.name for stage in self._plan.stages.keyed}
            self._overview.start(frozenset() if self._store is None else saved_keys(self._store, names))
        context = multiprocessing.get_context("spawn")
        with ExitStack() as stack:
            stack.callback(self._mourn)
            connections = []
            for index in options.members:
                ours, theirs = context.Pipe()
                watched = self._overview is not None
                args = (self._plan, self._store, hold, addresses if len(addresses) > 1 else [], index, theirs, watched)
                process = context.Process(target=_member, args=args, daemon=True)
                process.start()
                theirs.close()
                stack.callback(ours.close)
                self._processes.append(process)
                connections.append(ours)
            return self._attend(connections, stop, tell)

    def _hold(self) -> Hold | None:
        """Makes the state ready for processes that are about to start."""
        if self._store is None:
            return None
        options, directory = self._plan.options, self._store.parent
        host = options.index if options.addresses else None
        latest = latest_execution(self._store)
        if host == 0:
            wait_for_other_hosts(directory, host, latest)
        if not host:
            make_ready(self._store, self._plan.stages)
        return partial(held_by_member, directory, run=run_holding(directory, host), host=host, since=latest)

    def kill(self) -> None:
        """Ends all processes at once."""
        for process in self._processes:
            process.kill()

    def give_up_draining(self) -> None:
        """Ends all processes; `run` raises DrainTimeoutError."""
        self._too_late = True
        self.kill()

    def _mourn(self) -> None:
        self.kill()
        for process in self._processes:
            process.join(_GRACE_S)
        self._processes = []
        if self._overview is not None:
            self._overview.gone()

    def _attend(
        self, connections: list[Connection], stop: Stop, tell: Callable[[Sequence[Status]], None]
    ) -> list[Status]:
        """Listens until every process has said that it is done."""
        statuses = {index: Status() for index in range(len(connections))}
        open_connections = dict(enumerate(connections))
        asked = False
        signalled: tuple[int, float] | None = None
        while open_connections:
            if signalled is not None and not asked and time.monotonic() - signalled[1] > _TOGETHER_S:
                raise WorkerError(
                    f"process {signalled[0]} of the run was ended by a signal, which it alone got; all others were"
                    " stopped. To stop a run, signal the process that started the others"
                )
            if stop.is_set() and not asked:
                asked = True
                if self._overview is not None:
                    self._overview.stop()
                for connection in open_connections.values():
                    with suppress(OSError):
                        connection.send("stop")
            if self._archive is not None:
                self._archive.check()
            ready = wait(list(open_connections.values()), _TICK_S)
            for index, connection in list(open_connections.items()):
                if connection not in ready:
                    continue
                match _receive(connection):
                    case ("status", Status() as status):
                        statuses[index] = status
                        tell(list(statuses.values()))
                    case ("observed", Observation() as seen):
                        if self._overview is not None:
                            self._overview.take(self._plan.options.members[index], seen)
                    case ("done", Status() as status):
                        statuses[index] = status
                        del open_connections[index]
                    case ("signalled", None):
                        signalled = signalled or (index, time.monotonic())
                    case ("error", BaseException() as error):
                        raise error
                    case _:
                        self._raise_dead(index)
        for process in self._processes:
            process.join(_GRACE_S)
        if self._overview is not None:
            self._overview.end()
        return list(statuses.values())

    def _raise_dead(self, index: int) -> None:
        if self._too_late:
            raise DrainTimeoutError(self._plan.options.drain_s)
        process = self._processes[index]
        process.join(_GRACE_S)
        raise WorkerError(
            f"process {index} of the run ended with exit code {process.exitcode} (a minus sign means a signal);"
            " all others were stopped. Its own messages are above; the next start goes on from the last checkpoint"
        )


def _receive(connection: Connection) -> Any:
    try:
        return connection.recv()
    except (EOFError, ConnectionResetError):
        return None


def _free_addresses(count: int) -> list[str]:
    """Ports of the loopback interface that nobody uses now; all are held until the last one is found."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def _member(
    plan: Plan,
    store: Path | None,
    hold: Hold | None,
    addresses: list[str],
    index: int,
    connection: Connection,
    watched: bool,
) -> None:
    """The main function of a child process."""
    forgive_output()
    if plan.options.prepare is not None:
        plan.options.prepare()
    bind(run=plan.facts.run, process=index)
    # A terminal, or a service manager, sends them to all: the parent says what they mean. SIGTERM may be meant for this
    # process alone, which cannot stop alone: the others would wait for it for ever.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop, lock, signalled = Stop(), threading.Lock(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: signalled.set())

    def send(kind: str, what: Any) -> None:
        with lock, suppress(OSError):
            connection.send((kind, what))

    def listen() -> None:
        # An end of the pipe that nobody asked for means that the parent is gone: stop as well, and do not wait for ever
        # for the others, which may be gone too, or were never started.
        asked = _receive(connection)
        stop.set()
        if asked is None:
            time.sleep(min(plan.options.drain_s, _ORPHAN_S))
            os._exit(_ORPHANED)

    def tell_of_signal() -> None:
        signalled.wait()
        send("signalled", None)

    threading.Thread(target=listen, daemon=True).start()
    threading.Thread(target=tell_of_signal, daemon=True).start()
    first = FirstError(also=lambda where, error: send("error", _portable(where, error)))
    facts, observer = plan.facts, None
    telling: AbstractContextManager[None] = nullcontext()
    if watched:
        observer = Observer(index, plan.options.workers, facts.stages, facts.partitions)
        telling = observer.telling(lambda seen: send("observed", seen))
    try:
        with hold(index) if hold is not None else nullcontext(), telling:
            publish = partial(send, "status")
            status = run_member(plan, store, stop, first, publish, addresses, index, observer)
    except (SnapshotError, CheckpointError) as error:
        send("error", error)
    else:
        send("done", status)


def _portable(where: str, error: BaseException) -> BaseException:
    """The error as the parent can raise it: itself if it is ours and can be made again, else its text."""
    if isinstance(error, DriftnetError):
        with suppress(Exception):
            return copy.deepcopy(error)
        return DriftnetError(str(error))
    return WorkerError(f"{where}: {type(error).__name__}: {error}")
