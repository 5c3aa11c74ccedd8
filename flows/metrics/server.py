"""/metrics, /livez and /readyz of a run, by HTTP, from the supervising process.

The standard library's server: three small answers to a scraper and a probe, read from memory; a framework would add
packages, and nothing that is missing.
"""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from typing import Any, ClassVar, Final

from flows.metrics.health import alive, ready
from flows.metrics.overview import Overview
from state.errors import ConfigError

_log: Final = logging.getLogger("driftnet.metrics")
_LOOPBACK: Final = "127.0.0.1"


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT", or of "PORT" or ":PORT" on the loopback interface.  Raises ConfigError."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65_535:
        raise ConfigError(f"--listen: seen {text!r}, allowed: HOST:PORT, or a port of this machine alone, such as 9464")
    return host.strip("[]") or _LOOPBACK, int(port)


class _Handler(BaseHTTPRequestHandler):
    """One request.  Nothing is written, and nothing is taken from it but its path."""

    protocol_version = "HTTP/1.1"
    server_version = "driftnet"
    sys_version = ""
    timeout = 30.0
    overview: ClassVar[Overview]
    page: ClassVar[Any]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(HTTPStatus.OK, *self.page.text(self.headers.get("Accept") or ""))
        elif path in ("/livez", "/readyz"):
            well, told = (alive if path == "/livez" else ready)(self.overview)
            status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, json.dumps(told).encode() + b"\n", "application/json")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"there are /metrics, /livez and /readyz\n", "text/plain")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
        _log.debug(format, *args)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        if isinstance(sys.exception(), OSError):
            return  # who asks may hang up at any time
        _log.exception("a request of %s could not be answered", client_address)


@contextmanager
def serving(address: str, overview: Overview) -> Iterator[str]:
    """Answers while the block runs; yields the address, with the port where 0 was asked for.

    Raises ConfigError for an address that is none, or is taken.
    """
    from flows.metrics.page import Page

    host, port = parse_address(address)
    handler = type("_Bound", (_Handler,), {"overview": overview, "page": Page(overview.numbers)})
    family = {"address_family": AF_INET6} if ":" in host else {}
    try:
        server = type("_Here", (_Server,), family)((host, port), handler)
    except OSError as error:
        raise ConfigError(
            f"--listen: cannot listen on {address}: {error.strerror}; is the address this machine's, and its port free?"
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="driftnet-listen", daemon=True)
    thread.start()
    found = f"[{host}]:{server.server_port}" if ":" in host else f"{host}:{server.server_port}"
    _log.info("metrics and health: http://%s/metrics, /livez, /readyz", found)
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
