"""Framed, checksummed, versioned bytes: a header, a JSON table of contents, raw arrays."""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.errors import DriftnetError, SnapshotError, SnapshotVersionError

_MAGIC: Final = b"DRFT"
_SQUEEZED: Final = b"DRFZ"
_SQUEEZED_BYTES_MAX: Final = 1 << 30
"""Of one frame, unpacked."""
_HEAD: Final = struct.Struct("<4sHIQI")
"""magic, version, bytes of contents table, bytes of body, crc32 of table and body."""
_LONG: Final = 4096
"""A longer table is compressed: it is text that repeats itself."""
_TABLE_BYTES_MAX: Final = 1 << 28
"""Unpacked; the largest ones, of alert policies with all their subjects, have some tens of MiB."""


def pack(kind: str, version: int, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> bytes:
    """One frame.  kind: what it is a snapshot of.  meta: JSON values.  arrays: any dtype; object arrays hold str."""
    entries: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for name, array in arrays.items():
        if array.dtype == object:
            texts = [str(t).encode() for t in array.ravel()]
            lengths = np.array([len(t) for t in texts], dtype=np.uint32)
            parts += [lengths.tobytes(), *texts]
            size = lengths.nbytes + int(lengths.sum())
        else:
            parts.append(np.ascontiguousarray(array).tobytes())
            size = len(parts[-1])
        entries.append({"name": name, "dtype": array.dtype.str, "shape": array.shape, "size": size})
    table = json.dumps({"kind": kind, "meta": meta, "arrays": entries}).encode()
    if len(table) > _LONG:
        table = zlib.compress(table, level=1)
    body = b"".join(parts)
    return _HEAD.pack(_MAGIC, version, len(table), len(body), zlib.crc32(body, zlib.crc32(table))) + table + body


def unpack(blob: bytes, kind: str, reads: tuple[int, ...]) -> tuple[int, dict[str, Any], dict[str, NDArray[Any]]]:
    """Version, meta and fresh, writable arrays of a frame.

    Raises SnapshotError for bytes that are torn, corrupted or of another kind, SnapshotVersionError for a version
    that is not among `reads`.
    """
    blob = whole(blob, kind)
    if len(blob) < _HEAD.size or blob[:4] != _MAGIC:
        raise SnapshotError(f"{kind}: not a snapshot frame: {len(blob)} bytes that start with {blob[:4]!r}")
    _, version, table_size, body_size, crc = _HEAD.unpack_from(blob)
    if len(blob) != _HEAD.size + table_size + body_size:
        raise SnapshotError(f"{kind}: torn snapshot: {len(blob)} bytes, expected {_HEAD.size + table_size + body_size}")
    if zlib.crc32(memoryview(blob)[_HEAD.size :]) != crc:
        raise SnapshotError(f"{kind}: corrupted snapshot: the checksum does not match; restore an older one")
    with reading(kind):
        contents = _contents(blob[_HEAD.size : _HEAD.size + table_size])
        if contents["kind"] != kind:
            raise SnapshotError(f"expected a snapshot of {kind!r}, found one of {contents['kind']!r}")
        if version not in reads:
            raise SnapshotVersionError(kind, version, reads)
        arrays: dict[str, NDArray[Any]] = {}
        offset = _HEAD.size + table_size
        for entry in contents["arrays"]:
            arrays[entry["name"]] = _array(blob[offset : offset + entry["size"]], entry)
            offset += entry["size"]
        return version, contents["meta"], arrays


def squeezed(frame: bytes) -> bytes:
    """A frame in fewer bytes, for what is written again and again: 2 to 17 times fewer in the shipped job, at 100 MB a
    second.  Bytes that are no frame stay as they are.
    """
    if frame[:4] not in (_MAGIC, _SQUEEZED):
        return frame
    return _SQUEEZED + zlib.compress(frame, level=1)


def whole(blob: bytes, what: str) -> bytes:
    """What `squeezed` was given.  Raises SnapshotError for bytes that are torn or corrupted."""
    if blob[:4] != _SQUEEZED:
        return blob
    unpacking = zlib.decompressobj()
    try:
        frame = unpacking.decompress(memoryview(blob)[4:], _SQUEEZED_BYTES_MAX)
    except zlib.error as error:
        raise SnapshotError(f"{what}: corrupted snapshot: {error}; restore an older one") from error
    if not unpacking.eof or unpacking.unused_data:
        raise SnapshotError(f"{what}: torn snapshot, or one of more than {_SQUEEZED_BYTES_MAX:,} bytes")
    return frame


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Around the use of saved state: whatever it makes go wrong is a SnapshotError.

    A checksum says that bytes are as somebody wrote them, not that they make sense.
    """
    try:
        yield
    except DriftnetError:
        raise
    except (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RecursionError, TypeError,
            ValueError, zlib.error) as error:  # fmt: skip
        raise SnapshotError(
            f"{what}: saved state that makes no sense ({type(error).__name__}: {error}); use another savepoint, or"
            " start in an empty directory"
        ) from error


def _contents(table: bytes) -> Any:
    if table[:1] == b"{":
        return json.loads(table)
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(table, _TABLE_BYTES_MAX)
    if not unpacking.eof:
        raise ValueError(f"a table of contents of more than {_TABLE_BYTES_MAX:,} bytes, or a torn one")
    return json.loads(text)


def _array(chunk: bytes, entry: Mapping[str, Any]) -> NDArray[Any]:
    dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
    return _texts(chunk, shape) if dtype.hasobject else np.frombuffer(chunk, dtype).reshape(shape).copy()


def pack_frames(kind: str, version: int, meta: dict[str, Any], frames: Mapping[str, bytes]) -> bytes:
    """One frame that holds others, by name."""
    return pack(kind, version, meta, {name: np.frombuffer(frame, np.uint8) for name, frame in frames.items()})


def unpack_frames(blob: bytes, kind: str, reads: tuple[int, ...]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Meta and inner frames.  Raises what `unpack` does."""
    _, meta, arrays = unpack(blob, kind, reads)
    return meta, {name: array.tobytes() for name, array in arrays.items()}


def _texts(chunk: bytes, shape: tuple[int, ...]) -> NDArray[np.object_]:
    count = int(np.prod(shape))
    cuts = np.append(0, np.cumsum(np.frombuffer(chunk, np.uint32, count), dtype=np.int64)) + 4 * count
    out = np.empty(count, dtype=object)
    out[:] = [chunk[a:b].decode() for a, b in pairwise(cuts.tolist())]
    return out.reshape(shape)
