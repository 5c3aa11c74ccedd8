"""Whether there is what a table names: columns in conditions, columns, features and windows."""

from collections.abc import Iterable

from detectors.features.declare import Where
from detectors.features.where import misfits
from flows.config.layers import Key
from flows.config.problems import Problems
from state.schema import Schema


def fits(schema: Schema, where: Where, key: Key, problems: Problems) -> bool:
    """Whether all conditions fit their columns."""
    good = True
    for misfit in misfits(schema, where):
        good = False
        if problems.is_broken("event", "columns", misfit.column):
            continue
        here = (*key, misfit.column)
        if misfit.known:
            problems.unknown(here, misfit.seen, misfit.known, misfit.allowed)
        else:
            problems.add(here, misfit.seen, misfit.allowed)
    return good


def knows(schema: Schema, column: str, key: Key, problems: Problems) -> bool:
    """Whether there is this event column, if any is asked for."""
    if not column or column in schema:
        return True
    if not problems.is_broken("event", "columns", column):
        problems.unknown(key, column, [c.name for c in schema.columns], "an event column")
    return False


def check_names(key: Key, names: tuple[str, ...], known: Iterable[str], what: str, problems: Problems) -> None:
    """Whether there are all of them, and each is said once.  what: the table that they are names of."""
    for name in names:
        if name not in known and not problems.is_broken(what, name):
            problems.unknown(key, name, known, f"names of {what}")
    if len(set(names)) < len(names):
        problems.add(key, list(names), "each name once")
