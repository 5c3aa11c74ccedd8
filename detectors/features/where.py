"""Row conditions as masks, each computed once per batch."""

import numpy as np

from detectors.features.declare import Condition, Where
from state.batch import MicroBatch
from state.errors import ConfigError
from state.schema import Kind, Schema
from state.types import Bool, Values


class Masks:
    """The masks of one batch.  Conditions and conjunctions are evaluated at most once."""

    def __init__(self, schema: Schema, batch: MicroBatch) -> None:
        self._schema = schema
        self._batch = batch
        self._conditions: dict[Condition, Bool] = {}
        self._wheres: dict[Where, Bool] = {(): np.ones(len(batch), np.bool_)}

    def __getitem__(self, where: Where) -> Bool:
        """(n,) bool: the rows that satisfy all conditions."""
        mask = self._wheres.get(where)
        if mask is None:
            mask = self._condition(where[0])
            for condition in where[1:]:
                mask = mask & self._condition(condition)
            self._wheres[where] = mask
        return mask

    def _condition(self, condition: Condition) -> Bool:
        mask = self._conditions.get(condition)
        if mask is None:
            mask = self._conditions[condition] = _holds(self._schema, condition, self._batch[condition.column])
        return mask


def _holds(schema: Schema, condition: Condition, values: Values) -> Bool:
    kind = schema.column(condition.column).kind
    mask = present(kind, values)
    if condition.words:
        codes = [schema.code(condition.column, word) for word in condition.words]
        mask = values == codes[0] if len(codes) == 1 else np.isin(values, codes)
    if condition.excluded:
        mask = ~np.isin(values, [schema.code(condition.column, word) for word in condition.excluded])
    if condition.low is not None:
        mask = mask & (values >= condition.low)
    if condition.high is not None:
        mask = mask & (values < condition.high)
    return mask


def present(kind: Kind, values: Values) -> Bool:
    """(n,) bool: the rows that have a value."""
    match kind:
        case Kind.ID:
            return np.asarray(values != 0)
        case Kind.ENUM:
            return np.asarray(values >= 0)
        case _:
            return ~np.isnan(values)


def check(schema: Schema, where: Where, owner: str) -> None:
    """Raises ConfigError when a condition does not fit its column.  owner: what the message starts with."""
    for condition in where:
        try:
            kind = schema.column(condition.column).kind
            if (condition.words or condition.excluded) and kind is not Kind.ENUM:
                raise ConfigError(
                    f"column {condition.column!r} is of kind {kind}, words can only be asked of an enum column"
                )
            if (condition.low, condition.high) != (None, None) and kind in (Kind.ID, Kind.ENUM):
                raise ConfigError(
                    f"column {condition.column!r} is of kind {kind}, min and max need a number or time column"
                )
            for word in (*condition.words, *condition.excluded):
                schema.code(condition.column, word)
        except ConfigError as error:
            raise ConfigError(f"{owner}: {error}") from None
