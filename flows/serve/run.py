"""The server process of `driftnet serve`."""

import signal
import socket
from pathlib import Path

from state.errors import ConfigError

_BACKLOG = 2048


def serve(store: Path, host: str, port: int) -> None:
    """Answers until SIGTERM or SIGINT.  Raises ConfigError, SinkError before it listens."""
    try:
        import uvicorn

        from flows.serve.app import Application, token_for
    except ImportError as error:
        raise ConfigError(
            f'driftnet serve needs uvicorn ({error}); install them: pip install "driftnet[serve]"'
        ) from error
    from flows.serve.standings import StandingsReader

    token = token_for(host)
    reader = StandingsReader(str(store))
    listening = _listen(host, port)
    try:
        config = uvicorn.Config(
            Application(reader, token),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
        )
        for which in (signal.SIGTERM, signal.SIGINT):
            signal.signal(which, lambda *_: None)  # uvicorn raises again what ended it: being told to end is no fault
        uvicorn.Server(config).run([listening])
    finally:
        listening.close()
        reader.close()


def _listen(host: str, port: int) -> socket.socket:
    """Bound here, so that an address that is taken is told as other mistakes are."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(f"--listen: cannot listen on {host}:{port}: {error.strerror or error}") from error
