"""Lines of JSON to columns, at close to the cost of parsing them; bad lines to rejects, each with a reason.

Lines are parsed in chunks that stay in the processor's caches, and their columns put together once for all of them.
What a line gives does not depend on the lines around it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.features.hashing import pair
from flows.wire.columns import Converter, IdConverter, event_time_converter, field_converter
from flows.wire.hashing import hash_lines
from flows.wire.networks import NetworkConverter
from flows.wire.parse import Parser
from flows.wire.paths import walk
from flows.wire.reject import BadLineError, Reject, Why, read_document
from flows.wire.spec import FieldSpec, WireSpec
from flows.wire.where import Where
from state.batch import MicroBatch
from state.schema import EVENT_KEY, EVENT_TIME, SUBJECT, SUBJECT_NAME, name_column
from state.types import I64, Names, Values

_CHUNK: Final = 256
"""Lines per chunk: the parsed objects of a larger one leave the caches before they are read."""
_SUBJECT, _KEY = 1, 2


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of some lines: each is a row of `batch`, a reject, both in the order of the lines, or left out.

    row: (n,) int64, the positions of the batch's rows in the lines given.  filtered: how many were left out, because
    they do not meet `WireSpec.where`.
    """

    batch: MicroBatch
    row: I64
    rejects: list[Reject]
    filtered: int = 0


class Decoder:
    """Decodes lines by one WireSpec.

    Of duplicate keys in an object the last one counts. A text "12" is not a number, true is not 1, and a float is
    as good as an integer where a number is expected. An id may be text or an integer (1 and "1" are one id); the
    empty text is no id. Members that are not read have to be JSON, but the size of their numbers does not matter.
    """

    def __init__(self, spec: WireSpec, named: frozenset[str] = frozenset()) -> None:
        """named: id columns whose texts are kept beside their hashes (state.schema.name_column)."""
        self.spec = spec
        self._named = named
        self._plans: dict[frozenset[str] | None, _Plan] = {}
        self._subject = IdConverter(spec.subject, required=True, chars_max=spec.subject_chars_max)

    def decode(self, lines: Sequence[bytes], columns: frozenset[str] | None = None) -> Decoded:
        """Each line as a row or a reject.

        columns: the schema columns to decode, all when None. The others are neither read nor checked: whether a line
        is rejected is a function of its bytes, the spec and `columns`. Raises ConfigError for an unknown column.
        """
        plan = self._plans.get(columns)
        if plan is None:
            plan = self._plans[columns] = _Plan(self.spec, columns, self._named)
        return plan.decode(lines)

    def subject_of(self, line: bytes) -> str | None:
        """The subject of a line that gives no row, None where it cannot be told."""
        if len(line) > self.spec.line_bytes_max:
            return None
        try:
            document, _ = read_document(line)
        except BadLineError:
            return None
        if type(document) is not dict:
            return None
        value = walk(document, self.spec.subject, "")
        return None if self._subject.why(value) else str(value)


class _Plan:
    """What to read, for one choice of columns: time, subject, event id (if any), then the chosen fields."""

    def __init__(self, spec: WireSpec, columns: frozenset[str] | None, named: frozenset[str]) -> None:
        for name in columns or ():
            spec.schema().column(name)
        conditions = {c.column for c in spec.where}
        fields = [f for f in spec.fields if columns is None or f.column.name in columns | conditions]
        self._names = [f.column.name for f in fields]
        self._unasked = [name for name in self._names if columns is not None and name not in columns]
        self._where = Where(spec) if spec.where else None
        self._has_id = bool(spec.event_id)
        self._subject_chars_max = spec.subject_chars_max
        self._converters: list[Converter] = [
            event_time_converter(spec),
            IdConverter(spec.subject, required=True, chars_max=spec.subject_chars_max),
        ]
        if self._has_id:
            self._converters.append(IdConverter(spec.event_id, required=True))
        fixed = len(self._converters)
        self._converters += [converter_of(field, spec, named=field.column.name in named) for field in fields]
        self._texts = {SUBJECT_NAME: _SUBJECT} | {
            name_column(name): fixed + i for i, name in enumerate(self._names) if name in named
        }
        """Column of texts -> the converter whose values they are."""
        self._parser = Parser(self._converters, spec.line_bytes_max)

    def decode(self, lines: Sequence[bytes]) -> Decoded:
        """As Decoder.decode."""
        bad: dict[int, Why] = {}
        texts, pieces = self._read(lines, bad)
        rows = np.delete(np.arange(len(lines)), list(bad)) if bad else np.arange(len(lines))
        unfit = np.zeros(len(rows), np.bool_)
        arrays: list[Values] = []
        for converter, parts in zip(self._converters, pieces, strict=True):
            array, is_unfit = converter.column(parts) if parts else (np.empty(0, converter.dtype), unfit)
            arrays.append(array)
            unfit |= is_unfit
        for names in texts.values():
            if names.longest > self._subject_chars_max:
                unfit |= np.fromiter(map(len, names.column()), np.int64, len(rows)) > self._subject_chars_max
        if not self._has_id:
            arrays.insert(_KEY, hash_lines([lines[row] for row in rows.tolist()] if bad else lines))
        arrays += [names.column() for names in texts.values()]
        if unfit.any():
            bad |= {row: self._fault(lines[row]) for row in rows[unfit].tolist()}
            rows, *arrays = (array[~unfit] for array in (rows, *arrays))
        time, subject, key, *rest = arrays
        told = dict(zip((*self._names, *texts), rest, strict=True))
        system = {
            EVENT_TIME: time,
            EVENT_KEY: pair(subject, key),
            SUBJECT: subject,
            SUBJECT_NAME: told.pop(SUBJECT_NAME),
        }
        batch = MicroBatch(system | told)
        if self._where is not None:
            kept = self._where.keeps(batch)
            bad = {row: why for row, why in bad.items() if not self._where.leaves_out(lines[row])}
            asked = {name: values for name, values in batch.columns.items() if name not in self._unasked}
            batch, rows = MicroBatch(asked).take(kept), rows[kept]
        filtered = len(lines) - len(rows) - len(bad)
        return Decoded(batch, rows, [Reject(row, *bad[row]) for row in sorted(bad)], filtered)

    def _read(self, lines: Sequence[bytes], bad: dict[int, Why]) -> tuple[dict[str, "_Texts"], list[list[Any]]]:
        """The texts that are kept, and each converter's pieces.  bad: gets the lines that are not in them."""
        texts = {name: _Texts(len(lines)) for name in self._texts}
        pieces: list[list[Any]] = [[] for _ in self._converters]
        for start in range(0, len(lines), _CHUNK):
            columns = self._parser.columns(lines[start : start + _CHUNK], bad, start)
            if columns:
                for name, at in self._texts.items():
                    converter = self._converters[at]
                    assert isinstance(converter, IdConverter)
                    texts[name].add(converter.texts(columns[at]))
                for converter, values, into in zip(self._converters, columns, pieces, strict=True):
                    into.append(converter.piece(values))
        return texts, pieces

    def _fault(self, line: bytes) -> Why:
        """What is wrong with a line whose values do not all fit."""
        try:
            self._parser.judge(line)
        except BadLineError as error:
            return error.why
        raise AssertionError("a line was refused without a reason")


class _Texts:
    """Texts that are kept, put into an array chunk by chunk: while they are in the caches they cost next to nothing.

    longest: of them, in characters.
    """

    def __init__(self, most: int) -> None:
        """most: so many texts will come at most."""
        self._array: Names = np.empty(most, np.object_)
        self._count = 0
        self.longest = 0

    def add(self, texts: Sequence[str]) -> None:
        """Further texts, at least one."""
        self.longest = max(self.longest, len(max(texts, key=len)))
        start, self._count = self._count, self._count + len(texts)
        self._array[start : self._count] = texts

    def column(self) -> Names:
        """All of them, (n,)."""
        return self._array[: self._count]


def converter_of(field: FieldSpec, spec: WireSpec, *, named: bool) -> Converter:
    """The converter of one configured column.  named: whether the texts of an id column are kept."""
    chars_max = spec.subject_chars_max if named else sys.maxsize
    if field.network:
        return NetworkConverter(field, chars_max)
    return IdConverter(field.path, field.required, chars_max) if named else field_converter(field, spec.time_zone)
