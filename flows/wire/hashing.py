"""Stable 64-bit hashes of ids: the same on every machine, in every process, for ever (state depends on them)."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import orjson
from xxhash import xxh3_64_intdigest

from flows.wire.xxh3 import hash_each, hash_joined
from state.types import NO_ID, U64

_EMPTY: Final = np.uint64(xxh3_64_intdigest(b""))

IdPiece = tuple[bytes, int] | U64
"""Some ids, at least one: their texts with a line break between two, and how many; or already hashed."""


def hash_id(value: str | int) -> int:
    """xxh3_64 of the id's UTF-8 text, in [0, 2**64); an integer is hashed as its decimal text.

    "" is no id and gives 0 (NO_ID); an id that happens to hash to 0 gives 1.  Raises TypeError for other types.
    Source: XXH3, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
    """
    if type(value) is not str and type(value) is not int:
        raise TypeError(f"an id is text or an integer, not {type(value).__name__}")
    return (xxh3_64_intdigest(str(value).encode()) or 1) if value != "" else NO_ID


def id_texts(values: Sequence[Any]) -> Sequence[str]:
    """The ids as texts; "" for None.  values: of str | int | None."""
    try:
        "".join(values)
    except TypeError:
        return [v if type(v) is str else "" if v is None else str(v) for v in values]
    return values


def id_piece(values: Sequence[Any]) -> IdPiece:
    """Some ids, prepared for `hash_pieces` while they are in the caches.  values: at least one of str | int | None."""
    try:
        joined = "\n".join(values)
    except TypeError:
        plain = orjson.dumps(values)[1:-1]
        if b'"' not in plain:  # integers and None
            return plain.replace(b"null", b"").replace(b",", b"\n"), len(values)
        values = id_texts(values)
        joined = "\n".join(values)
    if joined.count("\n") < len(values):
        return joined.encode(), len(values)
    return hash_each(map(str.encode, values))  # one of them has a line break inside


def hash_pieces(pieces: Sequence[IdPiece]) -> U64:
    """`hash_id` of all ids of some pieces, at least one; 0 for None.  Returns (n,) uint64."""
    joined = [piece for piece in pieces if isinstance(piece, tuple)]
    if len(joined) == len(pieces):
        texts, counts = zip(*joined, strict=True)
        return _as_ids(hash_joined(b"\n".join(texts), sum(counts)))
    return _as_ids(np.concatenate([hash_joined(*piece) if isinstance(piece, tuple) else piece for piece in pieces]))


def hash_lines(lines: Sequence[bytes]) -> U64:
    """xxh3_64 of each line's bytes, (n,) uint64: the identity of an event that has no id."""
    return _as_ids(hash_each(lines))


def _as_ids(hashes: U64) -> U64:
    if not hashes.all():
        hashes[hashes == 0] = 1
    hashes[hashes == _EMPTY] = NO_ID
    return hashes
