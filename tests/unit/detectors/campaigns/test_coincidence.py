"""Which accounts coincide, beside the plain way: every two visits of a bucket, and of it and the one before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.campaigns import coincidence
from detectors.campaigns.coincidence import Visits, coincide

Visit = tuple[int, int]
"""An object and an account."""
VISITS = st.sets(st.tuples(st.sampled_from([1, 2, 3, 2**64 - 1]), st.sampled_from([1, 2, 3, 4, 2**63, 2**64 - 2])))


def visits(of: set[Visit]) -> Visits:
    object_, account = (np.array([visit[i] for visit in sorted(of)], np.uint64) for i in (0, 1))
    return Visits(object_, account)


def plainly(now: set[Visit], before: set[Visit], most: int) -> list[tuple[int, int, int]]:
    """Object and two accounts of each."""
    found = set()
    for bucket in (now, before):
        for one in now:
            for other in bucket:
                few = all(sum(v[0] == one[0] for v in b) <= most for b in (now, bucket))
                if one[0] == other[0] and one[1] != other[1] and few:
                    found.add((one[0], min(one[1], other[1]), max(one[1], other[1])))
    return sorted(found)


@given(VISITS, VISITS)
@pytest.mark.parametrize("packed", [True, False])
def test_as_the_plain_way(packed: bool, now: set[Visit], before: set[Visit]) -> None:
    """Each combination once, sorted; objects and accounts that have none are not told."""
    with pytest.MonkeyPatch.context() as patch:
        if not packed:
            patch.setattr(coincidence, "_BITS", 0)
        pairs = coincide(visits(now), visits(before), 3)
    found = zip(pairs.object[pairs.on], pairs.account[pairs.low], pairs.account[pairs.high], strict=True)
    expected = plainly(now, before, 3)
    assert [tuple(map(int, each)) for each in found] == expected
    assert pairs.object.tolist() == sorted({on for on, _, _ in expected})
    assert pairs.account.tolist() == sorted({who for _, *two in expected for who in two})
