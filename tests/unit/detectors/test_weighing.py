"""Weights that are learned: from agreement, and from labels."""

import numpy as np
import pytest

from detectors.weighing import Weighing
from state.types import F64

NAMES = ("a", "b", "loner")


def words(n: int = 4000, seed: int = 1) -> F64:
    """(3, n) tail probabilities: two detectors that see the same, and one that sees something else."""
    rng = np.random.default_rng(seed)
    shared = rng.random(n)
    return np.stack([shared, np.clip(shared + 0.05 * rng.normal(size=n), 1e-6, 1.0), rng.random(n)])


def told(p: F64, *, by_labels: bool = False, rows: int = 32) -> Weighing:
    weighing = Weighing(NAMES, by_labels=by_labels)
    for at in range(0, p.shape[1], rows):
        weighing.learn(p[:, at : at + rows])
    return weighing


def test_nobody_is_weighed_before_enough_was_heard() -> None:
    """Equal weights at first, and for a detector that has not spoken; one alone keeps its weight."""
    assert Weighing(NAMES, by_labels=False).weights().tolist() == [1.0, 1.0, 1.0]
    assert told(words(200)).weights().tolist() == [1.0, 1.0, 1.0]
    p = words()
    p[2] = np.nan
    assert told(p).weights()[2] == pytest.approx(1.0)
    alone = Weighing(("a",), by_labels=True)
    alone.learn(p[:1])
    assert alone.weights().tolist() == [1.0]


def test_a_loner_loses_weight() -> None:
    """What nobody else sees counts little; what two see counts alike."""
    a, b, loner = told(words()).weights()
    assert loner < 0.02
    assert a == pytest.approx(b, rel=0.2)


def test_agreement_is_of_those_rows_that_both_judged() -> None:
    """A detector that is silent on half of the rows, as far from them as the others, is weighed by the other half."""
    p = words()
    some = p.copy()
    some[1, ::2] = np.nan
    assert told(some).weights() == pytest.approx(told(p).weights(), abs=0.2)


def test_labels_say_more() -> None:
    """The loner is right: with labels it is heard, and the others are not; labels without a word change nothing."""
    p, rng = words(), np.random.default_rng(2)
    label = (p[2] < 0.05).astype(np.float64)
    label[rng.random(len(label)) < 0.5] = np.nan
    weighing = told(p, by_labels=True)
    before = weighing.weights()
    weighing.learn_labels(-p, np.full(p.shape[1], np.nan))
    assert weighing.weights().tolist() == before.tolist()
    weighing.learn_labels(-p, label)
    a, b, loner = weighing.weights()
    assert loner > 5 * max(a, b)
    deaf = told(p)
    deaf.learn_labels(-p, label)
    assert deaf.weights()[2] < 0.02


def test_a_snapshot_goes_on_alike() -> None:
    """To the bit; of other detectors it is nobody's."""
    p = words()
    weighing, label = told(p, by_labels=True), (p[0] < 0.1).astype(np.float64)
    weighing.learn_labels(-p, label)
    again = Weighing(NAMES, by_labels=True)
    again.restore(weighing.snapshot())
    for one in (weighing, again):
        one.learn(p[:, :100])
        one.learn_labels(-p[:, :100], label[:100])
    assert again.weights().tolist() == weighing.weights().tolist()
    assert again.snapshot() == weighing.snapshot()
    other = Weighing(("x", "y", "z"), by_labels=True)
    other.restore(weighing.snapshot())
    assert other.weights().tolist() == [1.0, 1.0, 1.0]
