"""What every state must be: repeatable, bounded, saved whole."""

import tracemalloc
from dataclasses import replace

import numpy as np

from detectors.base import DetectorSpec, SubjectDetector
from detectors.checks.world import FEATURES, ROUNDS, lesson, rows_of, same, trained
from detectors.features.hashing import mix
from detectors.saving import build, save, whole
from state.check import must
from state.chunks import Bundle, Saved
from state.errors import SnapshotError


def deterministic(spec: DetectorSpec) -> None:
    """The same rounds give the same scores and the same bytes."""
    (a, world), (b, _) = trained(spec), trained(spec)
    rows = world.round()
    must(same(a.score(rows), b.score(rows)), "two detectors that learned the same rounds score differently")
    must(whole(a) == whole(b), "two detectors that learned the same rounds have different snapshots")


def round_trip(spec: DetectorSpec) -> None:
    """Stopping at any moment changes nothing."""
    # Stopping at odd moments: inside a model window, while new rows are waiting, before and after warm-up.
    for rounds in (0, 1, 7, ROUNDS):
        detector, world = trained(spec, rounds)
        detector.learn(lesson(spec, world.round(37)))
        must(isinstance(detector.snapshot(), bytes), f"snapshot is a {type(detector.snapshot())}, expected bytes")
        blob = whole(detector)
        twin = build(spec, FEATURES, Bundle.open(blob))
        must(whole(twin) == blob, f"{rounds} rounds: the restored state's snapshot differs")
        for size in (None, 5, 120, None):
            rows = world.round(size)
            must(same(detector.score(rows), twin.score(rows)), f"{rounds} rounds: the restored one scores differently")
            few = rows_of(rows.x[:3])
            must(
                same(detector.explain(few), twin.explain(few)),
                f"{rounds} rounds: the restored one explains differently",
            )
            told = lesson(spec, rows)
            detector.learn(told)
            twin.learn(told)
        must(whole(detector) == whole(twin), f"{rounds} rounds: the restored one learns differently")


def refuses(spec: DetectorSpec) -> None:
    """Bytes that are no snapshot are told from one."""
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


def levels_off(spec: DetectorSpec) -> None:
    """Ten times as many rounds of the same subjects take no more memory, and no more bytes."""
    detector, world = trained(spec)
    tracemalloc.start()
    try:
        sizes, snapshots = [], []
        for rounds in (9, 81):
            for _ in range(rounds):
                rows = world.round(100)
                detector.score(rows)
                detector.learn(lesson(spec, rows))
            snapshots.append(len(whole(detector)))
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    grown = sizes[1] - sizes[0]
    must(grown < 100_000, f"81 more rounds of the same 100 subjects kept {grown} bytes")
    must(snapshots[1] <= 1.2 * snapshots[0] + 1000, f"snapshots grow without end: {snapshots} bytes")


def saves_changes(spec: DetectorSpec) -> None:
    """Every write to a row is announced."""
    detector, world = trained(spec)
    chunks = Bundle()
    save(detector, chunks)
    detector.learn(lesson(spec, world.round(20)))
    if isinstance(detector, SubjectDetector):
        detector.forget(np.array([3]))
    twin, rows = build(spec, FEATURES, Saved(save(detector, chunks), chunks)), world.round()
    must(same(detector.score(rows), twin.score(rows)), "rows were written to without `columns.touch(slots)`")


def forgets(spec: DetectorSpec) -> None:
    """A slot that is given to another subject has no past."""
    detector, world = trained(spec)
    if not isinstance(detector, SubjectDetector):
        raise AssertionError("a detector of scope SUBJECT extends SubjectDetector: slots are used again for others")
    detector.forget(np.array([0, 3]))
    score = detector.score(world.round(missing=0.0))
    must(np.isnan(score[[0, 3]]).all(), "a forgotten slot still has a history")
    must(not np.isnan(score[[1, 2]]).any(), "forgetting some slots touched others")


def forgets_subject(spec: DetectorSpec) -> None:
    """What was learned may stay, as long as nobody can tell whose it was."""
    detector, world = trained(spec, 0)
    base = 0x9D5A_37C1_48E2_6B0F
    for _ in range(ROUNDS):
        rows = lesson(spec, world.round())
        detector.learn(replace(rows, subject=rows.subject + np.uint64(base)))
    gone = np.array([base], np.uint64)
    detector.forget_subject(base)
    blob = whole(detector)
    for found in (gone.tobytes(), mix(gone).tobytes(), str(base).encode()):
        must(found not in blob, "the hash of a subject's id is in the snapshot after `forget_subject(hash)`")
    twin = build(spec, FEATURES, Bundle.open(blob))
    for each in (detector, twin):
        each.learn(lesson(spec, world.round()))
        each.score(world.round())
