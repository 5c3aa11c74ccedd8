"""Binned logistic regression: the fit, what few labels may say, and what is remembered of many."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from detectors.base import FeatureInfo, Rows
from detectors.binned_logistic import BinnedLogistic, BinnedLogisticSpec
from detectors.checks import ranking, rows_of
from detectors.label_memory import LabelMemory
from detectors.step_curves import CUTS_MAX, bins, cut, fit, probability
from state.errors import ConfigError, SnapshotError
from state.types import F32, F64

FEATURES = tuple(FeatureInfo(name) for name in ("a", "b", "c"))


def labelled(x: F64, y: F64) -> Rows:
    """Rows of as many subjects, with labels."""
    return replace(rows_of(x), label=y)


def taught(x: F64, y: F64, **params: float) -> BinnedLogistic:
    """A detector that was told these labels at once."""
    detector = BinnedLogisticSpec(**params).build(tuple(FeatureInfo(f"f{i}") for i in range(x.shape[1])))  # type: ignore[arg-type]
    detector.learn(labelled(x, y))
    return detector


def sample(n: int, chance: Callable[[F64], F64], seed: int = 1) -> tuple[F64, F64]:
    """So many rows of three normal features, and labels with that chance of 1."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    return x, (rng.random(n) < chance(x)).astype(np.float64)


def loss(theta: F64, where: F64, cuts: F32, y: F64, weight: F64, ridge: float, smooth: float) -> float:
    """Minus the log posterior, as the module's head states it, feature by feature and step by step."""
    curve = theta[1:].reshape(len(cuts), CUTS_MAX + 2)
    log_odds = theta[0] + sum(curve[j][where[j]] for j in range(len(cuts)))
    total = float((weight * (np.logaddexp(0, log_odds) - y * log_odds)).sum()) + ridge / 2 * float((curve**2).sum())
    for line, own in zip(curve, cuts, strict=True):
        for i in range(int(np.isfinite(own).sum())):
            total += smooth / 2 * (line[i + 1] - line[i]) ** 2
    return total


@pytest.mark.parametrize(("ridge", "smooth"), [(0.5, 2.0), (2.0, 0.0)])
def test_it_is_the_posterior_mode(ridge: float, smooth: float) -> None:
    """An optimiser that knows nothing of bounds and backfitting finds the same curves."""
    x, y = sample(150, lambda x: probability(2 * x[:, 0] - 1))
    x[::7, 1] = np.nan
    x[:, 2] = np.floor(2 * x[:, 2])  # few different values: fewer bins
    values, weight = x.astype(np.float32), np.where(np.arange(150) % 3, 1.0, 0.25)
    cuts = cut(values, y)
    args = (bins(cuts, values), cuts, y, weight, ridge, smooth)
    best = minimize(loss, np.zeros(1 + 3 * (CUTS_MAX + 2)), args, method="L-BFGS-B", options={"maxiter": 2000})
    found = fit(values, y, weight, ridge, smooth)
    reached = loss(np.append(found.intercept, found.curve.ravel()), *args)
    assert reached == pytest.approx(best.fun, abs=1e-3)
    assert probability(found.log_odds(x)) == pytest.approx(
        probability(best.x[0] + sum(best.x[1:].reshape(3, -1)[j][args[0][j]] for j in range(3))), abs=0.01
    )


def test_each_value_has_its_bin() -> None:
    """Missing and infinite values have one of their own; far values are in the last one; ties are never cut apart."""
    x = np.repeat([[0.0], [1.0], [5.0]], 40, axis=0).astype(np.float32)
    cuts = cut(x, np.arange(120) % 2.0)
    assert cuts[0][np.isfinite(cuts[0])].tolist() == [1.0, 5.0]
    probe = np.array([[-9], [0.5], [1], [4.9], [5], [1e30], [np.nan], [np.inf], [-np.inf]], np.float32)
    missing = CUTS_MAX + 1
    assert bins(cuts, probe)[0].tolist() == [0, 0, 1, 1, 2, 2, missing, missing, missing]


def test_many_rows_of_a_label_are_cut_in_their_own_tails() -> None:
    """Where one in a thousand genuine rows begins, and where the frauds are; few rows of a label say no such thing."""
    x = np.concatenate([np.arange(4000.0), 10_000 + np.arange(1100.0)]).astype(np.float32)[:, None]
    y = np.repeat([0.0, 1.0], [4000, 1100])
    cuts = cut(x, y)[0]
    assert {3996.0, 4.0} <= set(cuts.tolist())  # 0.999 and 0.001 of the genuine; beyond 0.9995 there are but two
    assert 3998.0 not in cuts
    assert {10_550.0, 10_990.0} <= set(cuts.tolist())
    few = cut(x[:4500], y[:4500])[0]
    assert 10_250.0 not in few
    assert 3996.0 in few
    assert 3996.0 not in cut(x[3000:], y[3000:])[0]


def test_a_fit_that_goes_on_comes_to_the_same() -> None:
    """From curves of other rows, on other cuts, a few times a few sweeps lead to what all sweeps from nothing do."""
    x, y = sample(3000, lambda x: probability(2 * x[:, 0] - np.abs(x[:, 1])))
    values, weight = x.astype(np.float32), np.ones(3000)
    whole = fit(values, y, weight, 0.1, 3.0)
    found = fit(values[:2000], y[:2000], weight[:2000], 0.1, 3.0)
    for _ in range(3):
        found = fit(values, y, weight, 0.1, 3.0, found)
    assert found.cuts.tolist() == whole.cuts.tolist()
    assert np.abs(found.log_odds(x) - whole.log_odds(x)).max() < 0.02
    moved = fit(values, y, weight, 0.1, 3.0, replace(whole, curve=whole.curve * 0, intercept=-9.0))
    assert np.abs(moved.log_odds(x) - whole.log_odds(x)).max() > 0.02  # eight sweeps are not all


def test_one_in_so_many_genuine_subjects_is_remembered() -> None:
    """All frauds are; probabilities are those of everybody, and a memory that was thinned otherwise is not taken."""
    x, y = sample(20_000, lambda x: probability(2 * x[:, 0] - 4))
    thinned, whole = taught(x, y, remember=40_000, one_in=4), taught(x, y, remember=40_000)
    assert thinned.memory.kept == (int((y[::4] == 0).sum()), int(y.sum()))
    probe = rows_of(x[:500])
    assert np.abs(thinned.score(probe) - whole.score(probe)).max() < 0.2
    assert np.abs(thinned.score(probe).mean() - whole.score(probe).mean()) < 0.01
    with pytest.raises(SnapshotError):
        BinnedLogisticSpec(remember=40_000).build(thinned.features, thinned.snapshot())


def test_without_overlap() -> None:
    """Labels that can be told apart without error give large weights, and no infinite ones."""
    x = np.linspace(-1, 1, 400)[:, None]
    detector = taught(x, (x[:, 0] > 0).astype(np.float64))
    score = detector.score(rows_of(x))
    assert (score[x[:, 0] < -0.2] < 0.1).all()
    assert (score[x[:, 0] > 0.2] > 0.9).all()
    assert detector.curves is not None
    assert np.abs(detector.curves.curve).max() < 20


def test_both_sides_can_be_odd() -> None:
    """Bots that write very short or very long: no straight line tells them, bins do."""
    x, y = sample(2000, lambda x: (np.abs(x[:, 1]) > 1.3).astype(np.float64))
    detector = taught(x[:1000], y[:1000])
    assert ranking(detector.score(rows_of(x[1000:])), y[1000:]) > 0.97


def test_a_missing_value_says_something() -> None:
    """Where no value is itself the sign."""
    x, y = sample(600, lambda x: np.full(len(x), 0.5))
    x[y > 0, 2] = np.nan
    score = taught(x, y).score(rows_of(np.array([[0.0, 0.0, np.nan], [0.0, 0.0, 0.0]])))
    assert score[0] > 0.9 > 0.1 > score[1]


def test_not_yet() -> None:
    """Nothing is said before three subjects of each label are known, however many windows they have."""
    detector = BinnedLogisticSpec(ready=3).build(FEATURES)
    x = np.random.default_rng(2).normal(size=(200, 3))
    detector.learn(labelled(x, np.zeros(200)))
    fraud = replace(labelled(x + 3, np.ones(200)), subject=np.arange(200, dtype=np.uint64) % 2 + 500)
    detector.learn(fraud)
    assert np.isnan(detector.score(rows_of(x))).all()
    assert not detector.explain(rows_of(x)).any()
    detector.learn(replace(fraud, subject=np.full(200, 900, np.uint64)))
    assert not np.isnan(detector.score(rows_of(x))).any()


def test_few_labels_say_little() -> None:
    """With three subjects of each label nobody is all but certain; the more there are, the bolder it gets."""
    chance = lambda x: probability(6 * x[:, 0])  # noqa: E731
    x, y = sample(2000, chance)
    few = np.concatenate([np.flatnonzero(y == label)[:3] for label in (0, 1)])
    probe = rows_of(sample(500, chance, seed=5)[0])
    cautious, bold = taught(x[few], y[few]).score(probe), taught(x, y).score(probe)
    assert 0.05 < cautious.min() < cautious.max() < 0.95
    assert bold.min() < 0.01
    assert bold.max() > 0.99


def test_labels_that_mean_nothing() -> None:
    """Where features tell nothing, everybody's probability is near the share of fraud among the labelled."""
    x, y = sample(1500, lambda x: np.full(len(x), 0.2))
    score = taught(x, y).score(rows_of(sample(500, lambda x: x[:, 0], seed=6)[0]))
    assert score.mean() == pytest.approx(0.2, abs=0.03)
    assert np.quantile(score, 0.95) < 0.4


def test_rare_fraud_keeps_its_probability() -> None:
    """The few frauds stay in memory while the many genuine ones pass through, and probabilities are still true."""
    x, y = sample(30_000, lambda x: probability(1.5 * x[:, 0] - 5.5))
    detector = BinnedLogisticSpec(remember=512).build(FEATURES)
    for begin in range(0, len(x), 1000):
        part = labelled(x[begin : begin + 1000], y[begin : begin + 1000])
        detector.learn(replace(part, subject=part.subject + np.uint64(begin)))
    assert detector.memory.kept == (512, min(int(y.sum()), 512))
    score = detector.score(rows_of(x))
    assert score.mean() == pytest.approx(y.mean(), rel=0.3)
    assert ranking(score, y) > 0.8


def test_a_busy_subject_counts_once() -> None:
    """One genuine account with a thousand odd windows does not clear forty frauds that look like it."""
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(size=(80, 3)), rng.normal(size=(40, 3)) + 3, rng.normal(size=(1000, 3)) + 3])
    y = np.repeat([0.0, 1.0, 0.0], [80, 40, 1000])
    busy = replace(labelled(x, y), subject=np.minimum(np.arange(len(x)), 120).astype(np.uint64))
    probe = rows_of(np.full((1, 3), 3.0))
    once, each = BinnedLogisticSpec().build(FEATURES), BinnedLogisticSpec(rows_each=0).build(FEATURES)
    once.learn(busy)
    each.learn(busy)
    assert once.score(probe)[0] > 0.8
    assert each.score(probe)[0] < 0.2


def test_reasons() -> None:
    """The feature that raises the probability is the one that is named; features that lower it are not."""
    x, y = sample(1000, lambda x: probability(3 * x[:, 1] - 1))
    part = taught(x, y).explain(rows_of(np.array([[0.0, 2.5, 0.0], [0.0, -2.5, 0.0]])))
    assert part[0].argmax() == 1
    assert part[0, 1] > 5 * part[0, [0, 2]].max()
    assert part[1, 1] == 0


def test_unlabelled_rows_teach_nothing() -> None:
    """Rows without a label, among others or alone, leave no trace."""
    x, y = sample(200, lambda x: probability(3 * x[:, 0]))
    detector, before = taught(x, y), taught(x, y).snapshot()
    detector.learn(rows_of(x))
    detector.learn(labelled(x, np.full(200, np.nan)))
    assert detector.snapshot() == before


def test_other_settings_are_refused() -> None:
    """What is remembered hangs on two parameters and the features; the others may change."""
    x, y = sample(100, lambda x: probability(3 * x[:, 0]))
    detector = BinnedLogisticSpec().build(FEATURES)
    detector.learn(labelled(x, y))
    blob = detector.snapshot()
    with pytest.raises(SnapshotError, match="rows_each"):
        BinnedLogisticSpec(rows_each=1).build(FEATURES, blob)
    with pytest.raises(SnapshotError, match="binned_logistic"):
        BinnedLogisticSpec().build(FEATURES[::-1], blob)
    assert BinnedLogisticSpec(ridge=5.0).build(FEATURES, blob).snapshot() == blob


@pytest.mark.parametrize("params", [{"ready": 0}, {"remember": 2}, {"rows_each": -1}, {"ridge": 0.0}, {"smooth": -1.0}])
def test_parameters(params: dict[str, float]) -> None:
    """What makes no sense is refused, by name."""
    with pytest.raises(ConfigError, match=f"binned_logistic.{next(iter(params))}"):
        BinnedLogisticSpec(**params)  # type: ignore[arg-type]


step = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 1.0, np.nan])), max_size=8)


@given(st.lists(step, max_size=8), st.integers(1, 12), st.integers(0, 3))
def test_memory_like_the_slow_one(steps: list[list[tuple[int, float]]], remember: int, rows_each: int) -> None:
    """Row by row in a list: the same rows stay, in the same order, with the same weights."""
    memory, number = LabelMemory(1, remember, rows_each), 0
    slow: dict[float, list[tuple[int, int]]] = {0.0: [], 1.0: []}
    for rows in steps:
        numbers = np.arange(number, number + len(rows), dtype=np.float64)
        number += len(rows)
        memory.add(numbers[:, None], np.array([s for s, _ in rows], np.uint64), np.array([y for _, y in rows]))
        for label, kept in slow.items():
            kept += [(s, int(n)) for (s, y), n in zip(rows, numbers, strict=True) if y == label]
            if rows_each:
                kept[:] = [row for i, row in enumerate(kept) if sum(s == row[0] for s, _ in kept[i:]) <= rows_each]
            del kept[:-remember]
        meta, arrays = memory.state()
        memory = LabelMemory.resume(meta, arrays, remember, rows_each)
    known, every = memory.rows(), [*slow[0.0], *slow[1.0]]
    assert known.x[:, 0].tolist() == [n for _, n in every]
    assert known.fraud.tolist() == [label for label in (0.0, 1.0) for _ in slow[label]]
    alike = [sum(s == row[0] for s, _ in slow[label]) if rows_each else 1 for label in slow for row in slow[label]]
    assert known.weight.tolist() == [1 / n for n in alike]
