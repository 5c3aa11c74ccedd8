"""Blocks to lines."""

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.sources.split import LineSplitter


def obvious(data: bytes, line_bytes_max: int) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r")[: line_bytes_max + 1] for line in lines]


@given(st.text("ab\r\n", max_size=60).map(str.encode), st.lists(st.integers(0, 60), max_size=8), st.integers(0, 12))
@settings(deadline=None)
def test_lines_do_not_depend_on_where_blocks_end(data: bytes, cuts: list[int], longest: int) -> None:
    """Cut anywhere, the lines are those of the whole; lines that are too long are cut to one byte too many."""
    edges = sorted({0, len(data), *(min(c, len(data)) for c in cuts)})
    splitter, lines, fed = LineSplitter(longest), [], 0
    for end in edges[1:]:
        lines += splitter.feed(data[fed:end])
        fed = end
        assert data[: fed - splitter.tail_bytes].endswith(b"\n") or splitter.tail_bytes == fed
    lines += splitter.finish()
    assert lines == obvious(data, longest)


def test_an_endless_line_takes_bounded_memory() -> None:
    """Of a line of 100 MB, one byte more than allowed is kept while it goes by, and given once."""
    splitter, block = LineSplitter(1_000), b"x" * 1_000_000
    for _ in range(100):
        assert splitter.feed(block) == []
        assert len(splitter._tail) <= 1_002
    assert splitter.tail_bytes == 100_000_000
    assert splitter.feed(b"\nnext\n") == [b"x" * 1_001, b"next"]


def test_carriage_returns_go_with_the_line_end_only() -> None:
    """One before the line's end is dropped, others stay; other separators of str.splitlines are data."""
    assert LineSplitter(99).feed(b"a\r\nb\rc\r\r\n\xc2\x85\x0b\x0c\n") == [b"a", b"b\rc\r", b"\xc2\x85\x0b\x0c"]
