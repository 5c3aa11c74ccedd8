"""Times are written in one way, and read back to the microsecond."""

import numpy as np
import pytest

from state.times import from_iso, iso, iso_now, isos, minute
from state.types import DAY_US

TIMES = [0, 1, -1, 1_767_268_800_000_000, 1_767_268_800_000_001, 253_402_300_799_999_999, -62_135_596_800_000_000]


@pytest.mark.parametrize("us", TIMES)
def test_what_is_written_is_read(us: int) -> None:
    """To the microsecond, over all years that there are."""
    assert from_iso(iso(us)) == us


def test_many_are_written_like_one() -> None:
    """Whichever is used, a record says the same."""
    assert isos(np.array(TIMES)).tolist() == [iso(us) for us in TIMES]


def test_to_the_second() -> None:
    """All of one width, or without a fraction of 0."""
    assert iso(1_500_000, "seconds") == "1970-01-01T00:00:01Z"
    assert iso(1_500_000, "auto") == "1970-01-01T00:00:01.500000Z"
    assert iso(DAY_US, "auto") == "1970-01-02T00:00:00Z"
    assert len(iso_now("seconds")) == len("1970-01-01T00:00:01Z")


def test_for_people() -> None:
    """Whoever reads it does not need the seconds."""
    assert minute(iso(DAY_US + 61_000_000)) == "1970-01-02 00:01"


def test_texts_with_offsets() -> None:
    """UTC where there is none."""
    assert from_iso("1970-01-01T01:00:00+01:00") == from_iso("1970-01-01") == 0
    with pytest.raises(ValueError, match="nonsense"):
        from_iso("nonsense")
