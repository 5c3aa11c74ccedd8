"""Routes: which rows of a batch go to which stage, and under which key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.features.declare import Where
from detectors.features.verdicts import VERDICT
from detectors.features.where import Filters
from flows.steps import Step
from flows.wire.hashing import of_kind
from state.batch import MicroBatch
from state.keygroup import key_group
from state.schema import SUBJECT, SUBJECT_NAME, SYSTEM_COLUMNS, Schema, name_column
from state.types import NO_CODE, NO_ID, Bool, Values


@dataclass(frozen=True, slots=True)
class Route:
    """A way to a stage.

    stage: its name.  kind: of its subjects; "" for those that the stream is keyed by.  column: that holds the ids of
    another kind.  where: conditions on the rows of another kind.  columns: that its rows have beside the system's; None
    for all.  owner: the column in which another kind's rows have the hash of the subject that the stream is keyed by;
    its id as text stands beside it, where columns ask for that.  verdicts: whether it counts what people found out.
    """

    stage: str
    kind: str = ""
    column: str = SUBJECT
    where: Where = ()
    columns: frozenset[str] | None = None
    owner: str = ""
    verdicts: bool = False


SUBJECTS: Final[Sequence[Route]] = (Route(Step.SUBJECT.value),)


class Router:
    """One route at work.  schema: of the rows."""

    def __init__(self, route: Route, schema: Schema, groups: int) -> None:
        self.route = route
        self._groups = groups
        self._filters = Filters(schema, [route.where]) if route.where else None

    def parts(self, batch: MicroBatch) -> dict[int, MicroBatch]:
        """The rows of each key group that has any, in their order."""
        route = self.route
        if not route.kind:
            return split(batch if route.columns is None else _only(batch, route.columns), self._groups)
        mine = batch[route.column] != NO_ID
        if self._filters is not None:
            mine &= self._filters.masks(batch)[0]
        if route.verdicts:
            batch = MicroBatch(batch.columns | {VERDICT.name: np.full(len(batch), NO_CODE, np.int16)})
        return self._keyed(batch, mine)

    def verdicts(self, batch: MicroBatch) -> dict[int, MicroBatch]:
        """The same of verdicts: those that name a subject of this kind."""
        return self._keyed(batch, batch[self.route.column] != NO_ID)

    def _keyed(self, batch: MicroBatch, mine: Bool) -> dict[int, MicroBatch]:
        route = self.route
        keyed: dict[str, Values] = {
            SUBJECT: of_kind(batch[route.column], route.kind),
            SUBJECT_NAME: batch[name_column(route.column)],
        }
        asked = route.columns or frozenset()
        if route.owner in asked:
            keyed[route.owner] = batch.subject
        if name_column(route.owner) in asked:
            keyed[name_column(route.owner)] = batch.subject_name
        rows = batch if route.columns is None else _only(batch, route.columns)
        return split(MicroBatch(rows.columns | keyed), self._groups, None if mine.all() else mine)


def _only(batch: MicroBatch, columns: frozenset[str]) -> MicroBatch:
    """Those of the columns, and the system's."""
    asked = columns.union(SYSTEM_COLUMNS)
    return MicroBatch({name: values for name, values in batch.columns.items() if name in asked})


def split(batch: MicroBatch, groups: int, mine: Bool | None = None) -> dict[int, MicroBatch]:
    """The rows of each key group that has any, in their order.  mine: (n,) those that count; all, if None."""
    group = key_group(batch.subject, groups)
    if mine is not None:
        group = np.where(mine, group, groups)
    order = np.argsort(group.astype(np.uint16) if groups < 1 << 16 else group, kind="stable")  # 16 bits: a radix sort
    ends = np.cumsum(np.bincount(group, minlength=groups)[:groups]).tolist()
    rows = batch.take(order[: ends[-1]])
    return {g: rows.take(slice(a, b)) for g, (a, b) in enumerate(zip([0, *ends], ends, strict=False)) if a < b}
