"""Stable id hashes."""

from typing import Any

import numpy as np
import pytest

from flows.wire.hashing import IdHasher, hash_id, hash_ids, hash_lines

HASHES = {"ann": 5200682613324210888, "ü": 6748675957732712302, "7": 499566431179015674}


def test_hashes_never_change() -> None:
    """Saved state depends on them: these are xxh3_64 of the UTF-8 text, written down."""
    assert [hash_id(v) for v in ("ann", "ü", 7)] == [HASHES["ann"], HASHES["ü"], HASHES["7"]]
    assert hash_ids(["ann", "ü", "7"]).tolist() == list(HASHES.values())
    assert hash_lines([b"ann", "ü".encode()]).tolist() == list(HASHES.values())[:2]


@pytest.mark.parametrize("function", [hash_ids, IdHasher()])
def test_integers_are_hashed_as_their_text_and_nothing_as_zero(function: Any) -> None:
    """None and "" are no id; a list of mixed types agrees with each value alone."""
    values = ["a", 5, None, "", "5", -(2**63), 2**64 - 1]
    hashes = function(values)
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == [0 if v in (None, "") else hash_id(v) for v in values]
    assert hashes[1] == hashes[4]
    assert hashes[2] == hashes[3] == 0


@pytest.mark.parametrize("value", [True, 1.0, b"a", [], {}])
@pytest.mark.parametrize("function", [hash_ids, IdHasher()])
def test_other_types_are_refused(function: Any, value: Any) -> None:
    """Also when an equal integer has been seen before: True == 1 == 1.0 as a key."""
    function(["1", 1])
    with pytest.raises(TypeError):
        function(["a", value])


def test_a_column_with_many_ids_is_hashed_without_memory() -> None:
    """The hasher forgets what it knows once a column shows too many distinct ids, and gives the same hashes."""
    hasher = IdHasher()
    values = [f"id-{i}" for i in range(3_000)]
    for start in range(0, 3_000, 500):
        assert hasher(values[start : start + 500]).tolist() == hash_ids(values[start : start + 500]).tolist()
    assert hasher._known is None
    assert hasher(values).tolist() == [hash_id(v) for v in values]
