"""The detector contract as a public kit: what a plug-in's author runs, and what our own detectors pass.

    from detectors.checks import check_detector
    def test_contract() -> None:
        check_detector(MySpec())

No test framework is needed: a check raises AssertionError and says what was seen.  `yield_checks` gives them one by
one.
"""

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from detectors.base import Detector, DetectorSpec, Direction, FeatureInfo, Rows, Scope, SubjectDetector
from detectors.quality import rank_quality
from detectors.saving import build, save, whole
from state.chunks import Bundle, Saved
from state.errors import SnapshotError
from state.types import F64

FEATURES: Final = (
    FeatureInfo("plays", Direction.HIGH, log=True, low=0.0),
    FeatureInfo("skip_share", Direction.LOW, low=0.0, high=1.0),
    FeatureInfo("top_share", Direction.HIGH, low=0.0, high=1.0),
    FeatureInfo("gap_cv", Direction.LOW, low=0.0),
    FeatureInfo("play_time_ratio", Direction.HIGH, low=0.0),
    FeatureInfo("searches", Direction.BOTH, log=True, low=0.0),
)
"""The columns of the kit's rows."""

_SUBJECTS: Final = 400
_ROUNDS: Final = 24


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `run()` raises AssertionError.  name: what must hold, as a sentence."""

    name: str
    run: Callable[[], None]


class World:
    """Seeded rounds of feature rows: subjects with habits, one in sixteen values missing."""

    def __init__(self, seed: int = 7, subjects: int = _SUBJECTS) -> None:
        self._rng = np.random.default_rng(seed)
        self.subjects = subjects
        self._habit = self._rng.normal(size=(subjects, len(FEATURES)))
        self._clock = 0

    def round(self, subjects: int | None = None, missing: float = 1 / 16) -> Rows:
        """The next round: everybody's row, or the first `subjects`'."""
        n = self.subjects if subjects is None else subjects
        z = 0.8 * self._habit[:n] + 0.6 * self._rng.normal(size=(n, len(FEATURES)))
        x = np.stack(
            [
                np.floor(np.exp(2.5 + 0.6 * z[:, 0])),
                1 / (1 + np.exp(-z[:, 1])),
                1 / (1 + np.exp(2 - 0.5 * z[:, 2])),
                np.exp(0.3 * z[:, 3]),
                0.9 / (1 + np.exp(1 - z[:, 4])),
                np.floor(np.exp(1 + 0.5 * z[:, 5])),
            ],
            axis=1,
        )
        x[self._rng.random(x.shape) < missing] = np.nan
        self._clock += 3_600_000_000
        return rows_of(x, self._clock)


def rows_of(x: F64, end_us: int = 0) -> Rows:
    """Rows for subjects 0, 1, ..., in slots 0, 1, ..."""
    n = len(x)
    start, stop = np.full(n, end_us - 3_600_000_000), np.full(n, end_us)
    return Rows("w1h", end_us, x, np.arange(n, dtype=np.uint64), start, stop, np.arange(n, dtype=np.int32))


def attacked(rows: Rows, each: int = 20) -> tuple[Rows, F64]:
    """A copy in which every `each`-th row is a loop bot; and (n,) 1.0 where it is."""
    x = rows.x.copy()
    x[::each] = [900.0, 0.001, 0.98, 0.02, 2.4, 0.0]
    truth = np.zeros(len(x))
    truth[::each] = 1.0
    return rows_of(x, rows.end_us), truth


def yield_checks(spec: DetectorSpec) -> Iterator[Check]:
    """The checks that apply to a specification, by its scope."""
    named: list[tuple[str, Callable[[DetectorSpec], None]]] = [
        ("a specification is frozen, hashable and equal to its copy", _spec_is_a_value),
        ("score, explain and snapshot work before anything was learned, and score says nan", _cold),
        ("scoring and explaining change nothing", _pure),
        ("rows given to a detector stay as they were and are not kept", _input_untouched),
        ("missing, huge and infinite values and empty rounds never crash it", _odd_input),
        ("same rounds, same bytes", _deterministic),
        ("a snapshot gives back the state to the bit, and both go on alike", _round_trip),
        ("damaged and foreign snapshots are refused with SnapshotError", _refuses),
        ("explanations have the shape of the rows, are finite and not negative", _explains),
        ("planted anomalies rank above normal rows", _ranks),
        ("memory and snapshots level off", _levels_off),
    ]
    if spec.scope is Scope.SUBJECT:
        named.append(("subjects do not depend on the order of rows", _order))
        named.append(("forgotten slots are new ones", _forgets))
        named.append(("rows that changed since the last snapshot are in the next one", _saves_changes))
    for name, check in named:
        yield Check(name, partial(check, spec))


def check_detector(spec: DetectorSpec) -> None:
    """Run all checks; the first broken one raises AssertionError that starts with its name."""
    for check in yield_checks(spec):
        try:
            check.run()
        except AssertionError as error:
            raise AssertionError(f"{spec.type}: {check.name}: {error}") from error


def trained(spec: DetectorSpec, rounds: int = _ROUNDS, seed: int = 7) -> tuple[Detector, World]:
    """A detector that has learned some rounds of a world, and the world."""
    detector, world = spec.build(FEATURES), World(seed)
    for _ in range(rounds):
        detector.learn(world.round())
    return detector, world


def same(a: F64, b: F64) -> bool:
    """Equal to the bit; nan equals nan."""
    return a.shape == b.shape and a.dtype == b.dtype and bool(np.array_equal(a, b, equal_nan=True))


def _must(held: bool | np.bool_, otherwise: str) -> None:
    # Not an assert statement: `python -O` must not turn the kit into praise.
    if not held:
        raise AssertionError(otherwise)


def _spec_is_a_value(spec: DetectorSpec) -> None:
    try:
        hash(spec)
    except TypeError as error:
        raise AssertionError(f"not hashable: {error}") from error
    if not is_dataclass(spec):
        raise AssertionError("not a dataclass: its parameters cannot be shown, compared or set by configuration")
    _must(replace(spec) == spec, "a copy with the same parameters is not equal to it")
    _must(spec.type != "", "`type` must be a word")


def _cold(spec: DetectorSpec) -> None:
    detector, rows = spec.build(FEATURES), World().round()
    score = detector.score(rows)
    _is_score(score, rows)
    if spec.calibrated:
        _must(np.isnan(score).all(), f"expected nan for 'not yet', found {score[~np.isnan(score)][:3]}")
    _must(detector.explain(rows).shape == rows.x.shape, "explain before learning has another shape than the rows")
    build(spec, FEATURES, Bundle.open(whole(detector)))


def _is_score(score: F64, rows: Rows) -> None:
    _must(isinstance(score, np.ndarray), f"score is a {type(score).__name__}")
    _must(score.shape == (len(rows),), f"score has shape {score.shape} for {len(rows)} rows")
    _must(score.dtype == np.float64, f"score has dtype {score.dtype}")
    _must(not np.isinf(score).any(), "score is infinite")


def _pure(spec: DetectorSpec) -> None:
    detector, world = trained(spec)
    rows, before = world.round(), whole(detector)
    first = detector.score(rows)
    detector.explain(rows)
    again = detector.score(rows)
    _must(same(first, again), "the second score of the same rows differs")
    _must(whole(detector) == before, "score or explain changed the snapshot")


def _input_untouched(spec: DetectorSpec) -> None:
    detector, world = trained(spec)
    rows = world.round()
    copy = rows.x.copy()
    for call in (detector.score, detector.learn, detector.explain):
        call(rows)
        _must(same(rows.x, copy), f"{call.__name__} wrote into its rows")
    before, probe = whole(detector), world.round()
    score = detector.score(probe)
    rows.x[:] = -1.0
    _must(whole(detector) == before, "the state aliases the rows it learned from")
    _must(same(detector.score(probe), score), "the state aliases the rows it learned from")


def _odd_input(spec: DetectorSpec) -> None:
    detector, world = trained(spec)
    width = len(FEATURES)
    odd = world.round(8)
    odd.x[:6] = np.array([np.nan, 0.0, 1e18, -1e18, np.inf, -np.inf])[:, None]
    for rows in (rows_of(np.empty((0, width))), rows_of(np.full((5, width), np.nan)), odd, world.round(1)):
        _is_score(detector.score(rows), rows)
        _must(detector.explain(rows).shape == rows.x.shape, "explain has another shape than the rows")
        detector.learn(rows)
    rows = world.round()
    after = detector.score(rows)
    _is_score(after, rows)
    _must(np.isnan(after).mean() < 0.5, "a few odd rows silenced the detector")


def _deterministic(spec: DetectorSpec) -> None:
    (a, world), (b, _) = trained(spec), trained(spec)
    rows = world.round()
    _must(same(a.score(rows), b.score(rows)), "two detectors that learned the same rounds score differently")
    _must(whole(a) == whole(b), "two detectors that learned the same rounds have different snapshots")


def _round_trip(spec: DetectorSpec) -> None:
    # Stopping at odd moments: inside a model window, while new rows are waiting, before and after warm-up.
    for rounds in (0, 1, 7, _ROUNDS):
        detector, world = trained(spec, rounds)
        detector.learn(world.round(37))
        _must(isinstance(detector.snapshot(), bytes), f"snapshot is a {type(detector.snapshot())}, expected bytes")
        blob = whole(detector)
        twin = build(spec, FEATURES, Bundle.open(blob))
        _must(whole(twin) == blob, f"{rounds} rounds: the restored state's snapshot differs")
        for size in (None, 5, 120, None):
            rows = world.round(size)
            _must(same(detector.score(rows), twin.score(rows)), f"{rounds} rounds: the restored one scores differently")
            few = rows_of(rows.x[:3])
            _must(
                same(detector.explain(few), twin.explain(few)),
                f"{rounds} rounds: the restored one explains differently",
            )
            detector.learn(rows)
            twin.learn(rows)
        _must(whole(detector) == whole(twin), f"{rounds} rounds: the restored one learns differently")


def _refuses(spec: DetectorSpec) -> None:
    detector, _ = trained(spec, 2)
    blob = detector.snapshot()
    flipped = blob[:-1] + bytes([blob[-1] ^ 1])
    damaged = {"empty": b"", "torn": blob[: len(blob) // 2], "flipped": flipped, "foreign": b"pickle" * 9}
    for name, bad in damaged.items():
        try:
            spec.build(FEATURES, bad)
        except SnapshotError:
            continue
        except Exception as error:
            raise AssertionError(f"{name} bytes raise {type(error).__name__} instead of SnapshotError") from error
        raise AssertionError(f"{name} bytes were taken for a snapshot")


def _explains(spec: DetectorSpec) -> None:
    detector, world = trained(spec)
    rows, truth = attacked(world.round())
    parts = detector.explain(rows)
    _must(parts.shape == rows.x.shape, f"explain has shape {parts.shape}, rows have {rows.x.shape}")
    _must(parts.dtype == np.float64, f"explain has dtype {parts.dtype}")
    _must(np.isfinite(parts).all(), "explain has values that are not finite")
    _must((parts >= 0).all(), f"explain has a negative value, {parts.min()}")
    if spec.calibrated:
        _must((parts[truth > 0].sum(axis=1) > 0).all(), "a planted anomaly has no reason at all")


def _ranks(spec: DetectorSpec) -> None:
    if not spec.calibrated:
        return  # hard rules know only what they are told
    detector, world = trained(spec)
    rows, truth = attacked(world.round())
    auc = ranking(detector.score(rows), truth)
    _must(auc > 0.9, f"area under the ROC curve is {auc:.3f} for loop bots among people, expected more than 0.9")


def ranking(score: F64, truth: F64) -> float:
    """Area under the ROC curve; nan scores count as the lowest."""
    area = rank_quality(np.nan_to_num(score, nan=-1e300), truth).roc_auc
    assert area is not None, "a truth of one kind"
    return area


def _levels_off(spec: DetectorSpec) -> None:
    detector, world = trained(spec)
    tracemalloc.start()
    try:
        sizes, snapshots = [], []
        for _ in range(3):
            for _ in range(30):
                rows = world.round(100)
                detector.score(rows)
                detector.learn(rows)
            sizes.append(tracemalloc.get_traced_memory()[0])
            snapshots.append(len(whole(detector)))
    finally:
        tracemalloc.stop()
    grown = sizes[2] - sizes[1]
    _must(grown < 50_000, f"30 more rounds of the same 100 subjects kept {grown} bytes")
    _must(snapshots[2] <= 1.05 * snapshots[1] + 1000, f"snapshots grow without end: {snapshots} bytes")


def _order(spec: DetectorSpec) -> None:
    detector, world = trained(spec)
    rows = world.round()
    turned = Rows(
        rows.window, rows.end_us, rows.x[::-1].copy(), rows.subject[::-1].copy(), rows.start_us, rows.stop_us,
        None if rows.slot is None else rows.slot[::-1].copy(),
    )  # fmt: skip
    _must(same(detector.score(turned)[::-1].copy(), detector.score(rows)), "a score depends on its row's place")


def _saves_changes(spec: DetectorSpec) -> None:
    detector, world = trained(spec)
    chunks = Bundle()
    save(detector, chunks)
    detector.learn(world.round(20))
    if isinstance(detector, SubjectDetector):
        detector.forget(np.array([3]))
    twin, rows = build(spec, FEATURES, Saved(save(detector, chunks), chunks)), world.round()
    _must(same(detector.score(rows), twin.score(rows)), "rows were written to without `columns.touch(slots)`")


def _forgets(spec: DetectorSpec) -> None:
    detector, world = trained(spec)
    if not isinstance(detector, SubjectDetector):
        raise AssertionError("a detector of scope SUBJECT extends SubjectDetector: slots are used again for others")
    detector.forget(np.array([0, 3]))
    score = detector.score(world.round(missing=0.0))
    _must(np.isnan(score[[0, 3]]).all(), "a forgotten slot still has a history")
    _must(not np.isnan(score[[1, 2]]).any(), "forgetting some slots touched others")
