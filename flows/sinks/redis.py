"""Valkey or Redis as a sink: a key per record that holds what was said last, or a stream that has each record once."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import orjson

from flows.placeholders import expanded
from flows.redaction import hidden
from flows.sinks.base import BufferedSink, Patience, Record
from flows.sinks.identity import record_id, told_id
from flows.streams import Stream
from state.errors import ConfigError, SinkError

Form = Literal["keys", "stream"]
_AT_ONCE: Final = 1000
"""Commands that are sent together, and entries that are read together."""
_SILENT_S: Final = 10.0
"""A server that says nothing for so long is down."""
_KNOWN_S: Final = 3600.0
"""What has not come again after so long will not."""


class _Item(NamedTuple):
    id: str
    text: bytes


class RedisWriter(BufferedSink[_Item]):
    """Writes records of one stream.

    form "keys": each record is a text of JSON under PREFIX:ID, and takes the place of what was there; expire_s: how
    long it stays after it was last written, 0 for ever.
    form "stream": each record is an entry of the stream PREFIX, with the fields id and record; length_max: about so
    many are kept, 0 for all.  What is there after resume_position, of a run that was killed, or that did not hear the
    answer, is read back, and not written again when it comes again.

    url: "redis://host:6379/0", "rediss://" with TLS, "unix://"; "${NAME}" stands for an environment variable.
    Raises ConfigError, SinkError.
    """

    advice = "see to the server, then resume the run"

    def __init__(
        self,
        url: str,
        stream: Stream,
        prefix: str = "",
        form: Form = "keys",
        expire_s: float = 0.0,
        length_max: int = 0,
        resume_position: Any = None,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = _library()
        self._prefix = prefix or f"driftnet:{stream}"
        address = str(expanded({"url": url})["url"])
        super().__init__(
            f"Redis at {urlsplit(address).netloc.rpartition('@')[2] or 'a socket'}, {self._prefix}",
            patience or Patience(),
            clock=clock,
        )
        self.errors = self._redis.ConnectionError, self._redis.TimeoutError, self._redis.ReadOnlyError
        self._client = self._connect(address)
        self._stream = stream
        self._form = form
        self._expire_ms = int(expire_s * 1000) or None
        self._length_max = length_max or None
        self._sent = 0
        self._known: Counter[str] = Counter()
        """Records that are in the stream, and have not come again yet: id -> how often."""
        self._known_until_s = clock() + _KNOWN_S
        self._last = ""
        """The last entry of the stream that was looked at, or written."""
        self._in_doubt = False
        """Whether something was sent that nothing was heard of."""
        self._briefly(lambda: self._begin(resume_position))

    def _connect(self, address: str) -> Any:
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        try:
            return self._redis.Redis.from_url(
                address,
                socket_timeout=_SILENT_S,
                socket_connect_timeout=_SILENT_S,
                socket_keepalive=True,
                client_name="driftnet",
                retry=Retry(NoBackoff(), 0),  # by Patience, which looks first what has arrived
            )
        except ValueError as error:
            raise ConfigError(hidden(f"redis: url: {error}")) from None

    def _begin(self, position: Any) -> None:
        try:
            if self._form == "keys":
                self._client.ping()
            elif position is None:
                newest = self._client.xrevrange(self._prefix, count=1)
                self._last = newest[0][0].decode() if newest else "0-0"
            else:
                self._last, self._known = position["after"], Counter(position["known"])
                self._read_back()
        except self.errors:
            raise
        except self._redis.RedisError as error:
            raise self._refused(error) from None

    def _encode(self, records: list[Record]) -> list[_Item]:
        named = record_id if self._form == "keys" else told_id
        texts = [orjson.dumps(record) for record in records]
        return [_Item(named(self._stream, r, text), text) for r, text in zip(records, texts, strict=True)]

    def _send(self, items: list[_Item]) -> None:
        write = self._set if self._form == "keys" else self._append
        try:
            while items:
                part = items[:_AT_ONCE]
                write(part)
                del items[: len(part)]
                self._sent += len(part)
        except self.errors:
            self._in_doubt = True
            raise
        except self._redis.RedisError as error:
            raise self._refused(error) from None

    def _set(self, items: list[_Item]) -> None:
        pipe = self._client.pipeline(transaction=False)
        for item in items:
            pipe.set(f"{self._prefix}:{item.id}", item.text, px=self._expire_ms)
        pipe.execute()

    def _append(self, items: list[_Item]) -> None:
        if self._in_doubt:
            self._read_back()
            self._in_doubt = False
        again: Counter[str] = Counter()
        pipe = self._client.pipeline(transaction=True)
        for item in items:
            if again[item.id] < self._known[item.id]:
                again[item.id] += 1
            else:
                fields: Any = {"id": item.id, "record": item.text}
                pipe.xadd(self._prefix, fields, maxlen=self._length_max, approximate=True)
        written = pipe.execute() if len(pipe) else []
        self._known -= again
        if written:
            self._last = written[-1].decode()

    def _read_back(self) -> None:
        """Gets to know what is in the stream after the last entry."""
        while found := self._client.xrange(self._prefix, min=f"({self._last}", count=_AT_ONCE):
            self._known.update(fields[b"id"].decode() for _, fields in found if b"id" in fields)
            self._last = found[-1][0].decode()

    def _position(self) -> dict[str, Any]:
        """Keys see to it themselves that nothing is there twice."""
        if self._form == "keys":
            return {"records": self._sent}
        if self._clock() > self._known_until_s:
            self._known.clear()
        return {"after": self._last, "known": dict(+self._known)}

    def _refused(self, error: Exception) -> SinkError:
        """Of what waiting does not heal: a key of another type, a right that is missing."""
        return SinkError(hidden(f"{self._where}: {error}; what is there and what the user may do must be put right"))

    def _release(self) -> None:
        self._client.close()


def _library() -> Any:
    try:
        import redis
    except ImportError as error:
        raise ConfigError(
            f'kind "redis" needs the package redis ({error}); install it: pip install "driftnet[redis]"'
        ) from error
    return redis
