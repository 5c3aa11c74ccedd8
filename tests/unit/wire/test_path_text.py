"""Paths as texts: what is read, what is refused, what clashes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.wire.path_text import INDEX_MAX, clash, format_path, parse_path
from flows.wire.spec import Path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ()),
        ("a", ("a",)),
        ("user.id", ("user", "id")),
        ("items[0].price", ("items", 0, "price")),
        ("a[1][12]", ("a", 1, 12)),
        ('"odd.key".id', ("odd.key", "id")),
        ('a."b[0]"', ("a", "b[0]")),
        (r'"say \"hi\"\n"', ('say "hi"\n',)),
        ('""', ("",)),
        ("käse.@timestamp", ("käse", "@timestamp")),
        ("with space.b-c", ("with space", "b-c")),
        (["odd.key", 0, "id"], ("odd.key", 0, "id")),
        ([], ()),
    ],
)
def test_what_is_read(text: object, path: Path) -> None:
    """Keys by dots, indices in brackets, quotes around what has either in it."""
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text",
    [
        ".a", "a.", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a]b", 'a"b', '"a', '"a"b', "a[0]b", r'"\x"', 7, ["a", 1.5],
        ["a", True], [None], f"a[{INDEX_MAX + 1}]", "[0].a", [0], r'"\ud800"',
    ],
)  # fmt: skip
def test_what_is_refused(text: object) -> None:
    """What is no path, and what no line can have."""
    with pytest.raises(ValueError, match=r"a path|indices from|keys that"):
        parse_path(text)


KEYS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=5)
PATHS = st.tuples(KEYS) | st.lists(KEYS | st.integers(0, INDEX_MAX), max_size=4).map(lambda rest: ("a", *rest))


@given(PATHS)
def test_a_path_comes_back_from_its_text(path: Path) -> None:
    """Whatever is in its keys."""
    assert parse_path(format_path(path)) == path


@pytest.mark.parametrize(
    ("one", "other", "at"),
    [
        (("a",), ("b",), None),
        (("a", "b"), ("a", "c"), None),
        (("a", 0), ("a", 1, "b"), None),
        (("a", "b"), ("a", "b"), None),
        (("a",), ("a", "b"), ("a",)),
        (("a", "b", "c"), ("a", "b"), ("a", "b")),
        (("a", 0), ("a", "b"), ("a",)),
        (("a", 0), ("a",), ("a",)),
    ],
)
def test_a_clash_is_where_two_paths_ask_for_different_things(one: Path, other: Path, at: Path | None) -> None:
    """A value is a plain one, an object or an array, never two of them."""
    assert clash(one, other) == clash(other, one) == at
