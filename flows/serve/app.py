"""GET /v1/subjects/{id}: what is known of a subject, with an ETag, to those who have the token."""

import hashlib
import hmac
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from flows.redaction import remember
from flows.serve.standings import StandingsReader
from state.errors import ConfigError, SinkError

_log: Final = logging.getLogger("driftnet.serve")
TOKEN: Final = "DRIFTNET_SERVE_TOKEN"  # noqa: S105 - its name
"""The environment variable that has the token."""
_TOKEN_MIN: Final = 16
_SUBJECTS: Final = "/v1/subjects/"
_UNCHANGED: Final = 304
_LOCAL: Final = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})
Header = tuple[bytes, bytes]
Headers = dict[bytes, bytes]
_HEADERS: Final = ((b"cache-control", b"private, no-cache"), (b"x-content-type-options", b"nosniff"))
_JSON: Final = (b"content-type", b"application/json")
Answer = tuple[int, bytes, *tuple[Header, ...]]
"""Status, body, and headers that not every answer has."""
Scope = Mapping[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def token_for(host: str) -> str:
    """The token that everybody who asks must have, "" for none.  Raises ConfigError where one is needed."""
    token = os.environ.get(TOKEN, "")
    if token and len(token) < _TOKEN_MIN:
        raise ConfigError(f"{TOKEN}: seen {len(token)} characters, allowed: {_TOKEN_MIN} or more")
    if not token and not is_loopback(host):
        raise ConfigError(
            f"--listen: seen {host!r}, which others reach, without a token; set the environment variable {TOKEN}, which"
            " whoever asks sends as `Authorization: Bearer ...`, or listen on 127.0.0.1"
        )
    remember(token)
    return token


class Application:
    """Speaks ASGI.  Two routes for probes and one that has to be quick need no framework, which took a fifth of the
    CPU of an answer.
    """

    def __init__(self, reader: StandingsReader, token: str) -> None:
        """token: "" where only this machine reaches it: then it is asked by a name of this machine alone, so that no
        page of the web can have a browser ask.
        """
        self._reader = reader
        self._token = f"bearer {token}".encode() if token else b""

    async def __call__(self, scope: Scope, _receive: Any, send: Send) -> None:
        """Of an HTTP request, whose body is not read."""
        status, body, *headers = self._answer(scope)
        sized = [] if status == _UNCHANGED else [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": [*_HEADERS, *sized, *headers]})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, scope: Scope) -> Answer:
        path = scope["path"]
        if not path.startswith(_SUBJECTS) and path not in ("/livez", "/readyz"):
            return _said(404, f"there are {_SUBJECTS}ID, /livez and /readyz")
        if scope["method"] not in ("GET", "HEAD"):
            return *_said(405, "it can only be asked"), (b"allow", b"GET, HEAD")
        if path == "/livez":
            return _told(200, {"alive": True})
        if path == "/readyz":
            return self._ready()
        headers = dict(scope["headers"])
        return self._refusal(headers) or self._subject(path.removeprefix(_SUBJECTS), scope["query_string"], headers)

    def _ready(self) -> Answer:
        try:
            self._reader.get("")
        except SinkError:
            return _said(503, "the store cannot be read now")
        return _told(200, {"ready": True})

    def _refusal(self, headers: Headers) -> Answer | None:
        """Of those who may not ask."""
        if self._token:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            if not hmac.compare_digest(scheme.lower() + b" " + given, self._token):
                return *_said(401, "a token is needed"), (b"www-authenticate", b"Bearer")
        elif headers.get(b"host", b"").rsplit(b":", 1)[0] not in _LOCAL:
            return _said(403, "ask for it as localhost or 127.0.0.1")
        return None

    def _subject(self, name: str, query: bytes, headers: Headers) -> Answer:
        (kind,) = parse_qs(query.decode("latin-1")).get("kind", [None])[:1] if query else (None,)
        try:
            body = self._reader.get(name, kind)
        except SinkError as error:
            _log.warning("%s", error)
            return _said(503, "the store cannot be read now")
        if body is None:
            return _said(404, "nothing is known of this subject")
        tag = b'"%s"' % hashlib.blake2b(body, digest_size=12).hexdigest().encode()
        known = [each.strip().removeprefix(b"W/") for each in headers.get(b"if-none-match", b"").split(b",")]
        if tag in known or known == [b"*"]:
            return _UNCHANGED, b"", (b"etag", tag)
        return 200, body, _JSON, (b"etag", tag)


def _said(status: int, error: str) -> Answer:
    return _told(status, {"error": error})


def _told(status: int, told: Any) -> Answer:
    return status, orjson.dumps(told), _JSON
