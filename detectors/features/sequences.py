"""Columns derived from a subject's rows in their order (gaps, transitions, overlaps, age), across pane boundaries."""

from collections.abc import Set as AbstractSet

from detectors.features.declare import SequenceDecl
from detectors.features.derived import SEQUENCES, Ordered, SubjectRuns
from detectors.features.where import Filters, Masks
from state.batch import MicroBatch
from state.errors import ConfigError
from state.schema import Schema
from state.slot_columns import SlotColumns
from state.types import Values


class Sequences:
    """Computes all declared sequences of a key group; remembers per slot what the next pane needs."""

    def __init__(self, declared: tuple[SequenceDecl, ...], filters: Filters) -> None:
        self._declared = [
            (d, filters.number(d.where), filters.number(d.sign_up), SEQUENCES[d.kind].remembers(d)) for d in declared
        ]
        self.carry = SlotColumns(
            {
                f"{d.name}.{name}": column
                for d, _, _, remembered in self._declared
                for name, column in remembered.items()
            }
        )

    def remembered(self, names: AbstractSet[str]) -> frozenset[str]:
        """The columns of `carry` that these sequences have."""
        return frozenset(
            f"{d.name}.{name}" for d, _, _, remembered in self._declared if d.name in names for name in remembered
        )

    def compute(self, batch: MicroBatch, masks: Masks, runs: SubjectRuns) -> dict[str, Values]:
        """Name -> (n,) column.  batch: rows in (subject, event time, event key) order."""
        self.carry.touch(runs.slot)
        derived: dict[str, Values] = {}
        for d, where, sign_up, remembered in self._declared:
            memory = {name: self.carry[f"{d.name}.{name}"] for name in remembered}
            derived[d.name] = SEQUENCES[d.kind].column(d, Ordered(batch, masks[where], masks[sign_up], runs, memory))
        return derived


def needs(schema: Schema, d: SequenceDecl) -> set[str]:
    """The event columns that a sequence reads.  Raises ConfigError for a column of the wrong kind."""
    allowed = SEQUENCES[d.kind].reads
    if d.column and schema.column(d.column).kind not in allowed:
        raise ConfigError(
            f"sequence {d.name!r}: kind {d.kind} cannot read column {d.column!r},"
            f" of kind {schema.column(d.column).kind}; it reads {', '.join(allowed) or 'no column'}"
        )
    columns = {c.column for c in (*d.where, *d.sign_up)}
    return columns | ({d.column} if d.column else set())
