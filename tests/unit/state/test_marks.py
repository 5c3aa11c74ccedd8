"""Marks: what does not count, by subject."""

import numpy as np
import pytest

from state.marks import DUPLICATES, REJECTS, Marks


def names(*texts: str) -> np.ndarray:
    return np.array(texts, object)


def subjects(*hashes: int) -> np.ndarray:
    return np.array(hashes, np.uint64)


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_put_together_is_counted_by_kind_and_known_by_name(order: int) -> None:
    """Duplicates know no names, rejected lines do: a subject that has both has its name."""
    parts = [
        Marks.of(DUPLICATES, subjects(7, 3, 7)),
        Marks.of(REJECTS, subjects(9, 7, 9), names("nine", "seven", "nine")),
    ]
    found = Marks.together(parts[::order])
    assert found.subject.tolist() == [3, 7, 9]
    assert found.name.tolist() == ["", "seven", "nine"]
    assert found.counts.tolist() == [[1, 2, 0], [0, 1, 2]]


def test_rows_know_names() -> None:
    """Those that are known stay, those that nobody knows too."""
    marks = Marks.together([Marks.of(DUPLICATES, subjects(3, 5)), Marks.of(REJECTS, subjects(7), names("seven"))])
    found = marks.named(subjects(3, 7, 3), names("three", "other", "three"))
    assert found.name.tolist() == ["three", "", "seven"]
    assert (found.subject.tolist(), found.counts.tolist()) == (marks.subject.tolist(), marks.counts.tolist())
