"""What every score must be."""

from dataclasses import is_dataclass, replace
from typing import Final

import numpy as np

from detectors.base import DetectorSpec, Rows
from detectors.checks.world import FEATURES, ROUNDS, World, attacked, lesson, ranking, rows_of, same, trained
from detectors.saving import build, whole
from state.check import must
from state.chunks import Bundle
from state.types import F64

_CLOSE: Final = 1e-9
"""Relative difference that is put down to the order of sums."""


def spec_is_a_value(spec: DetectorSpec) -> None:
    """Configuration and state can be compared."""
    try:
        hash(spec)
    except TypeError as error:
        raise AssertionError(f"not hashable: {error}") from error
    if not is_dataclass(spec):
        raise AssertionError("not a dataclass: its parameters cannot be shown, compared or set by configuration")
    must(replace(spec) == spec, "a copy with the same parameters is not equal to it")
    must(spec.type != "", "`type` must be a word")


def cold(spec: DetectorSpec) -> None:
    """Before the first row there is no opinion, and no crash."""
    detector, rows = spec.build(FEATURES), World().round()
    score = detector.score(rows)
    is_score(score, rows)
    if spec.calibrated and spec.learns:
        must(np.isnan(score).all(), f"expected nan for 'not yet', found {score[~np.isnan(score)][:3]}")
    must(detector.explain(rows).shape == rows.x.shape, "explain before learning has another shape than the rows")
    build(spec, FEATURES, Bundle.open(whole(detector)))


def is_score(score: F64, rows: Rows) -> None:
    """One float64 per row, never infinite."""
    must(isinstance(score, np.ndarray), f"score is a {type(score).__name__}")
    must(score.shape == (len(rows),), f"score has shape {score.shape} for {len(rows)} rows")
    must(score.dtype == np.float64, f"score has dtype {score.dtype}")
    must(not np.isinf(score).any(), "score is infinite")


def pure(spec: DetectorSpec) -> None:
    """Asking twice gives the same, and leaves the state alone."""
    detector, world = trained(spec)
    rows, before = world.round(), whole(detector)
    first = detector.score(rows)
    detector.explain(rows)
    again = detector.score(rows)
    must(same(first, again), "the second score of the same rows differs")
    must(whole(detector) == before, "score or explain changed the snapshot")


def input_untouched(spec: DetectorSpec) -> None:
    """Rows are the host's: they are neither written to nor kept."""
    detector, world = trained(spec)
    rows = world.round()
    copy = rows.x.copy()
    for call in (detector.score, detector.learn, detector.explain):
        call(rows)
        must(same(rows.x, copy), f"{call.__name__} wrote into its rows")
    before, probe = whole(detector), world.round()
    score = detector.score(probe)
    rows.x[:] = -1.0
    must(whole(detector) == before, "the state aliases the rows it learned from")
    must(same(detector.score(probe), score), "the state aliases the rows it learned from")


def odd_input(spec: DetectorSpec) -> None:
    """What arrives in production arrives here."""
    detector, world = trained(spec)
    width = len(FEATURES)
    odd = world.round(8)
    odd.x[:6] = np.array([np.nan, 0.0, 1e18, -1e18, np.inf, -np.inf])[:, None]
    for rows in (rows_of(np.empty((0, width))), rows_of(np.full((5, width), np.nan)), odd, world.round(1)):
        is_score(detector.score(rows), rows)
        must(detector.explain(rows).shape == rows.x.shape, "explain has another shape than the rows")
        detector.learn(rows)
    rows = world.round()
    after = detector.score(rows)
    is_score(after, rows)
    must(np.isnan(after).mean() < 0.5, "a few odd rows silenced the detector")


def explains(spec: DetectorSpec) -> None:
    """What an alert shows can be shown."""
    detector, world = trained(spec)
    rows, truth = attacked(world.round())
    parts = detector.explain(rows)
    must(parts.shape == rows.x.shape, f"explain has shape {parts.shape}, rows have {rows.x.shape}")
    must(parts.dtype == np.float64, f"explain has dtype {parts.dtype}")
    must(np.isfinite(parts).all(), "explain has values that are not finite")
    must((parts >= 0).all(), f"explain has a negative value, {parts.min()}")
    if spec.calibrated:
        must((parts[truth > 0].sum(axis=1) > 0).all(), "a planted anomaly has no reason at all")


def ranks(spec: DetectorSpec) -> None:
    """Loop bots among people are seen."""
    if not spec.calibrated:
        return  # hard rules know only what they are told
    detector, world = trained(spec)
    rows, truth = attacked(world.round())
    auc = ranking(detector.score(rows), truth)
    must(auc > 0.9, f"area under the ROC curve is {auc:.3f} for loop bots among people, expected more than 0.9")


def order(spec: DetectorSpec) -> None:
    """Rows of other subjects are nobody's business."""
    detector, world = trained(spec)
    rows = world.round()
    turned = Rows(
        rows.window, rows.end_us, rows.x[::-1].copy(), rows.subject[::-1].copy(), rows.start_us, rows.stop_us,
        None if rows.slot is None else rows.slot[::-1].copy(),
    )  # fmt: skip
    must(same(detector.score(turned)[::-1].copy(), detector.score(rows)), "a score depends on its row's place")


def one_by_one(spec: DetectorSpec) -> None:
    """A round is a faster spelling of its rows."""
    detector, world = trained(spec)
    rows = world.round(60)
    together = detector.score(rows)
    alone = np.concatenate([detector.score(rows.pick(np.array([i]))) for i in range(len(rows))])
    apart = ~np.isclose(together, alone, rtol=_CLOSE, atol=_CLOSE, equal_nan=True)
    if apart.any():
        i = int(np.argmax(apart))
        raise AssertionError(f"row {i} scores {together[i]} among others and {alone[i]} alone")


def learns(spec: DetectorSpec) -> None:
    """After another world the same rows score differently."""
    if not spec.learns:
        return  # hard rules know what they are told
    detector, world = trained(spec)
    rows = world.round()
    before = detector.score(rows)
    for _ in range(ROUNDS):
        other = world.round()
        other.x[:] = other.x[:, ::-1] * 3
        detector.learn(lesson(spec, other))
    must(not same(detector.score(rows), before), "24 rounds of another world changed no score")


def constant(spec: DetectorSpec) -> None:
    """When all rows are alike none is odder than another."""
    if not spec.calibrated or spec.uses_labels:
        return
    detector = spec.build(FEATURES)
    rows = rows_of(np.tile([20.0, 0.3, 0.2, 1.0, 0.4, 2.0], (400, 1)))
    for _ in range(ROUNDS):
        detector.learn(rows)
    score: F64 = detector.score(rows)
    known = score[~np.isnan(score)]
    if len(known):
        must(float(np.ptp(known)) <= _CLOSE, f"equal rows score between {known.min()} and {known.max()}")
        explained = detector.explain(rows)
        must(bool(np.isfinite(explained).all()), "explanations of equal rows are not finite")
