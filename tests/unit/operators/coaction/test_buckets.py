"""Who is new on an object, and who has been there in the bucket before."""

import numpy as np

from detectors.campaigns.coincidence import Visits
from flows.operators.coaction.buckets import arrived, first_names


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


def test_names_are_of_the_first_part_that_has_the_account() -> None:
    """Who was there in no bucket has none."""
    parts = [
        (np.array([7, 5, 5], np.uint64), np.array(["seven", "five", "five"], object)),
        (np.array([6, 5], np.uint64), np.array(["six", "other"], object)),
    ]
    assert first_names(parts, np.array([5, 6, 7, 8], np.uint64)).tolist() == ["five", "six", "seven", ""]
    assert first_names(parts, np.array([], np.uint64)).tolist() == []
