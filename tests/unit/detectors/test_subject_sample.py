"""One row per subject of a day: who is in, who leaves, what fills the places."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.features.hashing import mix
from detectors.subject_sample import LEAST, SubjectSample
from state.types import DAY_US, HOUR_US


def who(*subjects: int) -> np.ndarray:
    return np.array(subjects, np.uint64)


class Largest:
    """The larger value stays."""

    def among(self, x: np.ndarray, starts: np.ndarray) -> np.ndarray:
        return np.fmax.reduceat(x, starts)

    def onto(self, held: np.ndarray, seen_us: np.ndarray, new: np.ndarray, at_us: np.ndarray) -> np.ndarray:
        assert (seen_us <= at_us).all()
        return np.fmax(held, new)


def add(sample: SubjectSample, subjects: np.ndarray, value: float, end_us: int, slides: bool = False) -> None:
    sample.add(subjects, np.full((len(subjects), 1), value), end_us, slides)


def test_the_newest_row_of_a_subject_counts() -> None:
    """The row before is replaced."""
    sample = SubjectSample(1, 64)
    add(sample, who(1, 2, 3), 1.0, HOUR_US)
    add(sample, who(2), 5.0, 2 * HOUR_US)
    assert sorted(sample.rows()[0].tolist()) == [1.0, 1.0, 5.0]
    assert sample.subjects == 3


def test_who_is_unseen_for_a_day_leaves_and_stays_as_a_row_of_an_earlier_day() -> None:
    """Where places are free; and no longer counts as a subject."""
    sample = SubjectSample(1, 4096)
    add(sample, who(1), 1.0, HOUR_US)
    add(sample, who(2), 2.0, HOUR_US + DAY_US)
    assert sample.subjects == 1
    assert sample.rows()[0].tolist() == [2.0, 1.0]


def test_what_becomes_of_a_row_is_joined_when_a_small_round_is_taken_in() -> None:
    """Whether it waited or not, and for one subject as for many: the larger value stays."""
    sample = SubjectSample(1, 4096, Largest())
    add(sample, np.arange(160, dtype=np.uint64), 2.0, HOUR_US)
    for value in (1.0, 3.0, 2.5):
        add(sample, who(7), value, 2 * HOUR_US)
        add(sample, who(8, 9), value, 2 * HOUR_US)
    assert set(sample.rows()[0].tolist()) == {2.0}
    add(sample, who(10, 11, 12, 13), 1.0, 2 * HOUR_US)
    assert sorted(sample.rows()[0].tolist())[-4:] == [2.0, 3.0, 3.0, 3.0]


def test_with_enough_subjects_earlier_days_do_not_count() -> None:
    """1,024 of today need no one else."""
    sample = SubjectSample(1, 4096)
    many = np.arange(LEAST, dtype=np.uint64)
    for day in range(3):
        add(sample, many, float(day), day * DAY_US + HOUR_US)
    assert sample.count == LEAST
    assert set(sample.rows()[0].tolist()) == {2.0}


def test_a_few_subjects_are_a_yardstick_of_many_days() -> None:
    """Thirteen people, a hundred days: the last 1,024 subject-days, each as it was at its end, the latest first."""
    sample = SubjectSample(1, 4096)
    people = np.arange(13, dtype=np.uint64)
    for day in range(100):
        for hour in (9, 24):
            add(sample, people, day + hour / 100, day * DAY_US + hour * HOUR_US)
    rows = sample.rows()[0]
    assert len(rows) == LEAST
    days = np.floor(rows)
    assert (np.diff(days) <= 0).all()
    assert np.allclose(rows - days, 0.24)
    assert sample.subjects == 13


def test_beyond_its_places_the_smallest_hashes_stay_and_the_number_is_estimated() -> None:
    """Whatever the order in which subjects come."""
    everybody = np.random.default_rng(1).integers(0, 2**63, 50_000).astype(np.uint64)
    one, other = SubjectSample(1, 1024), SubjectSample(1, 1024)
    for part in np.array_split(everybody, 7):
        one.add(part, (part % 1000)[:, None].astype(float), HOUR_US)
    for part in np.array_split(everybody[::-1], 3):
        other.add(part, (part % 1000)[:, None].astype(float), HOUR_US)
    assert np.array_equal(one.rows(), other.rows())
    assert one.subjects == pytest.approx(50_000, rel=0.1)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.sets(st.integers(0, 60))), max_size=30), st.booleans())
def test_it_is_what_a_dictionary_says(steps: list[tuple[int, set[int]]], slides: bool) -> None:
    """The newest row of each subject of the last 24 hours, or of the newest round of a sliding window."""
    sample, known, now = SubjectSample(1, 64), {}, HOUR_US
    for turn, (hours, subjects) in enumerate(steps):
        now += hours * HOUR_US
        if subjects:
            if slides:
                known = {}
            known |= {s: (now, float(turn)) for s in subjects}
            add(sample, np.array(sorted(subjects), np.uint64), float(turn), now, slides)
            known = {s: seen for s, seen in known.items() if seen[0] > now - DAY_US}
    sample._take_in()
    assert sample.subjects == len(known)
    assert sorted(sample.rows()[0][: len(known)].tolist()) == sorted(value for _, value in known.values())


def test_a_resumed_sample_is_the_same_to_the_bit() -> None:
    """Current subjects, and the ring of earlier days."""
    rng = np.random.default_rng(2)
    sample = SubjectSample(3, 128)
    twin = sample
    for hour in range(1, 200, 5):
        subjects = np.unique(rng.integers(0, 90, 30)).astype(np.uint64)
        x = rng.normal(size=(len(subjects), 3))
        for copy in {id(sample): sample, id(twin): twin}.values():
            copy.add(subjects, x, hour * HOUR_US)
        if hour == 101:
            meta, arrays = sample.state()
            twin = SubjectSample.resume(meta, {name: array.copy() for name, array in arrays.items()})
    assert np.array_equal(sample.rows(), twin.rows(), equal_nan=True)
    assert sample.state()[0] == twin.state()[0]


@pytest.mark.parametrize("waits", [False, True])
def test_who_is_forgotten_leaves_no_row_and_no_hash(waits: bool) -> None:
    """From the sample, and from a small round that waits; the others stay, and go on after a restart."""
    sample = SubjectSample(1, 4096)
    add(sample, np.arange(100, dtype=np.uint64), 1.0, HOUR_US)
    if waits:
        add(sample, who(7, 8), 5.0, 2 * HOUR_US)
    sample.forget(7)
    meta, arrays = sample.state()
    assert not np.isin(mix(who(7)), arrays["key"]).any()
    assert arrays["waiting_for"].tolist() == ([8] if waits else [])
    again = SubjectSample.resume(meta, arrays)
    add(again, np.arange(1000, 1100, dtype=np.uint64), 2.0, 3 * HOUR_US)
    assert again.subjects == 199
    assert again.rows()[0].tolist().count(5.0) == waits
