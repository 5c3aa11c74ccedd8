"""The part of a stream that counts: rows, and lines that give no row, by conditions on columns."""

from typing import Any

import numpy as np

from detectors.features.where import Filters
from flows.wire.columns import Converter, field_converter
from flows.wire.paths import walk
from flows.wire.reject import BadLineError, read_document
from flows.wire.spec import WireSpec
from state.batch import MicroBatch
from state.types import Bool, Values


class Where:
    """The conditions of `WireSpec.where`, at least one."""

    def __init__(self, spec: WireSpec) -> None:
        self._filters = Filters(spec.schema(), [spec.where])
        names = {condition.column for condition in spec.where}
        self._converters = {
            f.column.name: field_converter(f, spec.time_zone) for f in spec.fields if f.column.name in names
        }
        self._line_bytes_max = spec.line_bytes_max

    def keeps(self, batch: MicroBatch) -> Bool:
        """(n,) the rows that meet all conditions."""
        return self._filters.masks(batch)[0]

    def leaves_out(self, line: bytes) -> bool:
        """Whether a line that gives no row says that it is not of the part that counts.

        It does where the columns of all conditions can be read and do not meet them.
        """
        if len(line) > self._line_bytes_max:
            return False
        try:
            document, _ = read_document(line)
        except BadLineError:
            return False
        if type(document) is not dict:
            return False
        columns: dict[str, Values] = {}
        for name, converter in self._converters.items():
            column = _value(converter, document)
            if column is None:
                return False
            columns[name] = column
        return not self._filters.masks(MicroBatch(columns))[0][0]


def _value(converter: Converter, document: dict[str, Any]) -> Values | None:
    """The column of one value, None where it does not fit."""
    value = walk(document, converter.path, converter.absent)
    if converter.why(value):
        return None
    column, unfit = converter.column([converter.piece([converter.default if value is None else value])])
    return None if np.any(unfit) else column
