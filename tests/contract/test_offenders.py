"""Each check of the kit catches the offence that it is there for."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from detectors.base import Detector, DetectorSpec, Direction, FeatureInfo, Rows, Scope, SubjectDetector
from detectors.checks import check_detector, yield_checks
from state.slot_columns import SlotColumns
from state.snapshot import pack, unpack
from state.types import F64, I64, U64

_NOISE = np.random.default_rng(1)


class Good(Detector):
    """Sum of clipped deviations from running means on the suspicious side; `flaw` plants one offence."""

    def __init__(self, features: tuple[FeatureInfo, ...], flaw: str, resume: bytes | None) -> None:
        self.flaw = flaw
        self.sign = np.array([{Direction.HIGH: 1.0, Direction.LOW: -1.0}.get(f.direction, 0.0) for f in features])
        self.seen, self.calls = 0, 0
        self.mean, self.square = np.zeros(len(features)), np.ones(len(features))
        self.kept: list[F64] = []
        self.subjects: U64 = np.empty(0, np.uint64)
        if resume is not None and flaw != "resumes anything":
            _, meta, arrays = unpack(resume, "good", (1,))
            self.seen, self.calls = meta["seen"], meta["calls"]
            self.mean, self.square = arrays["mean"], arrays["square"]
            if flaw == "forgets a part":
                self.square = np.ones(len(features))

    def parts(self, rows: Rows) -> F64:
        z = (
            (np.nan_to_num(rows.x, posinf=1e6, neginf=-1e6) - self.mean)
            * self.sign
            / np.sqrt(np.maximum(self.square, 1e-6))
        )
        return np.clip(z, 0.0, 10.0)

    def score(self, rows: Rows) -> F64:
        if self.flaw == "crashes on nothing":
            rows.x.max()
        if self.flaw == "counts its calls":
            self.calls += 1
        if self.flaw == "zero for not yet" and not self.seen:
            return np.zeros(len(rows))
        if not self.seen:
            return np.full(len(rows), np.nan)
        if self.flaw == "silent":
            return np.full(len(rows), np.nan)
        out: F64 = self.parts(rows).sum(axis=1)
        if self.flaw == "writes into its input":
            np.nan_to_num(rows.x, copy=False)
        if self.flaw == "remembers the last score":
            out += self.calls
            self.calls += 1
        match self.flaw:
            case "infinite":
                out[:] = np.inf
            case "upside down":
                out = -out
            case "column":
                out = out[:, None]
            case "unseeded":
                out += _NOISE.random()
            case "looks at its neighbours":
                out -= out.max(initial=0.0)
            case "counts rows":
                out += np.arange(len(out)) * 1e-6
            case "slow":
                for _ in range(len(out)):
                    sum(range(20_000))
        return out

    def learn(self, rows: Rows) -> None:
        if self.flaw == "keeps its rows":
            self.kept = [rows.x]
        if self.flaw == "knows who it was":
            self.subjects = rows.subject.copy()
        if self.flaw == "never forgets":
            self.kept.append(np.repeat(rows.x, 3, axis=0))
        x = rows.x[np.isfinite(rows.x).all(axis=1) & (np.abs(rows.x) < 1e6).all(axis=1)]
        if len(x) and not (self.flaw == "never learns" and self.seen):
            self.seen = min(self.seen + 1, 20)
            self.mean += (x.mean(axis=0) - self.mean) / self.seen
            self.square += (((x - self.mean) ** 2).mean(axis=0) - self.square) / self.seen

    def explain(self, rows: Rows) -> F64:
        match self.flaw:
            case "explains below zero":
                return self.parts(rows) - 1.0
            case "explains the first feature only":
                return self.parts(rows)[:, :1]
            case "has no reasons":
                return np.zeros(rows.x.shape)
        return self.parts(rows)

    def snapshot(self) -> bytes:
        mean = self.kept[0].mean(axis=0) if self.flaw == "keeps its rows" and self.kept else self.mean
        arrays = {"mean": np.nan_to_num(mean), "square": self.square, "subjects": self.subjects}
        return pack("good", 1, {"seen": self.seen, "calls": self.calls}, arrays)


@dataclass(frozen=True, slots=True)
class GoodSpec(DetectorSpec):
    type: ClassVar[str] = "good"
    flaw: str = ""

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> Detector:
        return Good(features, self.flaw, resume)


@dataclass(frozen=True, slots=True)
class Unhashable(GoodSpec):
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Budgeted(GoodSpec):
    budget_us: ClassVar[float] = 50.0


def broken(spec: DetectorSpec) -> set[str]:
    """Names of the checks that a specification does not pass."""
    found = set()
    for check in yield_checks(spec):
        try:
            check.run()
        except Exception:
            found.add(check.name)
    return found


def test_a_good_detector_passes() -> None:
    """The kit does not cry wolf."""
    check_detector(GoodSpec())


@pytest.mark.parametrize(
    ("flaw", "caught_by"),
    [
        ("zero for not yet", "score, explain and snapshot work before anything was learned, and score says nan"),
        ("column", "missing, huge and infinite values and empty rounds never crash it"),
        ("counts its calls", "scoring and explaining change nothing"),
        ("remembers the last score", "scoring and explaining change nothing"),
        ("writes into its input", "rows given to a detector stay as they were and are not kept"),
        ("keeps its rows", "rows given to a detector stay as they were and are not kept"),
        ("crashes on nothing", "missing, huge and infinite values and empty rounds never crash it"),
        ("infinite", "missing, huge and infinite values and empty rounds never crash it"),
        ("silent", "missing, huge and infinite values and empty rounds never crash it"),
        ("unseeded", "same rounds, same bytes"),
        ("forgets a part", "a snapshot gives back the state to the bit, and both go on alike"),
        ("resumes anything", "damaged and foreign snapshots are refused with SnapshotError"),
        ("explains below zero", "explanations have the shape of the rows, are finite and not negative"),
        ("explains the first feature only", "explanations have the shape of the rows, are finite and not negative"),
        ("has no reasons", "explanations have the shape of the rows, are finite and not negative"),
        ("upside down", "planted anomalies rank above normal rows"),
        ("looks at its neighbours", "a row's score does not depend on the rows beside it"),
        ("never learns", "what was learned makes a difference"),
        ("counts rows", "a world without differences raises nothing"),
        ("knows who it was", "a subject that is forgotten leaves no hash of its id"),
        ("never forgets", "memory and snapshots level off on a ten-fold stream"),
    ],
)
def test_each_check_catches_its_offender(flaw: str, caught_by: str) -> None:
    """A detector with one planted flaw fails the check that names it."""
    assert caught_by in broken(GoodSpec(flaw))
    with pytest.raises(AssertionError if flaw != "crashes on nothing" else Exception, match=r"\w"):
        check_detector(GoodSpec(flaw))


def test_a_specification_must_be_hashable() -> None:
    """A list among the parameters is caught."""
    assert "a specification is frozen, hashable and equal to its copy" in broken(Unhashable())


class Own(SubjectDetector):
    """Deviation from the subject's last row; `flaw` plants one offence."""

    def __init__(self, features: tuple[FeatureInfo, ...], flaw: str, resume: bytes | None) -> None:
        self.flaw = flaw
        self.sign = np.array([{Direction.LOW: -1.0}.get(f.direction, 1.0) for f in features])
        self.columns = SlotColumns({"last": (np.float64, (len(features),), np.nan)})
        self.columns.grow(2000)
        if resume is not None:
            unpack(resume, "own", (1,))

    def parts(self, rows: Rows) -> F64:
        assert rows.slot is not None
        last = self.columns["last"][np.arange(len(rows)) if self.flaw == "takes rows for slots" else rows.slot]
        x = np.nan_to_num(rows.x, posinf=1e6, neginf=-1e6)
        return np.clip((x - last) * self.sign / (1 + np.abs(np.nan_to_num(last))), 0, 50)

    def score(self, rows: Rows) -> F64:
        parts = self.parts(rows)
        return np.where(np.isnan(parts).all(axis=1), np.nan, np.nan_to_num(parts).sum(axis=1))

    def learn(self, rows: Rows) -> None:
        assert rows.slot is not None
        old = self.columns["last"][rows.slot]
        new = np.where(np.isfinite(rows.x) & (np.abs(rows.x) < 1e6), rows.x, old)
        self.columns["last"][rows.slot] = np.where(np.isnan(old), new, old + 0.1 * (new - old))
        if self.flaw != "changes in silence":
            self.columns.touch(rows.slot)

    def explain(self, rows: Rows) -> F64:
        return np.nan_to_num(self.parts(rows))

    def typical(self, rows: Rows) -> F64:
        assert rows.slot is not None
        return self.columns["last"][rows.slot]

    def forget(self, slots: I64) -> None:
        if self.flaw == "never lets go":
            return
        self.columns.reset(np.arange(2000) if self.flaw == "forgets everybody" else slots)

    def snapshot(self) -> bytes:
        return pack("own", 1, {}, {})


@dataclass(frozen=True, slots=True)
class OwnSpec(DetectorSpec):
    type: ClassVar[str] = "own"
    scope: ClassVar[Scope] = Scope.SUBJECT
    flaw: str = ""

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> Detector:
        return Own(features, self.flaw, resume)


@dataclass(frozen=True, slots=True)
class Impostor(GoodSpec):
    scope: ClassVar[Scope] = Scope.SUBJECT


def test_a_good_subject_detector_passes() -> None:
    """The kit does not cry wolf here either."""
    check_detector(OwnSpec())


@pytest.mark.parametrize(
    ("spec", "caught_by"),
    [
        (OwnSpec("takes rows for slots"), "subjects do not depend on the order of rows"),
        (OwnSpec("never lets go"), "forgotten slots are new ones"),
        (OwnSpec("forgets everybody"), "forgotten slots are new ones"),
        (Impostor(), "forgotten slots are new ones"),
    ],
)
def test_each_subject_check_catches_its_offender(spec: DetectorSpec, caught_by: str) -> None:
    """State must follow slots, and only the forgotten ones start anew."""
    assert caught_by in broken(spec)


def test_what_a_row_costs_is_looked_at_where_that_is_asked_for() -> None:
    """Ten times its budget fails; without a budget, or unasked, there is no such check."""
    (check,) = [c for c in yield_checks(Budgeted("slow"), timed=True) if "costs at most" in c.name]
    with pytest.raises(AssertionError, match="scoring and learning a row took"):
        check.run()
    assert not [c for c in yield_checks(Budgeted("slow")) if "costs" in c.name]
    assert not [c for c in yield_checks(GoodSpec("slow"), timed=True) if "costs" in c.name]
