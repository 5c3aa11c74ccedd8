"""The bounded sample: who is remembered, for how long, and how it is read."""

import numpy as np
import pytest

from detectors.sample import Sample, evenly


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)[:, None]


def test_rows_are_chosen_evenly_and_only_once() -> None:
    """A choice is ascending, without repeats, covers the whole round, and never exceeds what was asked for."""
    for rows, wanted, turn in [(10, 3, 0), (10, 9, 5), (5000, 256, 17), (7, 7, 1), (3, 8, 2)]:
        chosen = evenly(rows, wanted, turn)
        assert len(chosen) == min(rows, wanted)
        assert (np.diff(chosen) > 0).all()
        assert chosen[0] >= 0
        assert chosen[-1] < rows
        assert np.diff(chosen).max(initial=0) <= np.ceil(rows / wanted)


def test_successive_rounds_choose_other_rows() -> None:
    """Over a few hundred turns every row of an unchanging round is chosen about equally often."""
    seen = np.zeros(1000)
    for turn in range(400):
        seen[evenly(1000, 50, turn)] += 1
    assert seen.min() > 10
    assert seen.max() < 30


def test_quantiles_are_numpys_until_the_sample_is_full() -> None:
    """While everything fits, quantiles are the linearly interpolated ones of all values, missing ones left out."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 3))
    x[::7, 1] = np.nan
    sample = Sample(3, 256)
    sample.add(x)
    levels = (0.0, 0.25, 0.5, 0.9, 1.0)
    expected = np.nanquantile(x.astype(np.float32), levels, axis=0)
    np.testing.assert_allclose(sample.quantiles(levels), expected, rtol=1e-6)


def test_a_column_without_values_has_no_quantiles() -> None:
    """They are nan, "not yet", for an empty sample and for a column that never had a value."""
    sample = Sample(2, 16)
    assert np.isnan(sample.quantiles((0.5,))).all()
    sample.add(np.array([[1.0, np.nan], [3.0, np.inf]]))
    assert sample.quantiles((0.5,))[0, 0] == 2.0
    assert np.isnan(sample.quantiles((0.5,))[0, 1])


@pytest.mark.parametrize("rows", [1, 7, 100, 5000])
def test_memory_fades_geometrically(rows: int) -> None:
    """After as many entries as the sample holds, about 1/e of the old rows are left, whatever the size of rounds."""
    sample = Sample(1, 512)
    while sample.count < 512:
        sample.add(np.zeros((512, 1)))
    entering = 0
    while entering < 512:
        sample.add(np.ones((rows, 1)))
        entering += min(rows, 64)
    old = float((sample.ordered()[0] == 0).mean())
    assert 0.29 < old < 0.46


def test_one_huge_round_never_owns_a_full_sample() -> None:
    """A round of any size replaces at most an eighth of a full sample."""
    sample = Sample(1, 800)
    sample.add(np.zeros((800, 1)))
    sample.add(np.ones((50_000, 1)))
    assert 0.08 < float(sample.ordered()[0].mean()) <= 0.125


def test_tiny_rounds_wait_for_each_other() -> None:
    """Reading stays cheap: new rows show after 1/64 of the sample has come in, and the version says when."""
    sample = Sample(1, 640)
    sample.add(np.zeros((640, 1)))
    version = sample.version
    for _ in range(9):
        sample.add(column(1.0))
    assert sample.version == version
    sample.add(column(1.0))
    assert sample.version == version + 1
    assert sample.ordered()[0].sum() == 10


def test_looking_changes_nothing() -> None:
    """Rows that are due are taken in when somebody looks; who never looked has the same sample at the end."""
    rng = np.random.default_rng(4)
    looked, alone = Sample(2, 128), Sample(2, 128)
    for size in rng.integers(1, 60, 200).tolist():
        x = rng.normal(size=(size, 2))
        looked.add(x)
        alone.add(x)
        assert np.array_equal(np.sort(looked.rows(), axis=0).T, looked.ordered()[0])
        assert (alone.version, alone.count) == (looked.version, looked.count)
    for sample in (looked, alone):
        rows = sample.rows().copy()
        assert np.array_equal(rows.T, sample.state()[1]["sample"])
    assert np.array_equal(alone.rows(), looked.rows())
    assert alone.state()[0] == looked.state()[0]


def test_a_resumed_sample_goes_on_alike() -> None:
    """Waiting rows, the place in the pseudo-random order and the turn all survive."""
    rng = np.random.default_rng(3)
    a = Sample(2, 128)
    for size in (100, 5, 90, 1):
        a.add(rng.normal(size=(size, 2)))
    b = Sample.resume(*a.state())
    for size in (1, 3, 200, 17):
        x = rng.normal(size=(size, 2))
        a.add(x)
        b.add(x)
        assert np.array_equal(a.ordered()[0], b.ordered()[0])
    assert a.state()[0] == b.state()[0]
