"""SlotColumns: arrays indexed by slot, saved where they changed."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.chunks import Chunks, Ref, table_of
from state.errors import SnapshotError
from state.pieces import joining
from state.snapshot import pack, squeezed, unpack
from state.types import I64, Bool

BLOCK: Final = 4096
"""Slots that are written side by side."""
_BLOCKS_AT_ONCE: Final = 4
"""Blocks that a snapshot rewrites, whatever little has changed since the one before; the rest waits its turn."""
_GROWTH: Final = 8
"""Arrays that are full grow by this part: of twice the room a third would lie empty, and copying costs little."""
_VERSION: Final = 1


@dataclass(slots=True)
class _Delta:
    """Rows as they were at one snapshot.  slots: (n,) int64, ascending.  tier: see state.pieces."""

    at: int
    tier: int
    slots: I64
    ref: Ref


class SlotColumns:
    """Arrays indexed by slot that grow with the table and go back to their fill values when a subject leaves.

    declare: name -> (dtype, trailing shape, fill value).  Whoever writes to a column says which slots: `touch`.

    Saved as blocks of all rows, and deltas of those rows that were touched after their block was written. Deltas are
    joined; a block half of whose rows are in deltas is written anew, a few of them at each snapshot. So a row that is
    touched is written a few times, however many others there are.
    """

    def __init__(self, declare: dict[str, tuple[Any, tuple[int, ...], Any]]) -> None:
        self._declare = declare
        self._columns: dict[str, NDArray[Any]] = {
            name: np.full((0, *shape), fill, dtype) for name, (dtype, shape, fill) in declare.items()
        }
        self._touched: Bool = np.zeros(0, np.bool_)
        self._since: Bool = np.zeros(0, np.bool_)
        """Touched since the row's block was written."""
        self._blocks: dict[int, tuple[int, Ref]] = {}
        self._deltas: list[_Delta] = []
        self._at = 0
        """The number of the latest snapshot."""
        self.size = 0
        """Rows that are in use; the arrays are longer."""

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name]

    def fill(self, name: str) -> Any:
        """What a column's rows begin as."""
        return self._declare[name][2]

    def row(self, slot: int) -> dict[str, Any]:
        """One slot's values by column, as JSON values."""
        return {name: column[slot].tolist() for name, column in self._columns.items() if column.dtype != object}

    @property
    def nbytes(self) -> int:
        return sum(c.nbytes for c in self._columns.values())

    def grow(self, size: int) -> None:
        """Room for slots below size."""
        self.size = max(self.size, size)
        have = len(self._touched)
        if have >= size:
            return
        more = max(size, have + have // _GROWTH, 64) - have
        for name, (dtype, shape, fill) in self._declare.items():
            self._columns[name] = np.concatenate([self._columns[name], np.full((more, *shape), fill, dtype)])
        self._touched = np.concatenate([self._touched, np.zeros(more, np.bool_)])
        self._since = np.concatenate([self._since, np.zeros(more, np.bool_)])

    def touch(self, slots: NDArray[Any] | int) -> None:
        """These slots' rows were written to.  slots: integers, or one; repeats do no harm."""
        if self._declare:
            self._touched[slots] = True

    def reset(self, slots: I64) -> None:
        """Back to the fill values."""
        slots = slots[slots < self.size]
        for name, (_, _, fill) in self._declare.items():
            self._columns[name][slots] = fill
        self.touch(slots)

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame; writes what changed since the last snapshot."""
        saved = self._refs()
        if not saved or not all(chunks.keep(ref) for ref in saved):
            self._forget_saved()
        self._at += 1
        self._since |= self._touched
        self._write_blocks(chunks)
        self._write_delta(chunks, np.flatnonzero(self._touched & self._since))
        self._touched[:] = False
        blocks, deltas = sorted(self._blocks), self._deltas
        return pack(
            "columns",
            _VERSION,
            {"size": self.size, "at": self._at, "block_rows": BLOCK},
            {
                "block": np.array(blocks, np.int64),
                "block_at": np.array([self._blocks[b][0] for b in blocks], np.int64),
                "block_ref": table_of(self._blocks[b][1] for b in blocks),
                "delta_at": np.array([(d.at, d.tier) for d in deltas], np.int64).reshape(-1, 2),
                "delta_ref": table_of(d.ref for d in deltas),
            },
        )

    def _refs(self) -> list[Ref]:
        return [*(ref for _, ref in self._blocks.values()), *(d.ref for d in self._deltas)]

    def _forget_saved(self) -> None:
        """What there is was saved elsewhere, if at all: all of it is new here."""
        self._blocks, self._deltas, self._at = {}, [], 0
        self.touch(np.arange(self.size))

    def _write_blocks(self, chunks: Chunks) -> None:
        """Those of which most is in deltas, or would be: at least as many as fill the rows touched, and a few more."""
        starts = np.arange(0, self.size, BLOCK)
        if not len(starts):
            return
        due = np.add.reduceat(self._since[: self.size], starts, dtype=np.int64)
        rows = np.minimum(BLOCK, self.size - starts)
        most = int(self._touched.sum()) // BLOCK + _BLOCKS_AT_ONCE
        fullest = np.argsort(rows - 2 * due, kind="stable")[:most]
        for block in fullest[2 * due[fullest] > rows[fullest]].tolist():
            at = slice(block * BLOCK, min((block + 1) * BLOCK, self.size))
            frame = pack("block", _VERSION, {}, {name: column[at] for name, column in self._columns.items()})
            self._blocks[block] = self._at, chunks.put(frame)
            self._since[at] = False
        self._deltas = [d for d in self._deltas if self._since[d.slots].any()]

    def _write_delta(self, chunks: Chunks, slots: I64) -> None:
        if not len(slots):
            return
        count, tier = joining([d.tier for d in self._deltas])
        for _ in range(count):
            slots = np.union1d(slots, self._deltas.pop().slots)
        slots = slots[self._since[slots]]
        rows = {name: column[slots] for name, column in self._columns.items()}
        frame = squeezed(pack("delta", _VERSION, {}, {"slots of the rows": slots} | rows))
        self._deltas.append(_Delta(self._at, tier, slots, chunks.put(frame)))

    def restore(self, root: bytes, chunks: Chunks, cold: AbstractSet[str] = frozenset()) -> None:
        """Takes what `snapshot` gave.  cold: columns that begin with their fill values, whatever was saved of them.

        Raises SnapshotError when one of the others was declared otherwise.
        """
        _, meta, arrays = unpack(root, "columns", (_VERSION,))
        fresh = SlotColumns(self._declare)
        fresh.grow(meta["size"])
        fresh._at, block_rows = meta["at"], meta["block_rows"]
        written_at = np.zeros(-(-meta["size"] // block_rows), np.int64)
        for block, at, ref in zip(
            arrays["block"].tolist(), arrays["block_at"].tolist(), chunks.refs(arrays["block_ref"]), strict=True
        ):
            rows = unpack(chunks.get(ref), "block", (_VERSION,))[2]
            first = block * block_rows
            fresh._fill(slice(first, first + max(map(len, rows.values()))), rows, cold)
            fresh._blocks[block] = at, ref
            written_at[block] = at
        for (at, tier), ref in zip(arrays["delta_at"].tolist(), chunks.refs(arrays["delta_ref"]), strict=True):
            rows = unpack(chunks.get(ref), "delta", (_VERSION,))[2]
            slots = rows.pop("slots of the rows")
            newer = written_at[slots // block_rows] < at
            fresh._fill(slots[newer], {name: values[newer] for name, values in rows.items()}, cold)
            fresh._since[slots[newer]] = True
            fresh._deltas.append(_Delta(at, tier, slots, ref))
        if block_rows != BLOCK or cold:
            fresh._forget_saved()
        self.__dict__.update(fresh.__dict__)

    def _fill(self, rows: I64 | slice, values: dict[str, NDArray[Any]], cold: AbstractSet[str]) -> None:
        for name, column in self._columns.items():
            if name in cold:
                continue
            found = values.get(name)
            if found is None or found.dtype != column.dtype or found.shape[1:] != column.shape[1:]:
                raise SnapshotError(
                    f"per-subject column {name!r} is not in the saved state as declared now; start from fresh state"
                )
            column[rows] = found
