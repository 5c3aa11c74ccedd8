"""How fast `driftnet serve` answers: an open-loop client, a store of a million subjects, a job that writes to it.

python -m bench.standings [--subjects N] [--rate N] [--seconds N] [--no-job] [--store FILE]

Questions arrive on a fixed timetable, whatever the server does with those before them, and an answer's time counts from
when its question was due: a server that stands still for a second is late for all who asked in it.
"""

import argparse
import asyncio
import json
import random
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from flows.sinks import SqliteSink, open_sink

_CONNECTIONS = 64
_KNOWN_SHARE = 0.9
"""Of the questions; the others are about nobody, and are answered by 404."""
_BATCH = 10_000
_WARM_UP_S = 15.0
"""Until the job writes."""


def standing(n: int) -> dict[str, Any]:
    """That of one of the subjects that are made up: nothing speaks against nineteen in twenty of them."""
    at = f"2026-03-02T{n % 24:02d}:{n % 60:02d}:00.000000Z"
    odd = n % 20 == 0
    evidence = [{"window": w, "tail_probability": 1e-5, "end": at} for w in ("w1h", "w24h")] if odd else []
    return {
        "standing_id": f"user:made-up-{n}",
        "kind": "user",
        "subject": f"made-up-{n}",
        "cohort": "free",
        "severity": "high" if odd else "",
        "tail_probability": 1e-5 if odd else 1.0,
        "window": "w1h" if odd else "",
        "window_tail_probability": 1e-5 if odd else 1.0,
        "evidence": evidence,
        **({"until": at} if odd else {}),
        "open_alerts": [{"alert_id": f"{n:016x}", "severity": "high", "raised": at}] if odd else [],
        "judged": at,
        "job": "made-up",
        "config_digest": "0" * 16,
    }


def fill(store: Path, subjects: int) -> None:
    """Writes the store that is asked."""
    sink = open_sink(SqliteSink(str(store)), "standings")
    for first in range(0, subjects, _BATCH):
        sink.write([standing(n) for n in range(first, min(first + _BATCH, subjects))])
    sink.close()


class Client:
    """Connections that are kept, each with one question at a time; the others wait in order for one that is free."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.late_s: list[float] = []
        self.statuses: Counter[int] = Counter()
        self._free: deque[_Connection] = deque()
        self._waiting: deque[tuple[float, bytes]] = deque()
        self.asked = 0

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_CONNECTIONS):
            _, protocol = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.port)
            self._free.append(protocol)

    def ask(self, due_s: float, subject: str) -> None:
        self.asked += 1
        self._waiting.append(
            (due_s, f"GET /v1/subjects/{subject} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n\r\n".encode())
        )
        self.hand_out()

    def hand_out(self) -> None:
        while self._waiting and self._free:
            self._free.popleft().send(*self._waiting.popleft())

    def answered(self, connection: "_Connection", due_s: float, status: int) -> None:
        self.late_s.append(time.perf_counter() - due_s)
        self.statuses[status] += 1
        self._free.append(connection)
        self.hand_out()


class _Connection(asyncio.Protocol):
    def __init__(self, client: Client) -> None:
        self._client = client
        self._read = b""
        self._due_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, due_s: float, request: bytes) -> None:
        self._due_s = due_s
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            self._read = b""
            self._client.answered(self, self._due_s, int(head[9:12]))


async def measure(port: int, subjects: int, rate: int, seconds: float) -> dict[str, Any]:
    """Asks on the timetable; what came of it."""
    client, rng = Client(port), random.Random(1)
    await client.connect()
    names = [
        f"made-up-{rng.randrange(subjects)}" if rng.random() < _KNOWN_SHARE else f"nobody-{n}"
        for n in range(int(rate * seconds))
    ]
    began_s = time.perf_counter()
    for n, name in enumerate(names):
        due_s = began_s + n / rate
        while (ahead_s := due_s - time.perf_counter()) > 0:
            await asyncio.sleep(ahead_s)
        client.ask(due_s, name)
        if not n % 16:
            await asyncio.sleep(0)
    while len(client.late_s) < client.asked:
        await asyncio.sleep(0.01)
    late_ms = np.sort(client.late_s) * 1e3
    return {
        "asked": client.asked,
        "rate": round(client.asked / (time.perf_counter() - began_s)),
        "statuses": dict(client.statuses),
        **{f"p{q:g}_ms": round(float(np.percentile(late_ms, q)), 2) for q in (50, 90, 99, 99.9)},
        "max_ms": round(float(late_ms[-1]), 2),
    }


@contextmanager
def program(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Driftnet at work, until the end of the block."""
    with subprocess.Popen([sys.executable, "-m", "flows.cli", *arguments], stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def wait_for(port: int) -> None:
    """Until the server answers."""
    until_s = time.monotonic() + 60.0
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > until_s:
                sys.exit("the server does not answer")
            time.sleep(0.1)


def job(store: Path, folder: Path) -> Path:
    """The configuration of a job without an end that writes its standings to the store, as shipped otherwise."""
    file = folder / "job.toml"
    file.write_text(
        '[sources.main]\nkind = "simulator"\nusers = 20000\nduration = "60d"\nattack_day = 1\n'
        f'[sinks]\nstandings = {{ kind = "sqlite", path = "{store}" }}\n'
        f'alerts = {{ kind = "sqlite", path = "{store}" }}\n'
    )
    return file


def main() -> None:
    """Measures, and prints one JSON object."""
    parser = argparse.ArgumentParser(description="How fast driftnet serve answers.")
    parser.add_argument("--subjects", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=1000, help="questions in a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--no-job", action="store_true", help="nobody writes to the store meanwhile")
    parser.add_argument("--store", type=Path, help="where the store is, or is made and left")
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder:
        store = chosen.store or Path(folder) / "standings.db"
        if not store.exists():
            fill(store, chosen.subjects)
        with socket.create_server(("127.0.0.1", 0)) as found:
            port = found.getsockname()[1]
        run = ["run", str(job(store, Path(folder))), "--state-dir", str(Path(folder) / "state"), "--no-print"]
        with program("serve", "--db", str(store), "--listen", str(port)):
            wait_for(port)
            with nullcontext() if chosen.no_job else program(*run) as beside:
                if beside is not None:
                    time.sleep(_WARM_UP_S)
                came = asyncio.run(measure(port, chosen.subjects, chosen.rate, chosen.seconds))
                if beside is not None and beside.poll() is not None:
                    sys.exit("the job ended before all was measured beside it")
        print(json.dumps({"subjects": chosen.subjects, "job": not chosen.no_job, **came}))


if __name__ == "__main__":
    main()
