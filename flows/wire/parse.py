"""Lines to typed objects: in one sweep where they are as expected, and judged one by one where they are not."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from flows.wire.columns import Converter
from flows.wire.paths import Cells, Shape, walk
from flows.wire.reject import SHORT_BYTES, BadLineError, Reason, Why, describe, is_deep, read_document

_REFUSED: Final = (msgspec.DecodeError, RecursionError)


class Parser:
    """Reads the members of lines that some converters want.

    Two parsers, of which the second decides: msgspec reads the wanted members alone, straight into typed objects. What
    it refuses, and what it might take although orjson does not, is judged by orjson and the converters' `why`.
    """

    def __init__(self, converters: Sequence[Converter], line_bytes_max: int) -> None:
        self._converters = converters
        self._bytes_max = line_bytes_max
        self._shape = Shape(converters)
        self._read = msgspec.json.Decoder(self._shape.type).decode

    def columns(self, lines: Sequence[bytes], bad: dict[int, Why], start: int) -> list[Cells]:
        """The values that each converter wants, without those of bad lines; nothing if there is no other.

        lines: at least one.  bad: gets the bad ones, by their position, which is `start` for the first.
        """
        doubtful = self._doubtful(lines)
        rest = iter([b"" if row in doubtful else line for row, line in enumerate(lines)] if doubtful else lines)
        read: list[msgspec.Struct] = []
        refused = 0
        while True:
            try:
                read.extend(map(self._read, rest))  # keeps what came before a refused line, which `rest` is then past
                return self._shape.columns(read) if read else []
            except _REFUSED:
                row = len(read) + refused
            try:
                read.append(self.judge(lines[row]))
            except BadLineError as error:
                bad[start + row] = error.why
                refused += 1

    def judge(self, line: bytes) -> msgspec.Struct:
        """What is read of one line.  Raises BadLineError."""
        if len(line) > self._bytes_max:
            found = f"{len(line)} bytes or more, expected at most {self._bytes_max}"
            raise BadLineError((Reason.TOO_LONG, found))
        document, beyond = read_document(line)
        if type(document) is not dict:
            raise BadLineError(beyond or (Reason.NOT_AN_OBJECT, f"found {describe(document)}, expected an object"))
        values = [walk(document, c.path, c.absent) for c in self._converters]
        for converter, value in zip(self._converters, values, strict=True):
            if why := converter.why(value):
                raise BadLineError(beyond or why)
        return self._shape.build(values)

    def _doubtful(self, lines: Sequence[bytes]) -> Iterable[int]:
        """The lines that orjson has to judge: too long or deeply nested ones, and what is not UTF-8.

        msgspec looks at the form of members that it does not read, but not at the bytes of their texts.
        """
        rows: set[int] = set()
        short = min(SHORT_BYTES, self._bytes_max)
        if len(max(lines, key=len)) > short:
            long = [(row, line) for row, line in enumerate(lines) if len(line) > short]
            rows |= {row for row, line in long if len(line) > self._bytes_max or is_deep(line)}
        if not all(map(bytes.isascii, lines)) and not _is_utf8(b"\n".join(lines)):
            rows |= {row for row, line in enumerate(lines) if not (line.isascii() or _is_utf8(line))}
        return rows


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
