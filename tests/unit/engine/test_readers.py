"""Partitions go to the process with the least to do."""

import pytest

from flows.engine.readers import dealt


@pytest.mark.parametrize(
    ("events", "judging", "expected"),
    [
        (1, 0.15, [0, 1]),
        (2, 0.15, [1, 1]),
        (2, 1.2, [0, 2]),
        (3, 0.15, [1, 2]),
        (4, 1.2, [0, 4]),
        (8, 0.5, [2, 6]),
        (2, 0.0, [1, 1]),
    ],
)
def test_two_processes(events: int, judging: float, expected: list[int]) -> None:
    """The first of them has the cohort."""
    names = [f"p{i}" for i in range(events)]
    read = dealt(names, ["labels"], [0, 0], 2, judging)
    assert [sum(name in names for name in mine) for mine in read] == expected
    assert sorted(name for mine in read for name in mine) == sorted([*names, "labels"])


def test_many_processes() -> None:
    """Cohorts everywhere weigh on all; without anything to judge everybody reads alike."""
    names = [f"p{i}" for i in range(12)]
    assert [len(mine) for mine in dealt(names, [], [0, 1, 2, 3], 4, 1.0)] == [3, 3, 3, 3]
    assert [len(mine) for mine in dealt(names, [], [], 4, 1.0)] == [3, 3, 3, 3]
    assert [len(mine) for mine in dealt(names, [], [0], 4, 1.2)] == [0, 4, 4, 4]
    assert dealt([], ["labels", "control"], [0], 2, 0.5) == [[], ["labels", "control"]]
    assert dealt(names, ["labels"], [0], 1, 1.2) == [[*names, "labels"]]
