"""Lines of JSON to columns, at close to the cost of parsing them; bad lines to rejects, each with a reason.

Lines are taken in chunks that stay in the processor's caches. A chunk without a bad line is parsed, transposed and
converted column by column. Where a step fails, and only there, its values are judged one by one; the rows at fault
leave with their reason, and the rest is converted again. What a line gives does not depend on the lines around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import orjson

from detectors.features.hashing import pair
from flows.wire.columns import Converter, IdConverter, event_time_converter, field_converter
from flows.wire.hashing import hash_lines
from flows.wire.paths import Cells, Document, PathReader
from flows.wire.reject import Reason, Reject, Why, describe, why_not_json
from flows.wire.spec import WireSpec
from state.batch import MicroBatch
from state.schema import EVENT_KEY, EVENT_TIME, SUBJECT, SUBJECT_NAME
from state.types import I64, Names, Values

_CHUNK: Final = 512
"""Lines per chunk: the parsed objects of a larger one leave the caches before they are read."""
_UNFIT: Final = (ValueError, TypeError, OverflowError)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of some lines: each is a row of `batch` or a reject, in the order of the lines.

    row: (n,) int64, the positions of the batch's rows in the lines given.
    """

    batch: MicroBatch
    row: I64
    rejects: list[Reject]


class Decoder:
    """Decodes lines by one WireSpec.

    Of duplicate keys in an object the last one counts. A text "12" is not a number, true is not 1, and a float is
    as good as an integer where a number is expected. An id may be text or an integer (1 and "1" are one id); the
    empty text is no id. The caches inside change the speed alone.
    """

    def __init__(self, spec: WireSpec) -> None:
        self.spec = spec
        self._plans: dict[frozenset[str] | None, _Plan] = {}

    def decode(self, lines: Sequence[bytes], columns: frozenset[str] | None = None) -> Decoded:
        """Each line as a row or a reject.

        columns: the schema columns to decode, all when None. The others are neither read nor checked: whether a line
        is rejected is a function of its bytes, the spec and `columns`. Raises ConfigError for an unknown column.
        """
        plan = self._plans.get(columns)
        if plan is None:
            plan = self._plans[columns] = _Plan(self.spec, columns)
        starts = range(0, len(lines), _CHUNK)
        parts = [plan.chunk(lines[start : start + _CHUNK], start) for start in starts]
        batch, rows = plan.assemble(parts)
        return Decoded(batch, rows, [reject for part in parts for reject in part.rejects])


@dataclass(slots=True)
class _Part:
    """One chunk's rows: an array per column (none without a row), and its rejects in row order."""

    arrays: list[Values]
    rows: I64
    rejects: list[Reject]


class _Plan:
    """What to read, for one choice of columns: time, subject, event id (if any), then the chosen fields."""

    def __init__(self, spec: WireSpec, columns: frozenset[str] | None) -> None:
        for name in columns or ():
            spec.schema().column(name)
        fields = [f for f in spec.fields if columns is None or f.column.name in columns]
        self._names = [f.column.name for f in fields]
        self._bytes_max = spec.line_bytes_max
        self._has_id = bool(spec.event_id)
        self._converters: list[Converter] = [event_time_converter(spec), IdConverter(spec.subject, required=True)]
        paths = [spec.event_time, spec.subject]
        if self._has_id:
            self._converters.append(IdConverter(spec.event_id, required=True))
            paths.append(spec.event_id)
        self._fixed = len(self._converters)
        self._converters += map(field_converter, fields)
        paths += [f.path for f in fields]
        self._reader = PathReader([(path, c.absent) for path, c in zip(paths, self._converters, strict=True)])

    def chunk(self, lines: Sequence[bytes], start: int) -> _Part:
        """The rows and rejects of a few lines, at least one.  start: the position of the first."""
        bad: dict[int, Why] = {}
        rows: Sequence[int] = range(len(lines))
        try:
            documents = self._parse(lines)
        except ValueError:
            documents, rows = self._parse_each(lines, bad)
        arrays: list[Values] = []
        if documents:
            values = self._reader.read(documents)
            unfit = self._judge(values, arrays)
            if unfit:
                bad |= {rows[i]: why for i, why in unfit.items()}
                fit = [i for i in range(len(documents)) if i not in unfit]
                rows, values = [rows[i] for i in fit], [[column[i] for i in fit] for column in values]
                arrays = [c.convert(v) for c, v in zip(self._converters, values, strict=True)] if fit else []
            if arrays:
                time, subject, *rest = arrays
                key = rest.pop(0) if self._has_id else hash_lines([lines[row] for row in rows])
                arrays = [time, pair(subject, key), subject, _texts(values[1]), *rest]
        rejects = [Reject(start + row, *bad[row]) for row in sorted(bad)]
        return _Part(arrays, np.asarray(rows, np.int64) + start, rejects)

    def assemble(self, parts: list[_Part]) -> tuple[MicroBatch, I64]:
        """All rows of some chunks as one batch, and their positions."""
        names = [EVENT_TIME, EVENT_KEY, SUBJECT, SUBJECT_NAME, *self._names]
        filled = [part for part in parts if part.arrays]
        if not filled:
            dtypes = [np.int64, np.uint64, np.uint64, np.object_, *(c.dtype for c in self._converters[self._fixed :])]
            empty = {name: np.empty(0, dtype) for name, dtype in zip(names, dtypes, strict=True)}
            return MicroBatch(empty), np.empty(0, np.int64)
        stacks = zip(*(part.arrays for part in filled), strict=True)
        columns = {name: _join(arrays) for name, arrays in zip(names, stacks, strict=True)}
        return MicroBatch(columns), _join([part.rows for part in filled])

    def _parse(self, lines: Sequence[bytes]) -> list[Document]:
        """All lines parsed.  Raises ValueError if one is too long, not JSON or not an object."""
        if max(map(len, lines)) > self._bytes_max:
            raise ValueError
        documents = list(map(orjson.loads, lines))
        if set(map(type, documents)) != {dict}:
            raise ValueError
        return documents

    def _parse_each(self, lines: Sequence[bytes], bad: dict[int, Why]) -> tuple[list[Document], list[int]]:
        documents: list[Document] = []
        rows: list[int] = []
        for row, line in enumerate(lines):
            try:
                if len(line) > self._bytes_max:
                    bad[row] = Reason.TOO_LONG, f"{len(line)} bytes or more, expected at most {self._bytes_max}"
                elif type(document := orjson.loads(line)) is dict:
                    documents.append(document)
                    rows.append(row)
                else:
                    bad[row] = Reason.NOT_AN_OBJECT, f"found {describe(document)}, expected an object"
            except orjson.JSONDecodeError as error:
                bad[row] = why_not_json(line, str(error))
        return documents, rows

    def _judge(self, values: list[Cells], arrays: list[Values]) -> dict[int, Why]:
        """Converts all columns into `arrays`.  Returns the rows that do not fit, by the first column that says so."""
        unfit: dict[int, Why] = {}
        for converter, column in zip(self._converters, values, strict=True):
            try:
                arrays.append(converter.convert(column))
            except _UNFIT:
                whys = [(i, why) for i, value in enumerate(column) if (why := converter.why(value))]
                assert whys, f"{converter.where}: a value was refused without a reason"
                unfit = dict(whys) | unfit
        return unfit


def _texts(values: Cells) -> Names:
    names: Names = np.array(values, object)
    return names if set(map(type, values)) == {str} else np.array(list(map(str, values)), object)


def _join(arrays: Sequence[Values]) -> Values:
    joined: Values = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    return joined
