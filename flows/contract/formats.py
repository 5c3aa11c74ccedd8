"""What every format must do."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import orjson

from flows.contract.job import small_job
from flows.contract.settings import keep
from flows.contract.trial import FormatTrial
from flows.drive.local import LocalDriver
from flows.formats.base import UndecodableError
from flows.sinks.memory import MemoryWriter
from flows.sources.base import Lines, Partition, Unwatched
from flows.sources.formatted import FormattedPartition
from flows.streams import Stream
from flows.wire.reject import Reason
from state.check import must
from state.pickles import copied

_SEED: Final = 7
_RANDOM: Final = 300
_HUGE: Final = 1 << 20


def samples(trial: FormatTrial) -> None:
    """As JSON, an object in one line."""
    decoder = _decoder(trial)
    for value, expected in trial.samples:
        line = decoder(value)
        must(b"\n" not in line, f"{value[:40]!r} became several lines")
        found = orjson.loads(line)
        must(found == expected, f"{value[:40]!r} became {str(found)[:200]}, expected {str(expected)[:200]}")


def one_by_one(trial: FormatTrial) -> None:
    """Neither on what came before, nor on which decoder it is."""
    values = [value for value, _ in trial.samples]
    lines = list(map(_decoder(trial), values))
    spec = trial.settings.format()
    if spec is None:
        return
    decoder = copied(spec).build()
    for _ in range(2):
        for bad in (b"", b"\xff\xfe"):
            with suppress(UndecodableError):
                decoder.line(bad)
        backwards = [decoder.line(value) for value in reversed(values)]
        must(backwards[::-1] == lines, "another order, or a second time, gives other lines")


def garbage(trial: FormatTrial) -> None:
    """Cut, changed, empty, huge, random."""
    decoder = _decoder(trial)
    for value in _bad(trial):
        try:
            line = decoder(value)
        except UndecodableError as error:
            must(bool(str(error).strip()), f"no reason why {value[:40]!r} is refused")
            continue
        except Exception as error:
            raise AssertionError(f"{value[:40]!r} raised {type(error).__name__}: {error}") from error
        must(isinstance(line, bytes), f"{value[:40]!r} became a {type(line).__name__}")
        if trial.settings.format() is not None:
            try:
                found = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise AssertionError(f"{value[:40]!r} became no JSON: {line[:80]!r}") from error
            must(isinstance(found, dict), f"{value[:40]!r} became {line[:40]!r}, which is no object")


def job(trial: FormatTrial) -> None:
    """Every value is read, and is accepted, late, a duplicate or rejected; what it refuses is on the dead-letter
    stream, as it was.
    """
    bad = [value for value in _bad(trial) if value.strip() and b"\n" not in value][:200]
    values = [*(value for value, _ in trial.samples), *bad]
    spec = trial.settings.format()
    partition: Partition = _Values(values)
    if spec is not None:
        partition = FormattedPartition(partition, spec.build())
    rejects = MemoryWriter()
    summary = LocalDriver(small_job(), [partition], {Stream.REJECTS: [rejects]}).run()
    must(summary.read == len(values), f"{len(values)} values, {summary.read} read")
    must(summary.balanced, "not every value is accounted for")
    refused = [record for record in rejects.records if record["reason"] == Reason.UNDECODABLE]
    decoder = _decoder(trial)
    expected = sum(_is_refused(decoder, value) for value in values)
    must(len(refused) == expected, f"{expected} values are refused, {len(refused)} are dead letters")


def keeps_secrets(trial: FormatTrial) -> None:
    """Neither settings nor what they stand for."""
    spec = trial.settings.format()
    keep(trial.settings, trial.secret, repr(spec), str(spec))


class _Values(Unwatched):
    """Values that are read once."""

    name = "values"
    size_bytes = None
    done_bytes = None

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values: list[bytes] = list(values)
        self._read = 0

    def read(self, max_lines: int) -> Lines | None:
        found = self._values[self._read : self._read + max_lines]
        first, self._read = self._read, self._read + len(found)
        return Lines(found, range(first, self._read), self.name) if found else None

    def position(self) -> int:
        return self._read

    def seek(self, position: Any) -> None:
        self._read = position

    def close(self) -> None:
        self._values = []


def _decoder(trial: FormatTrial) -> Callable[[bytes], bytes]:
    spec = trial.settings.format()
    return bytes if spec is None else spec.build().line


def _is_refused(decoder: Callable[[bytes], bytes], value: bytes) -> bool:
    try:
        decoder(value)
    except UndecodableError:
        return True
    return False


def _bad(trial: FormatTrial) -> Iterator[bytes]:
    chosen = random.Random(_SEED)  # noqa: S311 - the same garbage each time
    yield from (b"", b" ", b"\0", b"\xff\xfe", b"null", b"[]", b"{", b'"', "é".encode()[:1], b"x" * _HUGE)
    yield from (chosen.randbytes(chosen.randrange(1, 60)) for _ in range(_RANDOM))
    for value, _ in trial.samples[:10]:
        yield from (value[:end] for end in range(0, len(value), max(1, len(value) // 50)))
        for _ in range(50):
            at = chosen.randrange(len(value))
            yield value[:at] + bytes([chosen.randrange(256)]) + value[at + 1 :]
