"""Largest scores of stretches, against the slow obvious way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.sample import Sample
from detectors.stretches import Stretches

SUBJECTS = st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), max_size=60)


def stretches(rows: int, remember: int = 64) -> Stretches:
    return Stretches(rows, Sample(1, remember))


def add(made: Stretches, scores: list[tuple[int, int]]) -> None:
    made.add(np.array([who for who, _ in scores], np.uint64), np.array([now for _, now in scores], np.float64))


@given(SUBJECTS, st.integers(2, 7), st.integers(1, 60))
def test_each_subject_has_stretches_of_its_own(scores: list[tuple[int, int]], rows: int, cut: int) -> None:
    """The largest of each full one counts, however the rows come in rounds, and with a restart between them."""
    made = stretches(rows)
    for low in range(0, len(scores), cut):
        made = Stretches.resume(*made.state())
        add(made, scores[low : low + cut])
    slow = []
    for who in range(4):
        mine = [now for of, now in scores if of == who]
        slow += [max(mine[low : low + rows]) for low in range(0, len(mine) - rows + 1, rows)]
    assert made.ordered().tolist() == sorted(slow)
    assert made.count == len(slow)


def test_an_event_counts_once() -> None:
    """However many rows it fills."""
    made = stretches(10)
    add(made, [(1, 0)] * 13 + [(1, 9)] * 6 + [(1, 0)] * 21)
    assert made.ordered().tolist() == [0, 0, 0, 9]


def test_what_a_forgotten_subject_has_begun_is_dropped() -> None:
    """It starts afresh."""
    made = stretches(3)
    add(made, [(1, 9), (1, 9), (2, 5)])
    made.forget(1)
    made.forget(7)
    add(made, [(1, 1), (1, 1), (2, 4), (2, 4)])
    assert made.ordered().tolist() == [5]
    add(made, [(1, 1)])
    assert made.ordered().tolist() == [1, 5]


def test_what_is_begun_is_bounded() -> None:
    """Of more subjects than are remembered the one that began first is given up, and may begin again."""
    made = stretches(2, remember=64)
    add(made, [(who, who) for who in range(65)])
    add(made, [(0, 100), (1, 1), (64, 64)])
    assert made.ordered().tolist() == [64]  # 1 had to go when 0 came back, and 2 when 1 did
    assert made.state()[1]["open_of"].tolist() == [*range(3, 64), 0, 1]


def test_what_is_no_number_in_32_bits_is_just_large() -> None:
    """Or just small, and the rank goes on."""
    made = stretches(2)
    made.add(np.ones(4, np.uint64), np.array([1e300, 1.0, -np.inf, -np.inf]))
    assert made.ordered().tolist() == [np.float32(-1e38), np.float32(1e38)]
