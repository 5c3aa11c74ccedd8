"""Row conditions as masks, each computed once per batch."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from detectors.features.declare import Condition, Where
from state.batch import MicroBatch
from state.errors import ConfigError, Mistake
from state.schema import Kind, Schema
from state.types import Bool, Values
from state.words import one_of

Masks = list[Bool]
"""The masks of one batch, (n,) bool each, by `Filters.number`."""


class Filters:
    """All row conditions of a job, compiled: conditions and conjunctions that are equal are evaluated once."""

    def __init__(self, schema: Schema, wheres: Iterable[Where]) -> None:
        self._number = {where: i for i, where in enumerate(dict.fromkeys(wheres))}
        conditions = list(dict.fromkeys(condition for where in self._number for condition in where))
        self._tests = [(c.column, _test(schema, c)) for c in conditions]
        self._wheres = [tuple(map(conditions.index, where)) for where in self._number]

    def number(self, where: Where) -> int:
        """Which of the masks belongs to these conditions."""
        return self._number[where]

    def masks(self, batch: MicroBatch) -> Masks:
        """Which rows satisfy all conditions, of each conjunction."""
        held = [test(batch[column]) for column, test in self._tests]
        masks = []
        for conditions in self._wheres:
            mask = held[conditions[0]] if conditions else np.ones(len(batch), np.bool_)
            for at in conditions[1:]:
                mask = mask & held[at]
            masks.append(mask)
        return masks


def _test(schema: Schema, condition: Condition) -> Callable[[Values], Bool]:
    column, low, high = schema.column(condition.column), condition.low, condition.high
    if condition.words or condition.excluded:
        # By code; the last place answers for -1, no value.
        wanted = not condition.excluded
        answer = np.full(len(column.values) + 1, not wanted)
        answer[[schema.code(column.name, word) for word in condition.excluded or condition.words]] = wanted
        codes = np.flatnonzero(answer == wanted)
        if len(codes) > 1:
            return answer.take
        code = int(codes[0])
        return (lambda values: values == code) if wanted else (lambda values: values != code)
    if low is not None and high is not None:
        return lambda values: (values >= low) & (values < high)
    if low is not None:
        return lambda values: values >= low
    if high is not None:
        return lambda values: values < high
    return lambda values: present(column.kind, values)


def present(kind: Kind, values: Values) -> Bool:
    """(n,) bool: the rows that have a value."""
    match kind:
        case Kind.ID:
            return np.asarray(values != 0)
        case Kind.ENUM:
            return np.asarray(values >= 0)
        case _:
            return ~np.isnan(values)


class Unfit(NamedTuple):
    """A condition that does not fit its column.  seen: what was asked.  allowed: what may be.  known: names to choose
    from, where a name is not known.
    """

    column: str
    seen: object
    allowed: str
    known: tuple[str, ...] = ()


def unfit(schema: Schema, where: Where) -> Iterator[Unfit]:
    """The conditions that do not fit, each with why."""
    names = {column.name: column for column in schema.columns}
    for c in where:
        column = names.get(c.column)
        if column is None:
            yield Unfit(c.column, c.column, "an event column", tuple(names))
            continue
        words = (*c.words, *c.excluded)
        about = f"{column.name!r} is of kind {column.kind}"
        if words and column.kind is not Kind.ENUM:
            yield Unfit(c.column, list(words), f"words on enum columns; {about}")
        elif (c.low, c.high) != (None, None) and column.kind in (Kind.ID, Kind.ENUM):
            yield Unfit(c.column, "min or max", f"min, max on number and time columns; {about}")
        else:
            for word in words:
                if word not in column.values:
                    yield Unfit(c.column, word, f"a word of {column.name!r}", column.values)


def check(schema: Schema, where: Where, owner: str) -> None:
    """Raises ConfigError when conditions do not fit their columns.  owner: what the message starts with."""
    mistakes = [
        Mistake((u.column,), f"seen {u.seen!r}, allowed: {u.allowed}" + (f": {one_of(u.known)}" if u.known else ""))
        for u in unfit(schema, where)
    ]
    if mistakes:
        raise ConfigError.of(mistakes, owner)
