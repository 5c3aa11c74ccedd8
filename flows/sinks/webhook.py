"""An HTTP endpoint as a sink: a request per record, again until it is taken; what nobody takes goes to a file."""

import base64
import hashlib
import hmac
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import orjson

from flows.placeholders import expanded
from flows.redaction import hidden
from flows.sinks.base import BufferedSink, Patience, Record
from flows.sinks.identity import told_id
from flows.sinks.template import Body, UnrenderableError
from flows.streams import Stream
from state.errors import ConfigError, SinkError
from state.times import iso_now

_log: Final = logging.getLogger("driftnet.output")
_PASSING: Final = (408, 425, 429)
"""Answers below 500 that may be another one next time."""
_WAIT_S_MAX: Final = 300.0
"""Who asks for a longer pause (Retry-After) is asked again nevertheless."""
_SAID_MAX: Final = 200


class _Item(NamedTuple):
    """body: as bytes, or why there is none."""

    id: str
    record: Record
    body: bytes | UnrenderableError


class _DownError(Exception):
    """No answer, or one that says that it may be another one later."""


class WebhookWriter(BufferedSink[_Item]):
    """Sends each record of one stream by a request of its own, in their order.

    A request is signed as Standard Webhooks 1.0 says (https://www.standardwebhooks.com) where there is a secret, and
    has its headers anyway: webhook-id is the same whenever a record is sent again, after a kill or an answer that got
    lost, so that who asks for it gets each record once.

    No answer, 408, 425, 429 and 5xx are tried again, as long as patience says, not before Retry-After.  What is refused
    by another answer, what the template makes no body of, and what waits when patience is over goes to the file
    dead_letters, each record a line with its field "undelivered", and the run goes on; after that there is one try each
    until one is answered.

    template: see `flows.sinks.template.Body`.  headers: further ones.  values: for the template.  secret: text, or
    "whsec_" and base64; "" for no signature.  In url, headers, values and secret "${NAME}" stands for an environment
    variable.  timeout_s: of connecting, and of each wait for an answer.  Raises ConfigError.
    """

    errors = (_DownError,)
    advice = "see to the receiver"

    def __init__(
        self,
        url: str,
        stream: Stream,
        dead_letters: str,
        template: str = "record",
        headers: Mapping[str, str] = {},
        values: Mapping[str, Any] = {},
        secret: str = "",
        timeout_s: float = 10.0,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        found = expanded({"webhook.url": url, "webhook.secret": secret})
        self._url, self._secret = str(found["webhook.url"]), _key(str(found["webhook.secret"]))
        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(hidden(f"webhook: url: seen {self._url!r}, allowed: http:// or https:// and a host"))
        super().__init__(f"webhook at {parts.hostname}, {stream}", patience or Patience(), sleep, clock)
        self._headers = {"content-type": "application/json", "user-agent": "driftnet"}
        self._headers |= {name.lower(): str(value) for name, value in expanded(dict(headers)).items()}
        self._body = Body(template, stream, expanded(dict(values)))
        self._pool = _pool(parts.scheme, parts.hostname, timeout_s)
        self._stream = stream
        self._dead_letters = Path(dead_letters)
        self._lasting = self._patience
        self._not_before_s = 0.0
        self._sent = 0

    def _encode(self, records: list[Record]) -> list[_Item]:
        items = []
        for record in records:
            name = told_id(self._stream, record, orjson.dumps(record))
            try:
                body: bytes | UnrenderableError = self._checked(self._body.render(record, name))
            except UnrenderableError as error:
                body = error
            if body:
                items.append(_Item(name, record, body))
        return items

    def _checked(self, body: bytes) -> bytes:
        if body and self._headers["content-type"].startswith("application/json"):
            try:
                orjson.loads(body)
            except orjson.JSONDecodeError as error:
                raise UnrenderableError(f"the template makes no JSON: {error}") from error
        return body

    def _send(self, items: list[_Item]) -> None:
        while items:
            item = items[0]
            refused = str(item.body) if isinstance(item.body, UnrenderableError) else self._post(item.id, item.body)
            if refused:
                self._bury([item], refused)
            del items[0]
            self._sent += not refused

    def _post(self, name: str, body: bytes) -> str:
        """Sends one; why it was refused, "" if it was taken.  Raises _DownError."""
        from urllib3.exceptions import HTTPError

        if self._clock() < self._not_before_s:
            raise _DownError("it asked for a pause (Retry-After)")
        stamp = str(int(time.time()))
        headers = {**self._headers, "webhook-id": name, "webhook-timestamp": stamp}
        if self._secret:
            signed = hmac.digest(self._secret, f"{name}.{stamp}.".encode() + body, hashlib.sha256)
            headers["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
        try:
            answer = self._pool.request("POST", self._url, body=body, headers=headers, redirect=False, retries=False)
        except HTTPError as error:
            raise _DownError(hidden(str(error))) from None
        if answer.status >= 500 or answer.status in _PASSING:
            wait = answer.headers.get("retry-after", "")
            self._not_before_s = self._clock() + (min(float(wait), _WAIT_S_MAX) if wait.isdecimal() else 0.0)
            raise _DownError(f"it answers {answer.status}")
        self._patience = self._lasting
        if 200 <= answer.status < 300:
            return ""
        return f"it answers {answer.status}: {answer.data[:_SAID_MAX].decode(errors='replace')}"

    def _insist(self, action: Callable[[], Any]) -> Any:
        try:
            return super()._insist(action)
        except SinkError as error:
            if not isinstance(error.__cause__, _DownError):
                raise
            self._bury(self._buffer, str(error.__cause__))
            self._buffer = []
            self._patience = replace(self._lasting, tries=1)
            return super()._insist(action)

    def _bury(self, items: list[_Item], why: str) -> None:
        """Appends records to the file of those that nobody took.  Raises SinkError."""
        _log.error(
            "%s: %d records were not taken (%s); they are in %s", self._where, len(items), why, self._dead_letters
        )
        at = iso_now()
        told = ({**i.record, "undelivered": {"id": i.id, "to": self._where, "at": at, "why": why}} for i in items)
        lines = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in told)
        try:
            self._dead_letters.parent.mkdir(parents=True, exist_ok=True)
            with self._dead_letters.open("ab") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SinkError(
                f"{self._where}: {why}; and dead letters cannot be written to {self._dead_letters}: {error.strerror};"
                " none is lost: they come again when the run goes on from its last checkpoint"
            ) from error

    def _position(self) -> dict[str, int]:
        return {"sent": self._sent}  # what is sent cannot be taken back; receivers know it by its id

    def _release(self) -> None:
        self._pool.clear()


def _key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ConfigError('webhook: secret: seen "whsec_" and something else, allowed: base64 after it') from None


def _pool(scheme: str, host: str, timeout_s: float) -> Any:
    """Connections, by the proxy that the environment names for them, as other programs' are."""
    try:
        import urllib3
    except ImportError as error:
        raise ConfigError(
            f'kind "webhook" needs the package urllib3 ({error}); install it: pip install "driftnet[webhook]"'
        ) from error
    timeout = urllib3.Timeout(connect=timeout_s, read=timeout_s)
    proxy = getproxies().get(scheme)
    if proxy and not proxy_bypass(host):
        return urllib3.ProxyManager(proxy, timeout=timeout)
    return urllib3.PoolManager(timeout=timeout)
