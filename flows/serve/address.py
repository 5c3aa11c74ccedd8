"""Where a server listens."""

from typing import Final

from state.errors import ConfigError

_LOOPBACK: Final = "127.0.0.1"


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT", or of "PORT" or ":PORT" on the loopback interface.  Raises ConfigError."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65_535:
        raise ConfigError(f"--listen: seen {text!r}, allowed: HOST:PORT, or a port of this machine alone, such as 8321")
    return host.strip("[]") or _LOOPBACK, int(port)
