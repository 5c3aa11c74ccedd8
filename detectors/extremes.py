"""Extremes: how far out is each feature beyond what people do, added up over features; attackers are told from people.

Like ECOD (Li, Zhao, Hu, Botta, Ionescu & Chen 2022) each feature gives -log P(as far out on its suspicious side), and
the parts are added.  Unlike ECOD the probability is not a rank among everybody remembered, which attackers compress by
their own number, but the tail of the people among them (`detectors.tail`), extrapolated.  Who people are is found from
the sums themselves (`detectors.groups`), group by group: the plainest is set apart, the tails are fitted again without
it, and the next one shows.  A first look by magnitude (distances in units of the side that attackers are not on, which
hold until nearly half of all are attackers) begins it where an attack is large.

All of it is worked out afresh from the sample, in which everybody is: whoever once looked odd is not odd for ever.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from detectors.base import FEATURES_TOLD, WAVE_SHARE, Detector, DetectorSpec, Direction, FeatureInfo, Rows, Wave
from detectors.groups import SETTLED_US, second_group, set_apart
from detectors.limits import require, require_features
from detectors.sample import evenly
from detectors.scaling import log_columns, natural
from detectors.subject_sample import READY_HOURS, SubjectSample
from detectors.tail import Tail, fit_tail, least_after, squeeze
from state.errors import SnapshotError
from state.snapshot import pack, unpack
from state.types import F32, F64, HOUR_US, I64, START_OF_TIME_US, Bool

_FEATURE_FLOOR: Final = 1e-6
"""No feature alone is less probable than this: 14 nats."""
_LARGE: Final = 0.03
"""An attack of this share of the sample hides itself in the tails; the first look is believed.  It sees the plainest of
the attackers only: where a seventh attacks, often one in twenty.
"""
_LOOK_LEVELS: Final = (0.1, 0.4)
_LOOK_UNIT: Final = 1.03
"""Standard deviations between these levels, for a normal distribution."""
_LOOK_MAX: Final = 8.0
"""Nats of one feature at most, at the first look."""
_MEMORY: Final = 168
"""Fits over which shapes are averaged: a week of hours."""
_KNOWN: Final = 24
"""Fits after which they are known."""
_LOOK_ROWS: Final = 1024
"""Rows of the sample that a first look is taken at."""


@dataclass(frozen=True, slots=True)
class ExtremesSpec(DetectorSpec):
    """Tails of the people on each feature, added up, as one tail probability.

    remember: subjects kept.  ready, ready_hours: how many of them, and how old a stream, before the first answer: who
    is there in the first hours of a stream is no sample of a day.  settle_hours: no small group is set apart before the
    stream is so old.  tail_share: of the people, where fitted tails begin.  count_share: only what is further out than
    this share of people counts (Zaykin et al. 2002, the truncated product method).  floor: smaller probabilities are
    squeezed into [0.9 floor, floor]: beyond that an extrapolation is a guess.
    """

    type: ClassVar[str] = "extremes"
    calibrated: ClassVar[bool] = False

    remember: int = 4096
    ready: int = 256
    ready_hours: float = READY_HOURS
    tail_share: float = 0.25
    count_share: float = 0.3
    settle_hours: float = SETTLED_US / HOUR_US
    floor: float = 5e-5

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            remember=(self.remember >= 64, "at least 64"),
            ready=(64 <= self.ready <= self.remember, f"64 to remember ({self.remember})"),
            ready_hours=(self.ready_hours >= 0, "at least 0"),
            tail_share=(0.05 <= self.tail_share <= 0.4, "0.05 to 0.4"),
            count_share=(0 < self.count_share <= 1, "above 0 and at most 1"),
            settle_hours=(self.settle_hours >= 0, "at least 0"),
            floor=(0 < self.floor < 1e-3, "above 0 and below 0.001"),
        )

    @property
    def least(self) -> float:
        """What `floor` squeezes to."""
        return least_after(self.floor)

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "Extremes":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = Extremes(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


@dataclass(slots=True, eq=False)
class _Order:
    """One side of one feature of the sample, whoever its people are: values ascending towards it.

    order: (m,) the sample's rows that have a value, in that order.  rank: (n,) of each row, the place of the first
    value that is as large; 0 where it has none.
    """

    order: I64
    ordered: F32
    rank: I64

    @staticmethod
    def of(values: F64) -> "_Order":
        """values: (n,), nan for none."""
        order = np.argsort(values, kind="stable")[: int((~np.isnan(values)).sum())]
        ordered = values[order].astype(np.float32)
        rank = np.zeros(len(values), np.int64)
        rank[order] = np.searchsorted(ordered, ordered, side="left")
        return _Order(order, ordered, rank)


@dataclass(slots=True, eq=False)
class _Side:
    """One side of one feature: the sample's order, weight at or above each value (one longer), the people's tail."""

    sample: _Order
    above: F64
    tail: Tail | None

    def probability(self, values: F64, at: I64 | None = None) -> F64:
        """(n,) P(a person is as far out).  at: their places in the sample's order; None for those that it does not
        have.
        """
        if at is None:
            at = np.searchsorted(self.sample.ordered, values.astype(np.float32), side="left")
        p = (1.0 + self.above[at]) / (1.0 + self.above[0])
        if self.tail is not None:
            beyond = values > self.tail.start
            p[beyond] = np.maximum(self.tail.survival(values[beyond]), _FEATURE_FLOOR)
        return p


class Extremes(Detector):
    """Score: -log10 of P(a person's features are as far out together)."""

    KIND: ClassVar[str] = "extremes"

    def __init__(self, spec: ExtremesSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        self.features = features
        self._logs = log_columns(features)
        self._signs = [_SIGNS[f.direction] for f in features]
        self.sample = SubjectSample(len(features), spec.remember)
        self._since_us = START_OF_TIME_US
        self._now_us = START_OF_TIME_US
        self._shapes: F64 = np.zeros(sum(map(len, self._signs)) + 1)
        self._fits = 0
        self._fit: _Fit | None = None

    @property
    def ready(self) -> bool:
        """Whether rows are scored."""
        return self._enough and self._age_hours >= self.spec.ready_hours

    @property
    def _enough(self) -> bool:
        return self.sample.count >= self.spec.ready

    @property
    def _age_hours(self) -> float:
        return (self._now_us - self._since_us) / HOUR_US

    @property
    def _settled(self) -> bool:
        return self._age_hours >= self.spec.settle_hours

    def score(self, rows: Rows) -> F64:
        """(n,) float64 >= 0; nan before `ready` subjects, and for rows without any value."""
        if not self.ready or not len(rows):
            return np.full(len(rows), np.nan)
        fit = self._fitted()
        parts = fit.parts(natural(rows.x, self._logs))
        score = -np.log10(fit.probability(fit.total(parts)))
        score[np.isnan(parts).all(axis=1)] = np.nan
        return score

    def learn(self, rows: Rows) -> None:
        """Remember the newest row of each subject."""
        if self._since_us == START_OF_TIME_US:
            self._since_us = rows.end_us
        if self._enough and self._settled:
            # Shapes are learned slowly: what a tail looks like today must not be what attackers make of it.
            self._fits += 1
            self._shapes += (self._fitted().shapes(self._shapes) - self._shapes) / min(self._fits, _MEMORY)
        self._now_us = rows.end_us
        self.sample.add(rows.subject, rows.x, rows.end_us, rows.slides)
        self._fit = None

    def explain(self, rows: Rows) -> F64:
        """(n, F): the parts of the sum in nats."""
        if not self.ready or not len(rows):
            return np.zeros((len(rows), len(self.features)))
        return np.nan_to_num(self._fitted().parts(natural(rows.x, self._logs)))

    def wave(self, rows: Rows) -> Wave | None:  # noqa: ARG002
        """Those among the remembered who are no people, if they are many."""
        if not self._enough:
            return None
        fit = self._fitted()
        odd = fit.people < 0.5
        share = float(odd.mean())
        if share < WAVE_SHARE:
            return None
        mean = np.nan_to_num(fit.parts(fit.values[odd])).mean(axis=0)
        top = np.argsort(-mean, kind="stable")[:FEATURES_TOLD]
        return Wave(share, tuple(self.features[i].name for i in top.tolist() if mean[i] > 0))

    def _fitted(self) -> "_Fit":
        if self._fit is None:
            values = natural(self.sample.rows().T.astype(np.float64), self._logs)
            usual = self._shapes if self._fits >= _KNOWN else None
            self._fit = _Fit(self.spec, self.features, self._signs, values, self._settled, usual)
        return self._fit

    def forget_subject(self, subject: int) -> None:
        """It leaves the sample."""
        self.sample.forget(subject)

    def snapshot(self) -> bytes:
        """The sample."""
        meta, arrays = self.sample.state()
        known = {"since_us": self._since_us, "now_us": self._now_us, "fits": self._fits}
        arrays = {**arrays, "shapes": self._shapes}
        return pack(self.KIND, self.version, {"sample": meta, "made_for": self._made_for(), **known}, arrays)

    def _made_for(self) -> list[object]:
        return [self.spec.remember, [f.name for f in self.features]]

    def resume(self, blob: bytes) -> None:
        """Take back a snapshot.  Raises SnapshotError where the sample's size or the features differ."""
        _, meta, arrays = unpack(blob, self.KIND, (self.version,))
        mine = self._made_for()
        if meta["made_for"] != mine:
            raise SnapshotError(f"extremes: saved for (remember, features) {meta['made_for']}, configured {mine}")
        self.sample = SubjectSample.resume(meta["sample"], arrays)
        self._since_us, self._now_us, self._fits = (int(meta[name]) for name in ("since_us", "now_us", "fits"))
        self._shapes = arrays["shapes"]


def _sure(people: F64) -> F64:
    """Whoever is more likely no person counts little: many who are a little of one would make a heavy tail."""
    return np.where(people < 0.5, people * people, people)


_SIGNS: Final = {Direction.HIGH: (1.0,), Direction.LOW: (-1.0,), Direction.BOTH: (1.0, -1.0)}


class _Fit:
    """What is known of one state of the sample.

    values: (n, F) on natural scales.  usual: shapes of the tails, side by side and that of the sums last, None if they
    are not known yet.  people: (n,) P(person).
    """

    def __init__(
        self,
        spec: ExtremesSpec,
        features: tuple[FeatureInfo, ...],
        signs: list[tuple[float, ...]],
        values: F64,
        settled: bool,
        usual: F64 | None,
    ) -> None:
        self._spec = spec
        self._features = features
        self._signs = signs
        self._usual = [None] * (sum(map(len, signs)) + 1) if usual is None else usual.tolist()
        self.values = values
        self._orders = [[_Order.of(sign * values[:, j]) for sign in sides] for j, sides in enumerate(signs)]
        self.people = np.ones(len(values))
        look = self._first_look()
        order = np.argsort(look, kind="stable")
        few = evenly(len(order), _LOOK_ROWS, 0)
        group = second_group(look[order[few]].astype(np.float32), spec.tail_share, strict=True)
        self.large = group is not None and group.share >= _LARGE
        if group is not None and self.large:
            self.people[order] = _sure(1.0 - np.interp(np.arange(len(order)), few, group.belongs))
        self._refit()
        if settled or self.large:
            self._set_apart()
        totals = self._totals_at(np.arange(len(values)))
        order = np.argsort(totals, kind="stable")
        weight = self.people[order]
        self._ordered = totals[order].astype(np.float32)
        self._above = np.append(np.cumsum(weight[::-1])[::-1], 0.0)
        self._tail = fit_tail(self._ordered, spec.tail_share, weight, self._usual[-1])

    def _set_apart(self) -> None:
        """Group after group, the tails of the people fitted again after each."""
        for mine in set_apart(self.people, self._totals_at, self._spec.tail_share, self._usual[-1]):
            self.people[mine] = _sure(self.people[mine])
            self._refit()

    def _totals_at(self, mine: I64) -> F64:
        return self.total(self._parts_at(mine))

    def _refit(self) -> None:
        usual = iter(self._usual)
        self._sides = [[self._side(order, next(usual)) for order in orders] for orders in self._orders]
        parts = self._parts_at(np.arange(len(self.values)))
        weight = np.where(np.isnan(parts), 0.0, self.people[:, None])
        self._average = (np.nan_to_num(parts) * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-12)

    def _side(self, sample: _Order, usual: float | None) -> _Side:
        weight = self.people[sample.order]
        above = np.append(np.cumsum(weight[::-1])[::-1], 0.0)
        return _Side(sample, above, fit_tail(sample.ordered, self._spec.tail_share, weight, usual))

    def shapes(self, otherwise: F64) -> F64:
        """Of the tails, side by side and that of the sums last; `otherwise` where there is none."""
        tails = [*(side.tail for sides in self._sides for side in sides), self._tail]
        return np.array([o if t is None else t.shape for t, o in zip(tails, otherwise.tolist(), strict=True)])

    def parts(self, values: F64) -> F64:
        """(n, F) nats, nan where there is no value.  values: (n, F) on natural scales."""
        return self._parts(values, None)

    def _parts_at(self, mine: I64) -> F64:
        """The same of some of the sample's rows."""
        return self._parts(self.values[mine], mine)

    def _parts(self, values: F64, mine: I64 | None) -> F64:
        """mine: which of the sample's rows have these values; None for values that it does not have."""
        out = np.full(values.shape, np.nan)
        for j, sides in enumerate(self._sides):
            known = ~np.isnan(values[:, j])
            v = values[known, j]
            rows = None if mine is None else mine[known]
            p = [
                side.probability(sign * v, None if rows is None else side.sample.rank[rows])
                for sign, side in zip(self._signs[j], sides, strict=True)
            ]
            nats = np.log(self._spec.count_share) - np.log(np.minimum(np.minimum.reduce(p) * len(p), 1.0))
            out[known, j] = np.maximum(nats, 0.0)
        return out

    def total(self, parts: F64) -> F64:
        """(n,) the sums; a missing part counts as an average person's, so that rows remain comparable."""
        return np.where(np.isnan(parts), self._average, parts).sum(axis=1)

    def probability(self, total: F64) -> F64:
        """(n,) P(a person's sum is as large), at least 0.9 floor."""
        at = np.searchsorted(self._ordered, total.astype(np.float32), side="left")
        p = (1.0 + self._above[at]) / (1.0 + self._above[0])
        if self._tail is not None:
            beyond = total > self._tail.start
            p[beyond] = self._tail.survival(total[beyond])
        return squeeze(p, self._spec.floor)

    def _first_look(self) -> F64:
        """(n,) nats of a Student t with 4 degrees of freedom, added up: how far beyond the lower half of everybody."""
        total = np.zeros(len(self.values))
        for j, (feature, sides) in enumerate(zip(self._features, self._signs, strict=True)):
            known: Bool = ~np.isnan(self.values[:, j])
            if not known.any():
                continue
            far = np.zeros(int(known.sum()))
            for sign in sides:
                v = sign * self.values[known, j]
                low, middle = np.quantile(v, _LOOK_LEVELS)
                physical = 0.05 * (feature.high - feature.low)
                unit = max((middle - low) / _LOOK_UNIT, 1e-3, 0.05 * abs(middle), physical if physical > 0 else 0.0)
                far = np.maximum(far, (v - middle) / unit)
            nats = np.minimum(2.5 * np.log1p(far * far / 4.0), _LOOK_MAX)
            total[known] += nats
            total[~known] += nats.mean()
        return total
