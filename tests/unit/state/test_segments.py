"""Chunks in files: written once, moved, deleted when nothing needs them, and refused when they are not as written."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from state.chunks import Bundle, Latest, Ref, Sealed
from state.errors import CheckpointError, SnapshotError
from state.segments import Segments


def snapshot(chunks: Segments, keep: list[Ref], new: list[bytes]) -> list[Ref]:
    """Refs of one snapshot: some of the last one's, and some that are new."""
    with chunks.writing():
        assert all(chunks.keep(ref) for ref in keep)
        return [*keep, *(chunks.put(frame) for frame in new)]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_chunks_survive_their_writer(tmp_path: Path) -> None:
    """Another process reads what was written, and goes on in a file of its own."""
    refs = snapshot(Segments(tmp_path), [], [b"one", b"two"])
    again = Segments(tmp_path)
    read = [Ref(again, r.segment, r.offset, r.size) for r in refs]
    assert [again.get(r) for r in read] == [b"one", b"two"]
    again.settle()
    snapshot(again, read, [b"three"])
    assert files(tmp_path) == ["1.seg", "2.seg"]


def test_what_no_recent_snapshot_needs_is_deleted(tmp_path: Path) -> None:
    """Files stay for some snapshots after the last one that refers to them."""
    chunks = Segments(tmp_path, segment_bytes=10)
    snapshot(chunks, [], [b"0" * 10])
    seen = []
    for number in range(1, 6):
        snapshot(chunks, [], [b"%d" % number * 10])
        seen.append(files(tmp_path))
    assert seen[2] == ["1.seg", "2.seg", "3.seg", "4.seg"]
    assert seen[4] == ["3.seg", "4.seg", "5.seg", "6.seg"]


def test_a_few_live_chunks_do_not_keep_large_files(tmp_path: Path) -> None:
    """What lives in a file of mostly dead chunks is moved, its holders are told, and the file goes."""
    chunks = Segments(tmp_path, segment_bytes=1_000)
    refs = snapshot(chunks, [], [b"live" * 10, *[b"dead" * 10] * 24])
    kept = refs[:1]
    for number in range(8):
        snapshot(chunks, kept, [b"%d" % number * 10])
    assert chunks.get(kept[0]) == b"live" * 10
    assert kept[0].segment > 1
    assert "1.seg" not in files(tmp_path)


def test_a_chunk_that_was_just_moved_can_be_read(tmp_path: Path) -> None:
    """Pieces are joined while a snapshot is taken, and one of them may have been moved to a file that is not written
    yet.
    """
    chunks = Segments(tmp_path, segment_bytes=100)
    kept = snapshot(chunks, [], [b"live", b"dead" * 30])[:1]
    snapshot(chunks, kept, [b"more"])
    with chunks.writing():
        assert kept[0].segment > 1
        assert chunks.get(kept[0]) == b"live"
        new = chunks.put(b"new")
        assert chunks.get(new) == b"new"
    assert [chunks.get(ref) for ref in (*kept, new)] == [b"live", b"new"]


def test_what_was_moved_is_not_moved_again_when_others_die(tmp_path: Path) -> None:
    """It lies beside what has lived for long too, not beside what is new."""
    chunks = Segments(tmp_path, segment_bytes=100)
    kept = snapshot(chunks, [], [b"live", b"dead" * 30])[:1]
    snapshot(chunks, kept, [b"more"])
    places = []
    for number in range(8):
        snapshot(chunks, kept, [b"%d" % number * 60])
        places.append(kept[0].segment)
    assert places[0] > 1
    assert set(places) == {places[0]}
    assert f"{places[0]}.seg" in files(tmp_path)


def test_restart_drops_what_was_never_committed(tmp_path: Path) -> None:
    """What a killed process wrote after the snapshot that its successor goes on from is deleted."""
    (saved,) = snapshot(Segments(tmp_path), [], [b"saved"])

    def resume() -> tuple[Segments, Ref]:
        chunks = Segments(tmp_path)
        ref = Ref(chunks, saved.segment, saved.offset, saved.size)
        assert chunks.get(ref) == b"saved"
        chunks.settle()
        return chunks, ref

    for number in range(4):
        chunks, ref = resume()
        assert files(tmp_path) == ["1.seg"]
        snapshot(chunks, [ref], [b"lost %d" % number])
        assert len(files(tmp_path)) == 2


def test_nothing_is_deleted_while_files_are_copied(tmp_path: Path) -> None:
    """Deletion waits for the next snapshot after the copy."""
    allowed = False

    @contextmanager
    def deleting() -> Iterator[bool]:
        yield allowed

    chunks = Segments(tmp_path, segment_bytes=4, deleting=deleting)
    for number in range(8):
        snapshot(chunks, [], [b"%04d" % number])
    assert len(files(tmp_path)) == 8
    allowed = True
    snapshot(chunks, [], [b"last"])
    assert len(files(tmp_path)) == 4


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    """A file that is gone or shorter is named, with what to do."""
    (ref,) = snapshot(Segments(tmp_path), [], [b"a chunk"])
    path = tmp_path / "1.seg"
    path.unlink() if damage == "gone" else os.truncate(path, 3)
    again = Segments(tmp_path)
    with pytest.raises(SnapshotError, match=r"1\.seg .*(cannot be read|ends at byte 3).* savepoint"):
        again.get(Ref(again, ref.segment, ref.offset, ref.size))


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that cannot be written raises, and says that nothing is lost."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(CheckpointError, match=r"No space left on device.* goes on from the last checkpoint"):
        snapshot(Segments(tmp_path), [], [b"a chunk"])


def test_sealed_things_are_written_once(tmp_path: Path) -> None:
    """The same object is referenced, an equal one is not the same."""
    chunks, sealed = Segments(tmp_path), Sealed[bytearray](bytes)
    things = [bytearray(b"one"), bytearray(b"two")]
    with chunks.writing():
        first = sealed.put(chunks, things)
    with chunks.writing():
        second = sealed.put(chunks, [things[1], bytearray(b"one")])
    assert second[0] is first[1]
    assert second[1] is not first[0]
    assert chunks.get(second[1]) == b"one"


def test_latest_is_written_when_it_differs(tmp_path: Path) -> None:
    """Frames that are as they were are referenced, also after a restart."""
    chunks, latest = Segments(tmp_path), Latest()
    with chunks.writing():
        first = latest.put(chunks, {"a": b"1", "b": b"2"})
    with chunks.writing():
        second = latest.put(chunks, {"a": b"1", "b": b"3"})
    assert second[0] is first[0]
    assert second[1] is not first[1]
    again, fresh = Segments(tmp_path), Latest()
    refs = [Ref(again, r.segment, r.offset, r.size) for r in second]
    assert fresh.get(again, ["a", "b"], refs) == {"a": b"1", "b": b"3"}
    again.settle()
    with again.writing():
        assert fresh.put(again, {"a": b"1", "b": b"3"}) == refs


def test_a_bundle_needs_nothing_else() -> None:
    """Root and chunks in one frame; other bytes are refused."""

    class Operator:
        def snapshot(self, chunks: object) -> bytes:
            assert isinstance(chunks, Bundle)
            return bytes([chunks.put(b"chunk").offset])

    saved = Bundle.open(Bundle.of(Operator()))
    assert saved.chunks.get(Ref(saved.chunks, 0, saved.root[0], 5)) == b"chunk"
    with pytest.raises(SnapshotError, match="not a snapshot frame"):
        Bundle.open(b"something else")
