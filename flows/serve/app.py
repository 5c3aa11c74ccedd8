"""GET /v1/subjects/{id}: what is known of a subject, with an ETag, to those who have the token."""

import hashlib
import hmac
import logging
import os
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flows.redaction import remember
from flows.serve.standings import StandingsReader
from state.errors import ConfigError, SinkError

_log: Final = logging.getLogger("driftnet.serve")
TOKEN: Final = "DRIFTNET_SERVE_TOKEN"  # noqa: S105 - its name
"""The environment variable that has the token."""
_TOKEN_MIN: Final = 16
_HEADERS: Final = {"cache-control": "private, no-cache", "x-content-type-options": "nosniff"}
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
Endpoint = Callable[[Request], Awaitable[Response]]


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


def build(reader: StandingsReader, token: str) -> Starlette:
    """The application.  token: "" where only this machine reaches it: then it is asked by a name of this machine alone,
    so that no page of the web can have a browser ask.
    """

    async def subject(request: Request) -> Response:
        name, kind = request.path_params["id"], request.query_params.get("kind")
        try:
            body = reader.get(name, kind)
        except SinkError as error:
            _log.warning("%s", error)
            return _said(503, "the store cannot be read now")
        if body is None:
            return _said(404, "nothing is known of this subject")
        tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
        if tag in known or known == ["*"]:
            return Response(status_code=304, headers={**_HEADERS, "etag": tag})
        return Response(body, media_type="application/json", headers={**_HEADERS, "etag": tag})

    async def alive(request: Request) -> Response:  # noqa: ARG001
        return _answer(200, {"alive": True})

    async def ready(request: Request) -> Response:  # noqa: ARG001
        try:
            reader.get("")
        except SinkError:
            return _said(503, "the store cannot be read now")
        return _answer(200, {"ready": True})

    return Starlette(
        routes=[
            Route("/v1/subjects/{id:path}", _guarded(subject, token), methods=["GET"]),
            Route("/livez", alive, methods=["GET"]),
            Route("/readyz", ready, methods=["GET"]),
        ],
        exception_handlers={404: _other, 405: _other},
    )


async def _other(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Of paths and methods that there are not."""
    assert isinstance(error, HTTPException)
    return _said(error.status_code, error.detail, dict(error.headers or {}))


def _guarded(endpoint: Endpoint, token: str) -> Endpoint:
    """Answers those who may ask."""
    expected = f"bearer {token}".encode()

    async def guarded(request: Request) -> Response:
        if token:
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            if not hmac.compare_digest(f"{scheme.lower()} {given}".encode(), expected):
                return _said(401, "a token is needed", {"www-authenticate": "Bearer"})
        elif request.headers.get("host", "").rsplit(":", 1)[0] not in _LOCAL:
            return _said(403, "ask for it as localhost or 127.0.0.1")
        return await endpoint(request)

    return guarded


def _said(status: int, error: str, headers: dict[str, str] | None = None) -> Response:
    return _answer(status, {"error": error}, headers)


def _answer(status: int, told: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(told), status, {**_HEADERS, **(headers or {})}, "application/json")
