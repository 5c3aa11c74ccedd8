"""Who is held, and until when."""

import numpy as np

from flows.operators.population.lately import Lately


def subjects(*keys: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(keys, np.uint64)


def test_subjects_are_held_until_their_time_is_over() -> None:
    """Held twice counts from the second time; the state says the same after a round trip."""
    lately = Lately()
    lately.hold(subjects(3, 2**63), 10)
    lately.hold(subjects(3, 5), 20)
    assert lately.holds(subjects(1, 3, 4, 5, 2**63)).tolist() == [False, True, False, True, True]
    lately.release(11)
    again = Lately(lately.state())
    assert again.holds(subjects(3, 5, 2**63)).tolist() == [True, True, False]
    assert again.holds(subjects()).tolist() == []
    again.release(21)
    assert again.state() == []
