"""Marks: events of a pane that do not count, by subject: duplicates that were dropped, lines that were rejected."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.cells import run_starts
from state.types import F64, U64, Bool, Names

DUPLICATES: Final = 0
REJECTS: Final = 1
_KINDS: Final = 2


@dataclass(slots=True)
class Marks:
    """subject: (n,) uint64, sorted, without repeats.  name: (n,) texts, "" where it is not known.

    counts: (2, n) float64, of DUPLICATES and REJECTS.
    """

    subject: U64
    name: Names
    counts: F64

    def __len__(self) -> int:
        return len(self.subject)

    @staticmethod
    def of(kind: int, subject: U64, name: Names | None = None) -> "Marks":
        """Of some events.  subject: (n,) in any order."""
        n = len(subject)
        counts = np.zeros((_KINDS, n))
        counts[kind] = 1.0
        return Marks(subject, np.full(n, "", object) if name is None else name, counts)._merged()

    @staticmethod
    def together(parts: Sequence["Marks"]) -> "Marks":
        """All of them.  parts: at least one."""
        if len(parts) == 1:
            return parts[0]
        return Marks(
            np.concatenate([p.subject for p in parts]),
            np.concatenate([p.name for p in parts]),
            np.concatenate([p.counts for p in parts], axis=1),
        )._merged()

    def _merged(self) -> "Marks":
        # Names that are not known sort first: the last one of each subject is known if any is.
        order = np.lexsort((self.name != "", self.subject))
        subject = self.subject[order]
        starts = run_starts(subject)
        if not len(starts):
            return self
        last = np.append(starts[1:], len(subject)) - 1
        return Marks(
            subject[starts],
            self.name[order][last],
            np.add.reduceat(self.counts[:, order], starts, axis=1),
        )

    def where(self, mask: Bool) -> "Marks":
        """Of the subjects under this mask (n,)."""
        return Marks(self.subject[mask], self.name[mask], self.counts[:, mask])

    def named(self, subject: U64, name: Names) -> "Marks":
        """The same, with the names that these rows know.  subject, name: (m,) in any order."""
        known = dict(zip(subject.tolist(), name.tolist(), strict=True))
        found = [own or known.get(key, "") for key, own in zip(self.subject.tolist(), self.name.tolist(), strict=True)]
        return Marks(self.subject, np.array(found, object), self.counts)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """For a snapshot."""
        return {f"{prefix}.{name}": getattr(self, name) for name in _ARRAYS}

    @staticmethod
    def of_arrays(prefix: str, arrays: dict[str, NDArray[Any]]) -> "Marks":
        """Takes what `arrays` gave."""
        return Marks(*(arrays[f"{prefix}.{name}"] for name in _ARRAYS))


_ARRAYS: Final = ("subject", "name", "counts")
