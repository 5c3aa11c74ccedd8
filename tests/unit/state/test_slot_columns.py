"""Arrays by slot, and that saving what changed saves everything."""

from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.chunks import Bundle
from state.errors import SnapshotError
from state.segments import Segments
from state.slot_columns import BLOCK, SlotColumns


def columns_of() -> SlotColumns:
    return SlotColumns({"a": (np.int64, (), -1), "b": (np.float64, (2,), np.nan), "name": (object, (), "")})


def same(one: SlotColumns, other: SlotColumns) -> bool:
    """Whether they hold the same rows."""
    n = one.size
    return n == other.size and all(
        np.array_equal(one[c][:n], other[c][:n], equal_nan=c == "b") for c in ("a", "b", "name")
    )


def restored(root: bytes, folder: Path) -> SlotColumns:
    """As a process that starts anew reads it."""
    columns = columns_of()
    columns.restore(root, Segments(folder, segment_bytes=400))
    return columns


def test_columns_grow_and_reset_to_their_fill() -> None:
    """New slots start at the fill value; a slot that is reset goes back to it."""
    columns = columns_of()
    columns.grow(3)
    columns["a"][:3] = [7, 8, 9]
    columns.grow(500)
    assert columns["a"][:4].tolist() == [7, 8, 9, -1]
    columns.reset(np.array([1]))
    assert columns["a"][1] == -1
    assert np.isnan(columns["b"]).all()
    assert columns["b"].shape[1] == 2


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 40), max_size=12), st.booleans()), max_size=40))
def test_any_snapshot_holds_everything(steps: list[tuple[list[int], bool]]) -> None:
    """Whatever is written between snapshots, the latest and the one before give back the rows of their time; so do
    those taken after a restart.
    """
    with TemporaryDirectory() as folder, patch("state.slot_columns.BLOCK", 4):
        place = Path(folder)
        columns, chunks = columns_of(), Segments(place, segment_bytes=400)
        earlier: list[tuple[bytes, SlotColumns]] = []
        for number, (slots, restart) in enumerate(steps):
            columns.grow(max(slots, default=-1) + 1)
            at = np.array(slots, np.int64)
            columns["a"][at] = number
            columns["b"][at] = [number, -number]
            columns["name"][at] = f"n{number}"
            columns.touch(at)
            columns.reset(at[:1])
            with chunks.writing():
                root = columns.snapshot(chunks)
            for old, was in [*earlier[-1:], (root, columns)]:
                assert same(restored(old, place), was)
            earlier.append((root, restored(root, place)))
            if restart:
                chunks = Segments(place, segment_bytes=400)
                columns = columns_of()
                columns.restore(root, chunks)
                chunks.settle()


def test_a_snapshot_costs_what_changed(tmp_path: Path) -> None:
    """A few rows in a large table cost about themselves each time, whichever they are."""
    chunks, columns, rng = Segments(tmp_path), columns_of(), np.random.default_rng(1)
    columns.grow(30 * BLOCK)
    columns["a"][:] = 1
    columns.touch(np.arange(30 * BLOCK))
    sizes = []
    for _ in range(200):
        before = chunks.written_bytes
        with chunks.writing():
            columns.snapshot(chunks)
        sizes.append(chunks.written_bytes - before)
        slots = rng.integers(0, 30 * BLOCK, 20)
        columns["a"][slots] += 1
        columns.touch(slots)
    row = sizes[0] / (30 * BLOCK)
    # Twenty rows, with their slots, written three times as deltas are joined; and a frame's head.
    assert np.mean(sizes[1:]) < 20 * (row + 8) * 3 + 600
    assert len(columns._deltas) <= 7 * 3


def test_nothing_changed_costs_nothing(tmp_path: Path) -> None:
    """Nothing is written for rows that nobody touched."""
    chunks, columns = Segments(tmp_path), columns_of()
    columns.grow(100)
    columns.touch(np.arange(100))
    for written in (True, False):
        before = chunks.written_bytes
        with chunks.writing():
            columns.snapshot(chunks)
        assert (chunks.written_bytes > before) == written


def test_saved_elsewhere_is_saved_again(tmp_path: Path) -> None:
    """A bundle taken in between is complete, and does not spoil the files."""
    chunks, columns = Segments(tmp_path), columns_of()
    columns.grow(10)
    columns["a"][:10] = range(10)
    columns.touch(np.arange(10))
    with chunks.writing():
        columns.snapshot(chunks)
    bundle = Bundle()
    again = columns_of()
    again.restore(columns.snapshot(bundle), bundle)
    assert same(again, columns)
    with chunks.writing():
        root = columns.snapshot(chunks)
    assert same(restored(root, tmp_path), columns)


def test_other_columns_are_refused() -> None:
    """A column that was not saved, or of another kind, is named."""
    chunks, columns = Bundle(), columns_of()
    columns.grow(2)
    columns.touch(np.arange(2))
    root = columns.snapshot(chunks)
    for name, dtype in (("a", np.float32), ("c", np.int64)):
        with pytest.raises(SnapshotError, match=f"column {name!r} is not in the saved state"):
            SlotColumns({name: (dtype, (), 0)}).restore(root, chunks)


def test_blocks_of_another_length_are_read(tmp_path: Path) -> None:
    """State that a build with other blocks wrote is read, and written anew."""
    columns, chunks = columns_of(), Segments(tmp_path)
    columns.grow(100)
    columns["a"][:100] = np.arange(100)
    columns.touch(np.arange(100))
    with patch("state.slot_columns.BLOCK", 7), chunks.writing():
        root = columns.snapshot(chunks)
    again, store = columns_of(), Segments(tmp_path)
    again.restore(root, store)
    assert same(again, columns)
    store.settle()
    with store.writing():
        root = again.snapshot(store)
    assert len(again._blocks) == 1
    assert same(restored(root, tmp_path), columns)
