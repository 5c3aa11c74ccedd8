"""The Half-Space Trees twin is River's model, to the bit."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from river.anomaly import HalfSpaceTrees

from detectors.half_space.twin import Forest, HalfSpaceTreesTwin, walk
from state.types import F64

NAMES = ("plays", "age", "Zeta", "gap_cv")


def data(seed: int, rows: int, width: int) -> F64:
    """Uniform values, a tenth of them on a coarse grid, some outside [0, 1], some nan (which River sends right)."""
    rng = np.random.default_rng(seed)
    x = rng.random((rows, width))
    coarse = rng.random(x.shape) < 0.1
    x[coarse] = np.round(x[coarse], 1)
    x[rng.random(x.shape) < 0.02] = rng.choice([-0.5, 1.5, np.nan])
    return x


def river_scores(model: HalfSpaceTrees, names: tuple[str, ...], x: F64) -> F64:
    """Score, then learn, row by row; River's 0 of the first window as nan."""
    scores = []
    for row in x.tolist():
        features = dict(zip(names, row, strict=True))
        answer = model.score_one(features)
        scores.append(np.nan if model._first_window else answer)
        model.learn_one(features)
    return np.array(scores, dtype=np.float64)


def twin_scores(twin: HalfSpaceTreesTwin, x: F64, cuts: list[int]) -> F64:
    """Batches of the given sizes, in turn; each is cut at pivots, where scores change."""
    scores, at, turn = [], 0, 0
    while at < len(x):
        end = min(len(x), at + cuts[turn % len(cuts)])
        turn += 1
        while at < end:
            stop = min(end, at + twin.window_size - twin.counter)
            scores.append(twin.score(x[at:stop]))
            twin.learn(x[at:stop])
            at = stop
    return np.concatenate(scores)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    trees=st.integers(1, 6),
    height=st.integers(1, 6),
    window=st.integers(1, 60),
    width=st.integers(1, 4),
    rows=st.integers(1, 200),
    cuts=st.lists(st.integers(1, 90), min_size=1, max_size=4),
    limited=st.booleans(),
)
def test_scores_are_rivers_at_any_batch_size(
    seed: int, trees: int, height: int, window: int, width: int, rows: int, cuts: list[int], limited: bool
) -> None:
    """Same seed, same rows: equal scores and equal masses, however the rows are cut into batches."""
    names, x = NAMES[:width], data(seed, rows, width)
    limits = {NAMES[0]: (-0.25, 2.0)} if limited else None
    river = HalfSpaceTrees(trees, height, window, limits, seed)
    twin = HalfSpaceTreesTwin(names, trees, height, window, limits, seed)
    expected = river_scores(river, names, x)
    assert np.array_equal(twin_scores(twin, x, cuts), expected, equal_nan=True)
    taken_over = HalfSpaceTreesTwin.from_river(river, names)
    assert np.array_equal(twin.latest, taken_over.latest)
    assert np.array_equal(twin.reference, taken_over.reference)
    assert twin.counter == taken_over.counter


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    window=st.integers(1, 50),
    sizes=st.lists(st.integers(0, 300), min_size=1, max_size=5),
)
def test_learning_a_large_batch_skips_rows_that_no_longer_count(seed: int, window: int, sizes: list[int]) -> None:
    """Many windows at once leave the same counts as the same rows one by one."""
    whole = HalfSpaceTreesTwin(NAMES, 3, 4, window, seed=1)
    single = HalfSpaceTreesTwin(NAMES, 3, 4, window, seed=1)
    for turn, size in enumerate(sizes):
        x = data(seed + turn, size, len(NAMES))
        whole.learn(x)
        for i in range(size):
            single.learn(x[i : i + 1])
        assert whole.counter == single.counter
        assert np.array_equal(whole.latest, single.latest)
        assert np.array_equal(whole.reference, single.reference)
        assert np.array_equal(whole.score(x), single.score(x), equal_nan=True)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 120))
def test_to_river_and_back_goes_on_alike(seed: int, rows: int) -> None:
    """A River model made from the twin, and a twin made from that model, give the twin's scores ever after."""
    x = data(seed, rows + 80, len(NAMES))
    twin = HalfSpaceTreesTwin(NAMES, 4, 5, 30, {"age": (0.0, 3.0)}, seed=seed)
    twin.learn(x[:rows])
    river = twin.to_river()
    back = HalfSpaceTreesTwin.from_river(river, NAMES)
    scores = twin_scores(twin, x[rows:], [17])
    assert np.array_equal(river_scores(river, NAMES, x[rows:]), scores, equal_nan=True)
    assert np.array_equal(twin_scores(back, x[rows:], [5]), scores, equal_nan=True)


def test_an_untrained_river_model_is_taken_over_with_its_generator() -> None:
    """Also without a seed: the twin draws the trees that the model would have drawn."""
    river = HalfSpaceTrees(3, 4, 20)
    twin = HalfSpaceTreesTwin.from_river(river, NAMES)
    x = data(5, 100, len(NAMES))
    assert np.array_equal(twin_scores(twin, x, [33]), river_scores(river, NAMES, x), equal_nan=True)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 300))
def test_float32_rows_fall_into_the_leaves_of_their_exact_values(seed: int, rows: int) -> None:
    """Cuts rounded up to float32 separate float32 values exactly as the float64 cuts do."""
    twin = HalfSpaceTreesTwin(NAMES, 7, 6, 50, seed=seed)
    x = data(seed, rows, len(NAMES)).astype(np.float32)
    cuts = np.concatenate(twin.forest.threshold)
    x.ravel()[: len(cuts)] = cuts[: x.size].astype(np.float32)
    assert np.array_equal(leaves(twin.forest, x), leaves(twin.forest, x.astype(np.float64)))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 2500))
def test_the_walk_in_chunks_is_the_walk_row_by_row(seed: int, rows: int) -> None:
    """Against the obvious walk: from the root, left if the value is below the cut."""
    twin = HalfSpaceTreesTwin(NAMES, 30, 4, 50, seed=seed)
    x = data(seed, rows, len(NAMES))
    found = leaves(twin.forest, x)
    rng = random.Random(seed)
    for _ in range(50):
        tree, row, place = rng.randrange(30), rng.randrange(rows), 0
        for depth in range(4):
            node = tree * 2**depth + place
            below = x[row, twin.forest.feature[depth][node]] < twin.forest.threshold[depth][node]
            place = 2 * place + (0 if below else 1)
        assert found[tree, row] == tree * 16 + place


def leaves(forest: Forest, x: F64) -> F64:
    chunks = [leaf.copy() for _, leaf in walk(forest, x)]
    return np.concatenate(chunks, axis=1) if chunks else np.empty((forest.trees, 0))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    trees=st.integers(1, 6),
    height=st.integers(1, 7),
    window=st.integers(1, 300),
    spread=st.floats(0.01, 1.0),
)
def test_pruned_trees_give_the_same_masses(seed: int, trees: int, height: int, window: int, spread: float) -> None:
    """Asking all rows the few cuts that matter finds what walking down with each row finds."""
    x = (0.5 + (data(seed, window + 200, 4) - 0.5) * spread).astype(np.float32)
    twin = HalfSpaceTreesTwin(NAMES, trees, height, window, seed=seed)
    twin.learn(x[:window])
    assert twin.regions.mass(x).tolist() == twin.mass(x[:200]).tolist() + twin.mass(x[200:]).tolist()
