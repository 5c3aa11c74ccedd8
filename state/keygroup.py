"""Which key group a subject belongs to: fixed for the life of a savepoint."""

import numpy as np

from state.types import I64, U64


def key_group(subject: U64, groups: int) -> I64:
    """The group of each subject hash, in [0, groups).  subject: (n,) uint64.  groups: 1 to 2**31.

    Multiply-shift on the upper 32 bits: even over the groups, and independent of the lower bits, which hash tables use.
    Source: Lemire 2019, Fast Random Integer Generation in an Interval.
    """
    return ((subject >> np.uint64(32)) * np.uint64(groups) >> np.uint64(32)).astype(np.int64)
