"""Snapshot frames."""

from collections.abc import Callable

import numpy as np
import pytest

from state.errors import SnapshotError, SnapshotVersionError
from state.snapshot import pack, squeezed, unpack, whole

ARRAYS = {
    "x": np.arange(6.0).reshape(2, 3),
    "ids": np.array([1, 2**63], np.uint64),
    "names": np.array(["a", "", "ünïcode"], dtype=object),
    "none": np.zeros((0, 4), np.int16),
}


def test_a_frame_gives_back_what_went_in() -> None:
    """Meta, dtypes, shapes, values and texts survive; the arrays are writable copies."""
    version, meta, arrays = unpack(pack("thing", 3, {"a": [1, None]}, ARRAYS), "thing", (2, 3))
    assert (version, meta) == (3, {"a": [1, None]})
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert arrays[name].tolist() == array.tolist()
        assert arrays[name].flags.writeable


def test_every_flipped_byte_is_noticed() -> None:
    """No corrupted frame is taken for a good one."""
    blob = pack("thing", 1, {}, ARRAYS)
    for at in range(len(blob)):
        torn = bytearray(blob)
        torn[at] ^= 0x40
        with pytest.raises(SnapshotError):
            unpack(bytes(torn), "thing", (1,))


@pytest.mark.parametrize("size", [0, 3, 21, 60, -1])
def test_torn_frames_are_refused(size: int) -> None:
    """A frame that lost its end says so."""
    with pytest.raises(SnapshotError, match=r"torn|not a snapshot"):
        unpack(pack("thing", 1, {}, ARRAYS)[:size], "thing", (1,))


def test_a_newer_version_names_both() -> None:
    """The message says what was found and what this build reads."""
    with pytest.raises(SnapshotVersionError, match=r"v7.*v1, v2"):
        unpack(pack("thing", 7, {}, {}), "thing", (1, 2))


def test_another_kind_is_refused() -> None:
    """A frame of one thing is never read as another."""
    with pytest.raises(SnapshotError, match="'other'"):
        unpack(pack("other", 1, {}, {}), "thing", (1,))


def test_a_squeezed_frame_is_the_same_in_fewer_bytes() -> None:
    """Read as it is; what is no frame stays as it is, and what looks like a squeezed one comes back, too."""
    frame = pack("k", 1, {"a": 1}, {"x": np.zeros(1000)})
    small = squeezed(frame)
    assert len(small) < len(frame) // 10
    assert whole(small, "k") == frame
    assert unpack(small, "k", (1,))[1] == {"a": 1}
    assert squeezed(b"a plug-in's own") == b"a plug-in's own"
    assert whole(squeezed(b"DRFZ of a plug-in"), "k") == b"DRFZ of a plug-in"


@pytest.mark.parametrize("wrong", [lambda b: b[:-9], lambda b: b + b"x", lambda b: b[:20] + b"?" + b[21:]])
def test_a_squeezed_frame_that_is_damaged_is_refused(wrong: Callable[[bytes], bytes]) -> None:
    """Torn, followed by something, or altered."""
    with pytest.raises(SnapshotError, match="k: "):
        unpack(wrong(squeezed(pack("k", 1, {}, {"x": np.arange(1000)}))), "k", (1,))
