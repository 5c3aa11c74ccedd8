"""Labels as rows: a label that carries event columns is counted by the kinds of subjects that these name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import orjson

from detectors.features.hashing import pair
from detectors.features.verdicts import VERDICT
from flows.event_stream import EventStream
from flows.operators.ingest.route import Route, Router
from flows.wire.columns import IdConverter
from flows.wire.decode import converter_of
from flows.wire.hashing import hash_lines
from flows.wire.paths import walk
from flows.wire.reject import BadLineError
from flows.wire.spec import FieldSpec
from flows.wire.told import Label
from state.batch import MicroBatch
from state.schema import DTYPES, EVENT_KEY, EVENT_TIME, SUBJECT, SUBJECT_NAME, Kind, Schema, name_column
from state.types import NO_CODE, NO_ID, Values

_MISSING: Final = {Kind.ID: NO_ID, Kind.NUMBER: np.nan, Kind.ENUM: NO_CODE, Kind.TIME: np.nan}

Carried = tuple[Any, ...]
"""What a label carries: the value of each column as JSON has it."""


class VerdictRows:
    """Labels of one partition, made rows for the stages that count them.

    columns: of events, that labels carry under the same paths.  routes: of all stages; those that count verdicts are
    sent to.
    """

    def __init__(self, stream: EventStream, columns: Sequence[str], routes: Sequence[Route]) -> None:
        routes = [route for route in routes if route.verdicts]
        schema = stream.wire.schema()
        self._schema = Schema((*schema.columns, VERDICT), schema.has_event_id)
        self._asked = frozenset().union(*(route.columns or frozenset() for route in routes))
        self._named = frozenset(route.column for route in routes)
        fields = [f for f in stream.wire.fields if f.column.name in columns] if routes else []
        self._fields = {
            f.column.name: converter_of(_optional(f), stream.wire, named=f.column.name in self._named) for f in fields
        }
        self._routers = [Router(route, self._schema, stream.key_groups) for route in routes]

    def carried(self, raw: bytes) -> Carried:
        """What a line carries.  Raises BadLineError for values that do not fit their columns."""
        if not self._fields:
            return ()
        document = orjson.loads(raw)
        values = []
        for converter in self._fields.values():
            value = walk(document, converter.path, converter.absent)
            why = converter.why(value)
            if why is not None:
                raise BadLineError(why)
            values.append(value)
        return tuple(values)

    def parts(
        self, labels: Sequence[Label], at_us: Sequence[int], raw: Sequence[bytes], carried: Sequence[Carried]
    ) -> dict[tuple[str, int], MicroBatch]:
        """(stage, key group) -> rows.  labels: of the stream's own subjects.  at_us: when each counts."""
        if not self._routers or not labels:
            return {}
        batch = self._batch(labels, at_us, raw, carried)
        return {
            (router.route.stage, group): rows
            for router in self._routers
            for group, rows in router.verdicts(batch).items()
        }

    def _batch(
        self, labels: Sequence[Label], at_us: Sequence[int], raw: Sequence[bytes], carried: Sequence[Carried]
    ) -> MicroBatch:
        subject = np.array([label.subject for label in labels], np.uint64)
        rows: dict[str, Values] = {
            EVENT_TIME: np.array(at_us, np.int64),
            EVENT_KEY: pair(subject, hash_lines(raw)),
            SUBJECT: subject,
            SUBJECT_NAME: np.array([label.name for label in labels], object),
            VERDICT.name: np.array([label.fraud for label in labels]).astype(np.int16),
        }
        for (name, converter), values in zip(self._fields.items(), zip(*carried, strict=True), strict=True):
            rows[name], _ = converter.column([converter.piece(values)])
            if name in self._named:
                assert isinstance(converter, IdConverter)
                rows[name_column(name)] = np.array(converter.texts(values), object)
        for column in self._schema.columns:
            if column.name in (self._asked | self._named) and column.name not in rows:
                rows[column.name] = np.full(len(labels), _MISSING[column.kind], DTYPES[column.kind])
                if column.name in self._named:
                    rows[name_column(column.name)] = np.full(len(labels), "", object)
        return MicroBatch(rows)


def _optional(spec: FieldSpec) -> FieldSpec:
    """A label may leave out what events have to have."""
    return replace(spec, required=False)
