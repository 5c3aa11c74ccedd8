"""Stable id hashes."""

from random import Random
from typing import Any

import numpy as np
import pytest
from xxhash import xxh3_64_intdigest

from flows.wire.hashing import hash_lines, hash_pieces, id_piece, id_texts
from flows.wire.xxh3 import hash_joined

HASHES = {"ann": 5200682613324210888, "ü": 6748675957732712302, "7": 499566431179015674}


def hash_ids(*pieces: list[Any]) -> list[int]:
    hashes, huge = hash_pieces([id_piece(piece) for piece in pieces])
    assert hashes.dtype == np.uint64
    assert not huge.any()
    return hashes.tolist()


def test_hashes_never_change() -> None:
    """Saved state depends on them: these are xxh3_64 of the UTF-8 text, written down."""
    assert hash_ids(["ann", "ü", "7"]) == hash_ids(["ann", "ü", 7]) == list(HASHES.values())
    assert hash_lines([b"ann", "ü".encode()]).tolist() == list(HASHES.values())[:2]


INTEGERS = [5, None, -(2**63), 2**64 - 1, 0]
TEXTS = ["a", "", "ä" * 40, "null", "1,2", '"', "\\"]
BROKEN = ["a\nb", "\n", "", 7, None]


@pytest.mark.parametrize(
    "pieces", [[INTEGERS], [TEXTS], [[*INTEGERS, *TEXTS], [None]], [BROKEN, TEXTS, BROKEN], [[""]]]
)
def test_ids_hash_as_their_texts_and_nothing_as_zero(pieces: list[list[Any]]) -> None:
    """None and "" are no id; in whatever company, and with line breaks inside, each id hashes as it does alone."""
    texts = ["" if value is None else str(value) for piece in pieces for value in piece]
    assert hash_ids(*pieces) == [xxh3_64_intdigest(text.encode()) if text else 0 for text in texts]


@pytest.mark.parametrize("others", [[7, None], ["a"], ["a\nb", 7]])
def test_an_integer_beyond_64_bits_is_no_id_in_any_company(others: list[Any]) -> None:
    """The others have the hashes that they have without it."""
    hashes, huge = hash_pieces([id_piece([*others, 2**64]), id_piece([-(2**63) - 1, 2**64 - 1])])
    assert huge.tolist() == [False] * len(others) + [True, True, False]
    assert hashes[~huge].tolist() == hash_ids(others, [2**64 - 1])


@pytest.mark.parametrize("length", range(1, 70))
def test_many_texts_hash_as_each_does_alone(length: int) -> None:
    """What xxhash gives, for texts of one length, which are hashed together, and where one is longer or shorter."""
    rng = Random(length)
    texts = [rng.randbytes(length).replace(b"\n", b" ") for _ in range(1_000)]
    odd = [b"", bytes(length + 1), bytes(length - 1)]
    for batch in (texts, [*texts, odd[0]], [*texts, *odd[1:]], [odd[1], *texts, odd[2]], texts[:2], odd):
        hashes = hash_joined(b"\n".join(batch), len(batch))
        assert hashes.dtype == np.uint64
        assert hashes.tolist() == [xxh3_64_intdigest(text) for text in batch]


def test_texts_of_ids() -> None:
    """An integer is its decimal text, None no text."""
    assert list(id_texts(["a", 7, None, -0])) == ["a", "7", "", "0"]
    assert id_texts(("a", "b")) == ("a", "b")
