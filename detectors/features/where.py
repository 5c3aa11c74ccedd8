"""Row conditions as masks, each computed once per batch."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Misfit:
    """A condition that does not fit its column.

    seen: what it asks for.  allowed: what it may, for people.  known: of these, where there is a list.
    """

    column: str
    seen: object
    allowed: str
    known: tuple[str, ...] = ()

    def __str__(self) -> str:
        known = f": {one_of(self.known)}" if self.known else ""
        return f"where.{self.column}: seen {self.seen!r}, allowed: {self.allowed}{known}"


def misfits(schema: Schema, where: Where) -> Iterator[Misfit]:
    """All conditions that do not fit their column."""
    for condition in where:
        name, words = condition.column, (*condition.words, *condition.excluded)
        if name not in schema:
            yield Misfit(name, name, "an event column", tuple(c.name for c in schema.columns))
            continue
        column = schema.column(name)
        if words and column.kind is not Kind.ENUM:
            yield Misfit(name, list(words), f"words on enum columns; {name!r} is of kind {column.kind}")
        elif (condition.low, condition.high) != (None, None) and column.kind in (Kind.ID, Kind.ENUM):
            allowed = f"min, max on number and time columns; {name!r} is of kind {column.kind}"
            yield Misfit(name, "min or max", allowed)
        else:
            for word in words:
                if word not in column.values:
                    yield Misfit(name, word, f"a word of {name!r}", column.values)


def check(schema: Schema, where: Where, owner: str) -> None:
    """Raises ConfigError with all conditions that do not fit their column.  owner: what each line starts with."""
    mistakes = [Mistake((), str(misfit)) for misfit in misfits(schema, where)]
    if mistakes:
        raise ConfigError.of(mistakes, owner)
