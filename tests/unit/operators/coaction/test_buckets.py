"""Who is new on an object, and who has been there in the bucket before."""

import numpy as np

from detectors.campaigns.coincidence import Visits
from flows.operators.coaction.buckets import arrived


def visits(*pairs: tuple[int, int]) -> Visits:
    """Object and account of each."""
    object_, account = zip(*pairs, strict=True) if pairs else ((), ())
    return Visits(np.array(object_, np.uint64), np.array(account, np.uint64))


def test_a_visit_that_goes_on_is_none_anew() -> None:
    """The same account on the same object; another one, or elsewhere, arrives."""
    now, before = visits((1, 5), (1, 6), (2, 5), (3, 7)), visits((1, 5), (2, 6), (3, 7), (4, 5))
    assert arrived(now, before).tolist() == [False, True, True, False]
    assert arrived(now, visits()).tolist() == [True] * 4
    assert arrived(visits(), before).tolist() == []
