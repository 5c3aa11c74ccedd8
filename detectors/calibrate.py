"""Raw scores to tail probabilities that detectors can be compared by: how many people show as much in a day?

One score per subject: the newest where a window holds a whole day, else the largest of the last day, because whoever
has 24 windows a day has 24 chances.  A probability is then that of a day of a subject's life, whatever the window, and
nobody is left out of the sample: a tail that is cut off makes the next rows improbable, and so on.

The body is the conformal rank; beyond it a detector of the whole cohort gets a fitted tail (`detectors.tail`), which
tells far from very far.  Where a window holds a day, that is the tail of the people: attackers who are a group of their
own beyond them (`detectors.groups`) are no part of it.  Scores against one's own past keep the rank alone: their tails
are heavier than any fit.  Where these are all the same (nobody ever failed to log in), a rank cannot tell one from five
hundred; beyond them a Pareto tail of index 1 does, the heaviest that is in use: ten times as far is a tenth as likely.

Tables have no subjects to count: there each row counts as one, among a sample of all rows before it.  In a series,
where what is odd comes in bunches, stretches of rows count (`detectors.stretches`).
"""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from detectors.groups import SETTLED_US, people_among
from detectors.limits import require
from detectors.sample import Sample
from detectors.stretches import Stretches
from detectors.subject_sample import QUARTER_US, READY_HOURS, SubjectSample
from detectors.tail import Tail, fit_tail, is_flat, squeeze
from state.errors import SnapshotError
from state.order import stable_argsort
from state.plain import LATER
from state.snapshot import pack, unpack
from state.types import DAY_US, F32, F64, HOUR_US, I64, START_OF_TIME_US, U64

_KIND: Final = "calibrator"
_VERSION: Final = 2
_FEW: Final = 4
"""So few scores are looked up one by one: arrays of one have the cost of arrays of twenty."""
_INFINITE32: Final = 2.0**128 - 2.0**103
"""What is not smaller is infinite in 32 bits."""
_BLOCK: Final = 8_192
"""So many scores are ranked two or three times as fast by sorting them as by looking each of them up."""
_QUARTERS: Final = DAY_US // QUARTER_US
"""The largest score of a day is remembered by quarters, so that what is older than 18 to 24 hours is forgotten."""
_BEYOND: Final = 0.1
"""Of the probability of what no stretch has shown, the part by which it falls as the score goes on to rise: an order,
and no evidence.
"""
_UNIT: Final = 0.5
"""Nats of a score against one's own past: somewhat less than what an ordinary feature counts."""
PER: Final = ("subject", "row", "stretch")


@dataclass(frozen=True, slots=True)
class CalibrationSpec:
    """How scores become tail probabilities.

    per: "subject", a probability is that of a day of a subject's life; "row", of a row, for tables; "stretch", that at
    a row something begins that shows as much, for series: the share of stretches that have, by stretch_rows.
    remember: subjects (rows, stretches) that count.  ready: how many are needed before the first answer (64, or 2
    stretches, at least).  ready_hours: how long one learns before the first answer, in a window that holds a day of a
    subject: what such windows hold grows in the first hours of a stream, and so do their scores.  tail_share: of the
    sample, where the fitted tail takes over (0.05 to 0.4); stretches have none.  floor: smaller answers are squeezed
    into [0.9 floor, floor], in their order; the default is a fifth of what the sample has seen of: beyond that an
    extrapolation is a guess, and guesses must not raise alarms.  stretch_rows: rows of a stretch, longer than what is
    odd usually lasts.
    """

    per: str = "subject"
    remember: int = 4096
    ready: int = 256
    tail_share: float = 0.25
    floor: float = 5e-5
    stretch_rows: int = field(default=100, metadata=LATER)
    ready_hours: float = field(default=READY_HOURS, metadata=LATER)

    def __post_init__(self) -> None:
        least = 2 if self.per == "stretch" else 64
        require(
            self,
            "calibration",
            per=(self.per in PER, " or ".join(PER)),
            remember=(self.remember >= 64, "at least 64"),
            ready=(least <= self.ready <= self.remember, f"{least} to remember ({self.remember})"),
            tail_share=(0.05 <= self.tail_share <= 0.4, "0.05 to 0.4"),
            floor=(0 < self.floor < 1e-3, "above 0 and below 0.001"),
            stretch_rows=(self.stretch_rows >= 2, "at least 2"),
            ready_hours=(self.ready_hours >= 0, "at least 0"),
        )

    def build(
        self, whole_day: bool = True, fitted: bool = True, one_mode: bool = True, resume: bytes | None = None
    ) -> "Calibrator":
        """A calibrator at work.  whole_day: whether a window holds a day.  fitted: whether there is a fitted tail.
        one_mode: whether people's scores have one, so that a second group is attackers'.

        Raises SnapshotError for bytes that do not fit.
        """
        of_subjects: type[_Newest | _Largest] = _Newest if whole_day else _Largest
        kept: type[_Kept] = {"row": _Rows, "stretch": _Stretches}.get(self.per, of_subjects)
        if resume is None:
            return Calibrator(self, kept.empty(self), fitted, one_mode)
        _, meta, arrays = unpack(resume, _KIND, (_VERSION,))
        rows = meta.get("stretch_rows", self.stretch_rows)
        if (meta["scores"], meta["remember"], rows) != (kept.name, self.remember, self.stretch_rows):
            saved = f"{meta['scores']}, remember={meta['remember']}, stretch_rows={rows}"
            wanted = f"{kept.name}, remember={self.remember}, stretch_rows={self.stretch_rows}"
            raise SnapshotError(f"calibrator: saved {saved}; configured {wanted}")
        calibrator = Calibrator(self, kept.resume(meta, arrays), fitted, one_mode)
        calibrator._since_us, calibrator._now_us = meta["since_us"], meta["now_us"]
        return calibrator


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """ordered: (n,) ascending.  above: (n + 1,) how many people are at or above each.  tail: theirs.  reach: from the
    median to the largest.  flat: whether there is nothing but equal scores where a tail would be.
    """

    ordered: F32
    above: F64
    tail: Tail | None
    reach: float
    flat: bool

    def beyond(self, score: F64) -> F64:
        """(n,) of the probability of what nobody has shown, what is left that far out: an unknown tail's.  score: (n,);
        nan counts as nothing.
        """
        unit = max(self.reach, _UNIT)
        return unit / (unit + np.fmax(score - self.ordered.item(-1), 0.0))


class _Rows:
    """The scores of rows."""

    name: ClassVar[str] = "rows"

    def __init__(self, sample: Sample) -> None:
        self.sample = sample

    @classmethod
    def empty(cls, spec: CalibrationSpec) -> Self:
        return cls(Sample(1, spec.remember))

    @classmethod
    def resume(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        return cls(Sample.resume(meta, arrays))

    def add(self, subject: U64, score: F64, end_us: int, slides: bool) -> None:  # noqa: ARG002
        self.sample.add(score[:, None])

    def forget(self, subject: int) -> None:
        """Rows have no subject."""

    def ordered(self) -> F32:
        """Ascending, without nan."""
        return self.sample.ordered()[0][0]


class _Stretches:
    """The largest scores of stretches of rows."""

    name: ClassVar[str] = "stretches"

    def __init__(self, sample: Stretches) -> None:
        self.sample = sample

    @classmethod
    def empty(cls, spec: CalibrationSpec) -> Self:
        return cls(Stretches(spec.stretch_rows, Sample(1, spec.remember)))

    @classmethod
    def resume(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        return cls(Stretches.resume(meta, arrays))

    def add(self, subject: U64, score: F64, end_us: int, slides: bool) -> None:  # noqa: ARG002
        self.sample.add(subject, score)

    def forget(self, subject: int) -> None:
        self.sample.forget(subject)

    def ordered(self) -> F32:
        return self.sample.ordered()


class _Newest:
    """The newest score of each subject."""

    name: ClassVar[str] = "newest of each subject"

    def __init__(self, sample: SubjectSample) -> None:
        self.sample = sample

    @classmethod
    def empty(cls, spec: CalibrationSpec) -> Self:
        return cls(SubjectSample(1, spec.remember))

    @classmethod
    def resume(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        return cls(SubjectSample.resume(meta, arrays))

    def add(self, subject: U64, score: F64, end_us: int, slides: bool) -> None:
        self.sample.add(subject, score[:, None], end_us, slides)

    def forget(self, subject: int) -> None:
        self.sample.forget(subject)

    def ordered(self) -> F32:
        return np.sort(self.sample.rows()[0])


class _ByQuarter:
    """The largest of each quarter of a day."""

    def among(self, x: F64, starts: I64) -> F64:
        return np.fmax.reduceat(x, starts)

    def onto(self, held: F32, seen_us: I64, new: F32, at_us: I64) -> F32:
        """Without quarters that are over for a day."""
        now, seen, quarter = at_us // QUARTER_US, seen_us // QUARTER_US, np.arange(_QUARTERS)[:, None]
        return np.fmax(np.where(seen - (seen - quarter) % _QUARTERS <= now - _QUARTERS, np.nan, held), new)


class _Largest:
    """The largest score of each subject's day, by quarters of it."""

    name: ClassVar[str] = "largest of each subject's day"

    def __init__(self, sample: SubjectSample) -> None:
        self.sample = sample

    @classmethod
    def empty(cls, spec: CalibrationSpec) -> Self:
        return cls(SubjectSample(_QUARTERS, spec.remember, _ByQuarter()))

    @classmethod
    def resume(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        return cls(SubjectSample.resume(meta, arrays, _ByQuarter()))

    def add(self, subject: U64, score: F64, end_us: int, slides: bool) -> None:  # noqa: ARG002
        quarters = np.full((len(score), _QUARTERS), np.nan)
        quarters[:, end_us // QUARTER_US % _QUARTERS] = score
        self.sample.add(subject, quarters, end_us)

    def forget(self, subject: int) -> None:
        self.sample.forget(subject)

    def ordered(self) -> F32:
        return np.sort(np.fmax.reduce(self.sample.rows(), axis=0))


_Kept = _Rows | _Stretches | _Newest | _Largest


class Calibrator:
    """A remembered sample of one detector's scores on one window of one cohort, and the tail fitted to it."""

    def __init__(self, spec: CalibrationSpec, scores: _Kept, fitted: bool, one_mode: bool) -> None:
        self.spec = spec
        self._scores = scores
        self._of_stretches = isinstance(scores, _Stretches)
        self._fitted = fitted and not self._of_stretches
        self._of_own_past = not fitted and isinstance(scores, _Newest | _Largest)
        self._tells_groups = fitted and one_mode and isinstance(scores, _Newest)
        self._young_us = round(spec.ready_hours * HOUR_US) if isinstance(scores, _Newest) else 0
        self._since_us = START_OF_TIME_US
        self._now_us = START_OF_TIME_US
        self._known: _Fit | None = None
        self._known_version = -1

    @property
    def ready(self) -> bool:
        """Whether `tail` gives answers."""
        enough = self._scores.sample.count >= self.spec.ready
        return enough and self._now_us - self._since_us >= self._young_us

    def tail(self, score: F64) -> F64:
        """P(a subject of this population shows as much in a day), or of a row where rows count.

        score: (n,) float64.  Returns (n,) float64 in [0.9 floor, 1], falling in the score; nan where the score is nan,
        or everywhere before `ready` scores were learned, and in the first `ready_hours` of windows that hold a day.
        """
        if not self.ready or not len(score):
            return np.full(len(score), np.nan)
        fit = self._fit()
        if len(score) <= _FEW:
            return np.array([self._of_one(fit, s) for s in score.tolist()])
        with np.errstate(over="ignore"):
            below = _below(fit.ordered, score.astype(np.float32))
        p: F64 = (1.0 + fit.above[below]) / (1.0 + fit.above[0])
        if fit.tail is not None:
            far = score > fit.tail.start
            p[far] = fit.tail.survival(score[far])
        if fit.flat:
            p *= fit.beyond(score)
        if self._of_stretches:
            beyond = np.fmax(score - fit.ordered.item(-1), 0.0)
            p *= (1.0 - _BEYOND * (1.0 - fit.reach / (fit.reach + beyond))) / self.spec.stretch_rows
        p = squeeze(p, self.spec.floor)
        p[np.isnan(score)] = np.nan
        return p

    def _of_one(self, fit: "_Fit", score: float) -> float:
        """What `tail` says of one score, to the bit."""
        if math.isnan(score):
            return math.nan
        if fit.tail is not None and score > fit.tail.start:
            p = float(fit.tail.survival(np.array([score]))[0])
        else:
            rounded = np.float32(score if abs(score) < _INFINITE32 else math.copysign(math.inf, score))
            p = (1.0 + fit.above.item(fit.ordered.searchsorted(rounded))) / (1.0 + fit.above.item(0))
        if fit.flat:
            p *= fit.beyond(np.array([score])).item()
        if self._of_stretches:
            beyond = max(score - fit.ordered.item(-1), 0.0)
            p *= (1.0 - _BEYOND * (1.0 - fit.reach / (fit.reach + beyond))) / self.spec.stretch_rows
        return p if p >= self.spec.floor else float(squeeze(np.array([p]), self.spec.floor)[0])

    def learn(self, subject: U64, score: F64, end_us: int, slides: bool = False) -> None:
        """One round's scores, (n,) float64, of these subjects; nan is passed over.  slides: see detectors.base.Rows."""
        self._now_us = end_us
        if self._since_us == START_OF_TIME_US:
            self._since_us = end_us
        unknown = np.isnan(score)
        if np.count_nonzero(unknown):
            subject, score = subject[~unknown], score[~unknown]
        self._scores.add(subject, score, end_us, slides)

    def forget(self, subject: int) -> None:
        """Drops the score of one subject.  subject: the hash of its id."""
        self._scores.forget(subject)

    def _fit(self) -> "_Fit":
        version = self._scores.sample.version
        if self._known is None or self._known_version != version:
            ordered, share = self._scores.ordered(), self.spec.tail_share
            settled = self._now_us - self._since_us >= SETTLED_US
            people, above = None, np.arange(len(ordered), -1.0, -1.0)
            if settled and self._tells_groups:
                people = people_among(ordered, share)
                above = np.append(np.cumsum(people[::-1])[::-1], 0.0)
            tail = fit_tail(ordered, share, people) if self._fitted else None
            largest, median = ordered.item(-1), ordered.item(len(ordered) // 2)
            reach = max(largest - median, 1e-9 * (1.0 + abs(largest)))
            flat = self._of_own_past and is_flat(ordered, share)
            self._known = _Fit(ordered, above, tail, reach, flat)
            self._known_version = version
        return self._known

    def snapshot(self) -> bytes:
        """The sample; what is computed from it is computed again."""
        meta, arrays = self._scores.sample.state()
        times = {"since_us": self._since_us, "now_us": self._now_us}
        return pack(_KIND, _VERSION, {**meta, **times, "scores": self._scores.name}, arrays)


def _below(ordered: F32, values: F32) -> I64:
    """(n,) how many of the ordered are below each value; for nan, any number.  ordered: (m,) ascending, without nan."""
    if len(values) < _BLOCK:
        return np.searchsorted(ordered, values, side="left")
    return np.concatenate([_below_sorted(ordered, part) for part in np.array_split(values, len(values) // _BLOCK)])


def _below_sorted(ordered: F32, values: F32) -> I64:
    """The same by sorting the values: each of the ordered counts from the first value on that is larger."""
    # Read as whole numbers floats are in their order, but for the negative ones, which are in the opposite one.
    bits = values.view(np.int32)
    rank = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64) + 2**31
    order = stable_argsort(rank.view(np.uint64))
    since = np.searchsorted(values[order], ordered, side="right")
    below = np.empty(len(values), np.int64)
    below[order] = np.cumsum(np.bincount(since, minlength=len(values) + 1))[:-1]
    return below
