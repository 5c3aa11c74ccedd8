"""In which pieces files lie: all bytes are there in order, few pieces, each byte written a few times."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from flows.archive.pieces import PACK_BYTES, KnownFile, joined, sparse
from flows.savepoint.manifest import checksum


def appended(known: KnownFile, content: bytes, *, whole: bool = False) -> int:
    """As one copy does it, in a pack of its own; how many bytes that has."""
    again = joined([*(piece[2] for piece in known.pieces), len(content) - known.size], whole=whole)
    kept = len(known.pieces) - again
    begin = sum(piece[2] for piece in known.pieces[:kept])
    known.add(kept, (f"p{len(content)}", 0, len(content) - begin), content[begin:])
    return len(content) - begin


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=200))
def test_pieces_are_joined_by_eights(sizes: list[int]) -> None:
    """Pieces add up to the file, are few, and little is written for them; at the end there may be one."""
    known, content, written = KnownFile(), b"", 0
    for i, size in enumerate(sizes):
        content += bytes([i % 251]) * size
        written += appended(known, content)
        assert sum(piece[2] for piece in known.pieces) == known.size == len(content)
    assert len(known.pieces) <= 7 * 8
    assert written <= 6 * len(content)
    appended(known, content, whole=True)
    assert [piece[2] for piece in known.pieces] == [len(content)]


def test_a_long_file_has_few_pieces() -> None:
    """A segment of 4 MiB that grew by a kilobyte a time."""
    sizes: list[int] = []
    written = 0
    for _ in range(4096):
        again = joined([*sizes, 1024], whole=False)
        sizes[len(sizes) - again :] = [1024 + sum(sizes[len(sizes) - again :])]
        written += sizes[-1]
    assert sum(sizes) == 4096 * 1024
    assert len(sizes) < 40
    assert written < 6 * 4096 * 1024


def test_large_pieces_are_left_alone() -> None:
    """What does not fit a pack is not joined, not even where the file has ended."""
    assert joined([PACK_BYTES, 1], whole=True) == 0
    assert joined([PACK_BYTES // 4] * 8, whole=False) == 0


def test_a_file_is_known_by_what_it_begins_with(tmp_path: Path) -> None:
    """After doubt one that has grown goes on; one that was cut, or is another, is forgotten."""
    file = tmp_path / "1.seg"
    known = KnownFile()
    file.write_bytes(b"one" * 100)
    appended(known, file.read_bytes())
    assert known.digest == checksum(file)
    for content, is_known in ((b"one" * 100 + b"two", True), (b"one" * 99, False), (b"two" * 100, False)):
        known.doubt()
        file.write_bytes(content)
        before = list(known.pieces)
        known.recognise(file)
        assert (known.pieces == before, known.size == 300) == (is_known, is_known)
        if is_known:
            appended(known, content)
            assert known.digest == checksum(file)
        known = KnownFile()
        appended(known, b"one" * 100)


def test_packs_of_which_little_is_needed() -> None:
    """A pack that nobody needs any more is none of them: it is deleted."""
    one, two = KnownFile(pieces=[("a", 0, 40)]), KnownFile(pieces=[("a", 40, 9), ("b", 0, 50)])
    assert sparse([one, two], {"a": 100, "b": 100, "c": 100}) == {"a"}
