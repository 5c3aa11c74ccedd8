"""Lines of key=value pairs, such as `at=2026-03-02T07:10:00Z user=ann level=info msg="two words"`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import orjson
from pydantic import Field

from driftnet.kit import FormatSettings, UndecodableError

# Not `shlex`: what that takes for a long line grows with the square of its length.
_PAIR = re.compile(r"""\s*([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?=\s|$)""")
_ESCAPED = re.compile(r"\\(.)")


class LogfmtSettings(FormatSettings):
    """Lines of key=value pairs, as many programs write their logs; a value with blanks stands in quotes."""

    kind: Literal["logfmt"] = Field(description="logfmt")
    texts: tuple[str, ...] = Field((), description="keys whose values stay texts though they are numbers, such as ids")

    def format(self) -> "LogfmtSpec":
        """What it stands for."""
        return LogfmtSpec(self.texts)


@dataclass(frozen=True, slots=True)
class LogfmtSpec:
    """The format as it is configured."""

    texts: tuple[str, ...]

    def build(self) -> "Logfmt":
        """A decoder."""
        return Logfmt(frozenset(self.texts))


class Logfmt:
    """Decodes lines, each for itself."""

    def __init__(self, texts: frozenset[str]) -> None:
        self._texts = texts

    def line(self, value: bytes) -> bytes:
        """The line as a JSON object."""
        try:
            text = value.decode()
        except ValueError as error:
            raise UndecodableError(f"no key=value pairs: {error}") from error
        return orjson.dumps({key: told if key in self._texts else _plain(told) for key, told in _pairs(text.strip())})


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _PAIR.match(text, at)
        if found is None:
            raise UndecodableError(f"no key=value pairs: found {text[at : at + 40]!r}")
        key, quoted, plain = found.groups()
        yield key, plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
        at = found.end()


def _plain(text: str) -> str | int | float:
    """A number where it is written as one that a float64 holds."""
    for number in (int, float) if text.isascii() and len(text) < 32 else ():
        try:
            found = number(text)
        except ValueError:
            continue
        return found if abs(found) <= 2**53 else text
    return text
