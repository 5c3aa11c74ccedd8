"""Stable 64-bit hashes of ids: the same on every machine, in every process, for ever (state depends on them).

The hash of an id is xxh3_64 of its UTF-8 text, of an integer's decimal text: 7 and "7" are one id. None and "" are no
id and give 0 (NO_ID); an id that happens to hash to 0 gives 1.
Source: XXH3, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import orjson
from xxhash import xxh3_64_intdigest

from flows.wire.xxh3 import hash_each, hash_joined
from state.types import NO_ID, U64, Bool

_EMPTY: Final = np.uint64(xxh3_64_intdigest(b""))
_HUGE: Final = b"\xff"
"""Stands for an integer beyond 64 bits: no text is that in UTF-8."""
_HUGE_HASH: Final = np.uint64(xxh3_64_intdigest(_HUGE))

IdPiece = tuple[bytes, int] | U64
"""Some ids, at least one: their texts with a line break between two, and how many; or already hashed."""


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
        joined = "\n".join(values).encode()
    except TypeError:
        joined = _joined(values)
    if joined.count(b"\n") < len(values):
        return joined, len(values)
    return hash_each(map(_text, values))  # one of them has a line break inside


def hash_pieces(pieces: Sequence[IdPiece]) -> tuple[U64, Bool]:
    """The hashes of all ids of some pieces, at least one: (n,) uint64; and which are integers beyond 64 bits."""
    joined = [piece for piece in pieces if isinstance(piece, tuple)]
    if len(joined) == len(pieces):
        texts, counts = zip(*joined, strict=True)
        hashes = hash_joined(b"\n".join(texts), sum(counts))
    else:
        hashes = np.concatenate([hash_joined(*piece) if isinstance(piece, tuple) else piece for piece in pieces])
    return _as_ids(hashes), hashes == _HUGE_HASH


def id_hash(name: str, kind: str = "") -> int:
    """The hash of one subject's id.  kind: the name of its kind; "" for the subjects that the stream is keyed by."""
    hashes, _ = hash_pieces([id_piece([name])])
    return int(of_kind(hashes, kind)[0])


def of_kind(hashes: U64, kind: str) -> U64:
    """Hashes of ids as those of subjects of a kind, which no two kinds share: (n,) uint64, and back again."""
    return hashes ^ np.uint64(xxh3_64_intdigest(f"subject kind {kind}".encode())) if kind else hashes


def hash_lines(lines: Sequence[bytes]) -> U64:
    """xxh3_64 of each line's bytes, (n,) uint64: the identity of an event that has no id."""
    return _as_ids(hash_each(lines))


def _as_ids(hashes: U64) -> U64:
    if not hashes.all():
        hashes[hashes == 0] = 1
    hashes[hashes == _EMPTY] = NO_ID
    return hashes


def _joined(values: Sequence[Any]) -> bytes:
    try:
        return "\n".join(["" if value is None else value for value in values]).encode()
    except TypeError:
        pass
    try:
        numbers = orjson.dumps(values)
        if b'"' not in numbers:  # integers and None; measured: a quarter of a text for each
            return numbers[1:-1].replace(b"null", b"").replace(b",", b"\n")
    except orjson.JSONEncodeError:  # an integer beyond 64 bits
        pass
    return b"\n".join(map(_text, values))


def _text(value: str | int | None) -> bytes:
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode()
    return b"%d" % value if -(2**63) <= value < 2**64 else _HUGE
