"""Drift monitors of one window of one cohort.  See DriftSpec."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.drift.cause import Causes, Look, in_order
from detectors.drift.change_tests import ChangeTest, PageHinkley, adwin, read, written
from detectors.drift.errors import ErrorMonitor
from detectors.drift.event import DriftEvent, Reaction, Watch
from detectors.drift.held import Held
from detectors.drift.moments import Moments, summarise
from detectors.drift.reference import SHARE_UNIT_MAX, Reference
from detectors.drift.spec import DriftSpec
from detectors.features.declare import FeatureInfo
from detectors.river_objects import from_bytes, to_bytes
from state.snapshot import pack, unpack
from state.types import F64, I64, MINUTE_US, Bool
from state.windows import WindowSpec

_RIVER: Final = version("river")
_RING: Final = 32
_SIZE_MAX: Final = 1e3
_NOBODY: Final[Mapping[str, F64]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Series:
    """One watched series.  column: its position in the summary."""

    watch: Watch
    name: str
    column: int
    log: bool
    tests: tuple[str, ...]
    reaction: Reaction

    @property
    def key(self) -> str:
        """What saved state knows it by."""
        return f"{self.watch}/{self.name}/{'+'.join(self.tests)}"


class DriftMonitors:
    """Feature means, missing shares, detector scores, alert rate and errors of one window of one cohort.

    Each round becomes one sample per series (small rounds are added up first; of overlapping sliding windows only those
    that share no event are used, so a 24-hour window gives one sample a day). `Reference` turns a sample into a
    z-value; ADWIN (or Page and Hinkley's test) watches these; an alarm becomes an event if the change is large enough
    for the population, not only for the test. After an alarm a series starts over.
    """

    def __init__(
        self,
        spec: DriftSpec,
        cohort: str,
        window: WindowSpec,
        features: tuple[FeatureInfo, ...],
        detectors: tuple[str, ...],
        resume: bytes | None = None,
        predictors: tuple[str, ...] = (),
    ) -> None:
        """detectors, predictors: names, keys of the scores and of the errors.

        Raises SnapshotError for bytes that do not fit.
        """
        self.spec = spec
        self._cohort = cohort
        self._window = window
        self._features = features
        self._logged = [f.log for f in features]
        self._detectors = detectors
        self._series = _series(spec, features, detectors)
        means = len(features) + len(detectors)
        share = np.arange(means + 1 + len(features)) >= means
        self._watched: I64 = np.array([s.column for s in self._series], np.int64)
        cadence_us = window.cadence_us
        self._reference = Reference(share[self._watched], cadence_us, spec.warmup_rounds, spec.rhythm == "daily")
        watched = next((m for m in spec.monitors if m.watch is Watch.ERROR), None)
        self._error_reaction = (watched and watched.reaction) or spec.reaction
        self._errors = {name: ErrorMonitor(spec.delta / len(predictors)) for name in predictors if watched is not None}
        self._causes = Causes(_RING * max(cadence_us, MINUTE_US))
        self._sums = Moments.empty(len(self._series))
        self._counted_most = 0.0
        self._sd: F64 | None = None
        """Of the rows, until the reference changes."""
        self._cuts: tuple[F64, F64] | None = None
        """What values are cut to, until then."""
        self._held = Held()
        """Rounds that are not added up yet: so few rows that no series is ready."""
        self._tests: list[list[ChangeTest] | None] = [None] * len(self._series)
        self._hourly: Bool = np.zeros(len(self._series), np.bool_)
        # The latest samples of each series, to say when a change began and how large it is.
        self._ring_n: I64 = np.zeros(len(self._series), np.int64)
        self._ring_us: I64 = np.zeros((_RING, len(self._series)), np.int64)
        self._ring_value: F64 = np.zeros((_RING, len(self._series)))
        self._ring_expected: F64 = np.zeros((_RING, len(self._series)))
        if resume is not None:
            self.restore(resume)

    def update(
        self, end_us: int, x: F64, scores: dict[str, F64], candidates: int, errors: Mapping[str, F64] = _NOBODY
    ) -> list[DriftEvent]:
        """Takes one round; returns the changes that it gives away, in the order of the series.

        end_us: the round's end, rising.  x: (n, F), nan for missing.  scores: detector -> (n,), nan for "not yet".
        candidates: how many of the rows became candidates.  errors: predictor -> (n,), 1 for wrong, nan for unknown.
        Nothing is written to the arrays.
        """
        if not len(x) or not self._window.is_fresh(end_us):
            return []
        wrong = [self._test_errors(name, monitor, end_us, errors[name]) for name, monitor in self._errors.items()]
        found = self._update_series(end_us, x, scores, candidates) if self._series else []
        return self._explained(found + [(event, None) for event in wrong if event is not None])

    def update_errors(self, end_us: int, errors: Mapping[str, F64]) -> list[DriftEvent]:
        """Takes what labels say of earlier predictions; see `update`."""
        wrong = [self._test_errors(name, monitor, end_us, errors[name]) for name, monitor in self._errors.items()]
        return self._explained([(event, None) for event in wrong if event is not None])

    def _explained(self, found: list[tuple[DriftEvent, Look | None]]) -> list[DriftEvent]:
        """With causes, and the reactions that these ask for."""
        explained: dict[str, DriftEvent] = {}
        for event, look in sorted(found, key=lambda pair: in_order(pair[0])):
            cause, evidence = self._causes.of(event, look)
            wanted = getattr(self.spec, f"on_{cause}")
            reaction = Reaction(wanted) if wanted else event.reaction
            explained[event.event_id] = replace(event, cause=str(cause), evidence=evidence, reaction=reaction)
        return [explained[event.event_id] for event, _ in found]

    def _test_errors(self, name: str, monitor: ErrorMonitor, end_us: int, wrong: F64) -> DriftEvent | None:
        rise = monitor.update(end_us, wrong)
        if rise is None:
            return None
        # A share is told in the unit that shares are told in elsewhere (Reference.unit).
        size = (rise.after - rise.before) / SHARE_UNIT_MAX
        place = (self._cohort, self._window.name, "adwin", end_us, rise.since_us)
        return DriftEvent(Watch.ERROR, name, *place, rise.before, rise.after, size, self._error_reaction)

    def _update_series(
        self, end_us: int, x: F64, scores: dict[str, F64], candidates: int
    ) -> list[tuple[DriftEvent, Look | None]]:
        self._held.add(x, [scores[name] for name in self._detectors], candidates)
        if self._counted_most + self._held.rows < self.spec.rows_min:
            return []
        x = self._add_up(self._held)
        self._held = Held()
        ready = self._sums.count >= self.spec.rows_min
        if not ready.any():
            return []
        sample = self._sums
        sd = self._deviation()
        unit = self._reference.unit(sd)
        self._cuts = self._sd = None
        z, expected, hourly = self._reference.step(end_us, ready, sample.mean, sample.count, sample.variance(), sd)
        self._sums = sample.without(ready)
        self._counted_most = float(self._sums.count.max(initial=0.0))
        self._remember(end_us, ready, sample.mean, expected, hourly)
        return self._test(end_us, x, z, unit, hourly)

    def _add_up(self, held: Held) -> F64:
        """Adds rounds to the sums.  Returns their rows."""
        x, columns, candidates = held.together()
        low, high = self._bounds()
        round_ = summarise(x, columns, candidates, self._logged, low, high, self.spec.rows_max)
        self._sums = self._sums.plus(round_.take(self._watched))
        self._counted_most = float(self._sums.count.max(initial=0.0))
        return x

    def _deviation(self) -> F64:
        if self._sd is None:
            self._sd = self._reference.sd()
        return self._sd

    def _bounds(self) -> tuple[F64, F64]:
        """Values are cut at 8 sd from the level, once it is known: one absurd row must not move a mean."""
        if self._cuts is None:
            means = len(self._features) + len(self._detectors)
            low, high = np.full(means, -1e15), np.full(means, 1e15)
            known = self._reference.warm() & (self._watched < means)
            reach = 8 * self._deviation()[known]
            at, level = self._watched[known], self._reference.level[known]
            low[at], high[at] = level - reach, level + reach
            self._cuts = low, high
        return self._cuts

    def _remember(self, end_us: int, ready: Bool, value: F64, expected: F64, hourly: Bool) -> None:
        for i in np.flatnonzero(hourly & ~self._hourly):
            self._forget(int(i))  # z-values of the coarse and of the hourly comparison must not meet in one window
        self._hourly |= hourly
        at, columns = self._ring_n[ready] % _RING, np.flatnonzero(ready)
        self._ring_us[at, columns] = end_us
        self._ring_value[at, columns] = value[ready]
        self._ring_expected[at, columns] = expected[ready]
        self._ring_n[ready] += 1

    def _look(self, i: int, x: F64, before: float) -> Look | None:
        """A feature's rows as they are: the summary has cut them."""
        s = self._series[i]
        if s.watch is not Watch.FEATURE:
            return None
        values = x[:, s.column]
        values = values[np.isfinite(values)]
        if len(values) < 2:
            return None
        usual = float(self._reference.spread[i])
        seen = np.log1p(np.maximum(values, 0.0)) if s.log else values
        mean, level = (float(np.expm1(m)) if s.log else float(m) for m in (seen.mean(), before))
        scale = 1.0 if s.log else max(abs(mean), 1e-300)
        error = float(seen.std()) / scale / len(seen) ** 0.5
        return Look(mean / level if level > 0 else 0.0, float(seen.var()) / usual if usual > 0 else 1.0, error)

    def _test(self, end_us: int, x: F64, z: F64, unit: F64, hourly: Bool) -> list[tuple[DriftEvent, Look | None]]:
        events = []
        for i, value in enumerate(z.tolist()):
            if value != value:
                continue
            fired = self._update_tests(i, value)
            if not fired:
                continue
            since_us, before, after = self._change(i)
            size = (after - before) / float(unit[i])
            least = self.spec.size_min if hourly[i] else self.spec.size_min_first
            if abs(size) >= least:
                event = self._event(i, fired, end_us, since_us, before, after, size)
                events.append((event, self._look(i, x, before)))
                self._reference.restart(i)
                self._hourly[i] = False
                self._forget(i)
        return events

    def _update_tests(self, i: int, value: float) -> str:
        """Name of the first test that fires, "" for none."""
        names = self._series[i].tests
        tests = self._tests[i]
        if tests is None:
            tests = self._tests[i] = [self._new_test(name) for name in names]
        fired = ""
        for at, test in enumerate(tests):
            if test.update(value):
                fired = fired or names[at]
                tests[at] = self._new_test(names[at])
        return fired

    def _new_test(self, name: str) -> ChangeTest:
        return adwin(self.spec.delta / len(self._series), 4) if name == "adwin" else PageHinkley()

    def _change(self, i: int) -> tuple[int, float, float]:
        """Start of the change, value expected since, value seen since: the split of the ring that explains most."""
        n = int(self._ring_n[i])
        order = np.arange(max(0, n - _RING), n) % _RING
        value, expected = self._ring_value[order, i], self._ring_expected[order, i]
        residual = value - expected
        m = len(residual)
        k = np.arange(m)
        total = np.concatenate([[0.0], np.cumsum(residual)])
        after = (total[-1] - total[k]) / (m - k)
        before = np.divide(total[k], k, out=np.zeros(m), where=k > 0)
        # The split at 0 means "all of it": its other side is what is expected, as if seen m times.
        weight = np.where(k > 0, k * (m - k) / m, m / 2)
        split = int(np.argmax(np.abs(after - before) * np.sqrt(weight)))
        # In the first day the expected level is drawn after the change, so the value before it is the honest one.
        usual = float(expected[split:].mean()) if self._hourly[i] else float(expected[split])
        return int(self._ring_us[order[split], i]), usual, float(value[split:].mean())

    def _event(
        self, i: int, test: str, end_us: int, since_us: int, before: float, after: float, size: float
    ) -> DriftEvent:
        s = self._series[i]
        if s.log:
            before, after = float(np.expm1(before)), float(np.expm1(after))
        size = max(-_SIZE_MAX, min(_SIZE_MAX, size))
        return DriftEvent(
            s.watch,
            s.name,
            self._cohort,
            self._window.name,
            test,
            end_us,
            since_us,
            before,
            after,
            size,
            s.reaction,
        )

    def _forget(self, i: int) -> None:
        self._tests[i] = None
        self._ring_n[i] = 0

    def snapshot(self) -> bytes:
        """The whole state. The tests are pickled River objects, so the frame names River's version."""
        errors = {name: monitor.state() for name, monitor in self._errors.items()}
        rest = {name: state for name, (_, state) in errors.items()}
        meta = {
            "river": _RIVER, "series": [s.key for s in self._series], "errors": rest, "causes": self._causes.state(),
        }  # fmt: skip
        tests = [of and [written(test) for test in of] for of in self._tests]
        pickled = {"tests": tests, "windows": {name: window for name, (window, _) in errors.items()}}
        objects = {name: np.frombuffer(to_bytes(what), np.uint8) for name, what in pickled.items()}
        held, rows = self._held.state([f.name for f in self._features], self._detectors)
        return pack("drift", 3, meta | {"held": held}, self._arrays() | objects | rows)

    def restore(
        self,
        blob: bytes,
        new_detectors: AbstractSet[str] = frozenset(),
        new_features: AbstractSet[str] = frozenset(),
        was: Mapping[str, str] = MappingProxyType({}),
        detector_was: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Takes what `snapshot` gave.  What was not saved, scores of new_detectors, and new_features start cold.

        was, detector_was: name now -> name then, of features and of detectors that are called otherwise now.
        """
        version, meta, saved = unpack(blob, "drift", reads=(1, 2, 3))
        at = {key: i for i, key in enumerate(meta["series"])}
        new = {Watch.SCORE: new_detectors, Watch.FEATURE: new_features, Watch.MISSING: new_features}
        then_called = {Watch.SCORE: detector_was, Watch.FEATURE: was, Watch.MISSING: was}
        kept = [
            (i, replace(s, name=then_called.get(s.watch, {}).get(s.name, s.name)).key)
            for i, s in enumerate(self._series)
            if s.name not in new.get(s.watch, ())
        ]
        same = [(i, at[key]) for i, key in kept if key in at]
        now, then = [i for i, _ in same], [i for _, i in same]
        for name, array in self._arrays().items():
            array[..., now] = saved[name][..., then]
        self._counted_most = float(self._sums.count.max(initial=0.0))
        self._cuts = self._sd = None
        self._restore_held(meta.get("held"), saved, {s for s, _ in same}, was, detector_was)
        # Another River may misread the pickles silently: the tests then start empty, the references stay.
        if meta["river"] == _RIVER:
            tests = from_bytes(saved["tests"].tobytes(), "drift tests")
            for i, j in same:
                self._tests[i] = tests[j] and [read(test) for test in tests[j]]
        if version > 1:  # v1 knew no errors and no causes
            self._causes.restore(meta["causes"])
            self._restore_errors(meta, saved, new_detectors, detector_was)

    def _restore_held(
        self,
        meta: Mapping[str, Any] | None,
        saved: Mapping[str, NDArray[Any]],
        known: AbstractSet[int],
        was: Mapping[str, str],
        detector_was: Mapping[str, str],
    ) -> None:
        """Takes the rounds that were held; where series came or went, adds them up for those that are known."""
        self._held = Held()
        if meta is None:
            return
        features = [was.get(f.name, f.name) for f in self._features]
        detectors = [detector_was.get(name, name) for name in self._detectors]
        held = Held.of(meta, saved, features, detectors)
        if len(known) == len(self._series):
            self._held = held
        elif held.rows:
            before, new = self._sums, np.array([i not in known for i in range(len(self._series))])
            self._add_up(held)
            self._sums = Moments(*(np.where(new, b, a) for a, b in zip(self._sums.parts, before.parts, strict=True)))

    def _restore_errors(
        self,
        meta: Mapping[str, Any],
        saved: Mapping[str, NDArray[Any]],
        new_detectors: AbstractSet[str],
        was: Mapping[str, str],
    ) -> None:
        windows = from_bytes(saved["windows"].tobytes(), "drift tests") if meta["river"] == _RIVER else {}
        for name, monitor in self._errors.items():
            then = was.get(name, name)
            if then in meta["errors"] and name not in new_detectors:
                monitor.restore(windows.get(then), meta["errors"][then])

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """The state by name; series are the last axis of each."""
        return {
            **self._reference.arrays(),
            **self._sums.arrays(),
            "hourly": self._hourly,
            "ring_n": self._ring_n,
            "ring_us": self._ring_us,
            "ring_value": self._ring_value,
            "ring_expected": self._ring_expected,
        }


def _series(spec: DriftSpec, features: tuple[FeatureInfo, ...], detectors: tuple[str, ...]) -> tuple[_Series, ...]:
    """The watched series; columns as in `summarise`: features, detectors, alert rate, missing."""
    f, d = len(features), len(detectors)
    named = {
        Watch.FEATURE: [(info.name, i, info.log) for i, info in enumerate(features)],
        Watch.SCORE: [(name, f + i, False) for i, name in enumerate(detectors)],
        Watch.ALERT_RATE: [("alert_rate", f + d, False)],
        Watch.MISSING: [(info.name, f + d + 1 + i, False) for i, info in enumerate(features)],
    }
    return tuple(
        _Series(m.watch, name, column, log, m.tests, m.reaction or spec.reaction)
        for m in sorted(spec.monitors, key=lambda m: list(Watch).index(m.watch))
        if m.watch in named
        for name, column, log in named[m.watch]
    )
