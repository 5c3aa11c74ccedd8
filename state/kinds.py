"""Kinds: a word of an enum, and the one entry of a table that says all there is to say of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

Kind = TypeVar("Kind", bound=StrEnum)
Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that a declaration of some kind has beside those that all have.

    needs: which have to be there.  may: which may.  one: of which exactly one has to.  some: of which at least one has
    to.
    """

    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    one: tuple[str, ...] = ()
    some: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Needed ones first."""
        return (*self.needs, *self.one, *self.some, *self.may)


def each(kinds: type[Kind], table: Mapping[Kind, Entry], what: str) -> dict[Kind, Entry]:
    """The table in the order of the enum.  what: the table's name, for people.

    Raises LookupError naming the kinds that it leaves out.
    """
    missing = [kind.value for kind in kinds if kind not in table]
    if missing:
        raise LookupError(f"{what}: no entry for {kinds.__name__} {', '.join(map(repr, missing))}, which is declared")
    return {kind: table[kind] for kind in kinds}
