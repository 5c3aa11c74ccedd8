"""MicroBatch: equal-length columns that move through the flow together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from state.schema import EVENT_KEY, EVENT_TIME, SUBJECT, SUBJECT_NAME
from state.types import I64, U64, Names, Values


@dataclass(slots=True)
class MicroBatch:
    """Rows of one key group (or, before routing, of one source partition), as columns.

    columns: name -> (n,) array; dtypes as in state.schema; always holds the four system columns.
    Arrays are never written to after the batch was built, so batches may share them.
    """

    columns: dict[str, Values]

    def __len__(self) -> int:
        return len(self.columns[EVENT_TIME])

    def __getitem__(self, name: str) -> Values:
        return self.columns[name]

    @property
    def event_time_us(self) -> I64:
        return self.columns[EVENT_TIME]

    @property
    def event_key(self) -> U64:
        return self.columns[EVENT_KEY]

    @property
    def subject(self) -> U64:
        return self.columns[SUBJECT]

    @property
    def subject_name(self) -> Names:
        return self.columns[SUBJECT_NAME]

    def take(self, rows: Values | slice) -> "MicroBatch":
        """The rows at these positions (int array), under this mask (bool array) or in this slice."""
        return MicroBatch({name: values[rows] for name, values in self.columns.items()})

    @staticmethod
    def concat(batches: Sequence["MicroBatch"]) -> "MicroBatch":
        """One batch with all rows, in the order given.  At least one batch; all with the same columns."""
        if len(batches) == 1:
            return batches[0]
        return MicroBatch({name: np.concatenate([b.columns[name] for b in batches]) for name in batches[0].columns})
