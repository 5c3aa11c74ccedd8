"""Whom `driftnet serve` asks for a token."""

import pytest

from flows.serve.app import TOKEN, is_loopback, token_for
from state.errors import ConfigError


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        *((host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "desk.internal", "localhost.evil.example")),
    ],
)
def test_who_others_reach_needs_a_token(host: str, alone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not known to be of this machine is one that others reach."""
    assert is_loopback(host) is alone
    monkeypatch.delenv(TOKEN, raising=False)
    if alone:
        assert token_for(host) == ""
    else:
        with pytest.raises(ConfigError, match=f"without a token; set the environment variable {TOKEN}"):
            token_for(host)
    monkeypatch.setenv(TOKEN, "0123456789abcdef")
    assert token_for(host) == "0123456789abcdef"
    monkeypatch.setenv(TOKEN, "short")
    with pytest.raises(ConfigError, match="seen 5 characters, allowed: 16 or more"):
        token_for(host)
