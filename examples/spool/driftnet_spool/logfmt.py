"""Lines of key=value pairs, such as `at=2026-03-02T07:10:00Z user=ann level=info msg="two words"`."""

import shlex
from dataclasses import dataclass
from typing import Literal

import orjson
from pydantic import Field

from driftnet.kit import FormatSettings, UndecodableError


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
            words = shlex.split(value.decode(), posix=True)
        except ValueError as error:  # no UTF-8, or a quote that does not end
            raise UndecodableError(f"no key=value pairs: {error}") from error
        found: dict[str, str | int | float] = {}
        for word in words:
            key, equals, text = word.partition("=")
            if not (key and equals):
                raise UndecodableError(f"no key=value pairs: found {word[:40]!r}")
            found[key] = text if key in self._texts else _plain(text)
        return orjson.dumps(found)


def _plain(text: str) -> str | int | float:
    """A number where it is written as one that a float64 holds."""
    for number in (int, float) if text.isascii() and len(text) < 32 else ():
        try:
            found = number(text)
        except ValueError:
            continue
        return found if abs(found) <= 2**53 else text
    return text
