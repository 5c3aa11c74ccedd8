"""The alert policy: evidence of all windows per subject, one budget, no repeats.  See PolicySpec."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from itertools import islice
from typing import Final

from detectors.alerting.alert import Alert, Candidate, Evidence
from state.errors import ConfigError, DriftnetError
from state.snapshot import pack, unpack
from state.types import DAY_US, HOUR_US


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """When evidence becomes an alert.

    line: a subject is alerted when its combined tail probability (see `combine`) is at most this.
    false_discovery: share of false ones among a day's alerts that is accepted; the line is then drawn in each round by
    Benjamini & Hochberg 1995 over all subject-days of the last 24 hours, and `line` is but its upper bound. 0: no such
    target. A detector needs no threshold of its own with it, and the budget still holds.
    candidate_line: the population stage passes on rows at most this improbable; weaker ones are no evidence.
    evidence_us: how long a candidate counts as evidence.  suppress_us: how long an alert silences repeats.
    budget_per_day, budget_burst: a token bucket in event time, refilled evenly over the day; at most budget_burst
    tokens can be saved up (None: a quarter of a day's). Any 24 hours hold at most budget_per_day + budget_burst alerts.
    critical_reserve: share of the burst that only the worst severity may spend.
    severities: (name, largest tail probability), worst first; the last bound is 1.
    capacity: subjects remembered; beyond it the longest-silent leave.
    """

    budget_per_day: int = 100
    budget_burst: int | None = None
    line: float = 1e-3
    false_discovery: float = 0.0
    candidate_line: float = 5e-3
    suppress_us: int = DAY_US
    evidence_us: int = DAY_US
    severities: tuple[tuple[str, float], ...] = field(
        default=(("critical", 1e-6), ("high", 2e-5), ("medium", 1e-3), ("low", 1.0))
    )
    critical_reserve: float = 0.2
    capacity: int = 100_000

    def __post_init__(self) -> None:
        bounds = [p for _, p in self.severities]
        for key, ok, allowed in (
            ("budget_per_day", self.budget_per_day >= 1, "at least 1"),
            ("budget_burst", self.budget_burst is None or self.budget_burst >= 1, "at least 1, or absent"),
            ("line", 0 < self.line <= 1, "above 0 and at most 1"),
            ("false_discovery", 0 <= self.false_discovery < 1, "at least 0 and below 1"),
            ("candidate_line", self.line <= self.candidate_line <= 1, f"between line ({self.line:g}) and 1"),
            ("suppress_us", self.suppress_us >= 0, "at least 0"),
            ("evidence_us", self.evidence_us > 0, "above 0"),
            ("severities", bool(bounds) and bounds == sorted(set(bounds)) and bounds[-1] == 1.0,
             "(name, bound) pairs with rising bounds that end with 1.0"),
            ("critical_reserve", 0 <= self.critical_reserve <= 1, "between 0 and 1"),
            ("capacity", self.capacity >= 1, "at least 1"),
        ):  # fmt: skip
            if not ok:
                raise ConfigError(f"alerts.{key}: seen {getattr(self, key)!r}, allowed: {allowed}")

    @property
    def burst(self) -> int:
        """Tokens that can be saved up."""
        return max(1, self.budget_per_day // 4) if self.budget_burst is None else self.budget_burst

    def rank(self, tail_probability: float) -> int:
        """Index into severities, 0 is the worst."""
        return next(i for i, (_, bound) in enumerate(self.severities) if tail_probability <= bound)

    def build(self, job_name: str, digest: str, resume: bytes | None = None) -> "AlertPolicy":
        """A policy at work.  Raises SnapshotError for bytes that do not fit."""
        policy = AlertPolicy(self, job_name, digest)
        if resume is not None:
            policy._restore(resume)
        return policy


def combine(tail_probabilities: Iterable[float]) -> float:
    """One tail probability for several windows of one subject: 1 / (1/p1 + 1/p2 + ...), in (0, 1].

    One window alone keeps its own; K windows that agree reach p / K, however much their events overlap.
    This is the harmonic mean p-value without its factor K (Wilson 2019, PNAS 116(4), 1195-1200, for tests under
    arbitrary dependence): `line` is meant per window, and K kinds of windows make about K times as many errors.
    """
    return min(1.0, 1.0 / math.fsum(1.0 / max(p, 1e-300) for p in tail_probabilities))


@dataclass(slots=True)
class _Track:
    """What is remembered of one subject. Times are round ends.

    evidence: strongest candidate per window kind, (tail probability, end).  fresh: candidates since the last decision.
    repeats: candidates folded since the latest alert, which was alerted_us, alerted_rank.  first_us, last_us: bounds of
    its suspicious windows since then.  withheld: refused a token since then.  seen_us: latest candidate.
    """

    evidence: dict[str, tuple[float, int]] = field(default_factory=dict)
    fresh: int = 0
    repeats: int = 0
    first_us: int | None = None
    last_us: int | None = None
    seen_us: int = 0
    alerted_us: int | None = None
    alerted_rank: int = 0
    withheld: bool = False

    def live(self, old_us: int) -> dict[str, tuple[float, int]]:
        """The evidence that is newer."""
        return {window: seen for window, seen in self.evidence.items() if seen[1] > old_us}


_FIELDS: Final = tuple(f.name for f in fields(_Track))


class AlertPolicy:
    """Evidence in, alerts out, round by round in event time.

    1. A candidate is evidence for `evidence_us`. Per subject, the strongest of each window kind counts; together they
       give one tail probability (`combine`) and so a severity.
    2. A subject with new evidence, at or below the line, contends. It is folded (counted as a repeat) when it was
       alerted less than `suppress_us` ago at the same or a worse severity.
    3. Contenders draw tokens, most improbable first; the last `critical_reserve` of the bucket is for the worst
       severity. Who finds no token is withheld. The most improbable of these, as many as a day's budget could serve,
       wait as long as their evidence lasts and contend in every round; the others need new evidence to contend again.

    The result depends on the sequence of rounds, not on the order of the candidates in one. Rounds without candidates
    may be left out; called, they let those who wait draw the tokens refilled meanwhile.
    """

    def __init__(self, spec: PolicySpec, job_name: str, digest: str) -> None:
        self.spec = spec
        self._job = job_name
        self._digest = digest
        self._now_us: int | None = None
        # A token is DAY_US units and a microsecond refills budget_per_day units: integers, so the refill of a long step
        # is exactly that of many short ones.
        self._units = spec.burst * DAY_US
        self._reserve = int(spec.critical_reserve * spec.burst) * DAY_US
        self._tests: dict[int, int] = {}
        """Hour -> subject-days that were judged in it, in microseconds."""
        self._tracks: dict[int, _Track] = {}
        self._waiting: dict[int, Candidate] = {}
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """Totals since the start: candidates, alerts.<severity>, suppressed (candidates folded), withheld.<severity>
        (subjects refused a token), released (of those, alerted after all), forgotten (subjects that left at capacity).
        """
        return dict(self._counts)

    @property
    def waiting(self) -> int:
        """Subjects that wait for a token now."""
        return len(self._waiting)

    def round(self, end_us: int, candidates: Iterable[Candidate], tests_us: int = 0) -> list[Alert]:
        """The alerts of one round end, most improbable first.

        end_us: later than that of the round before, or equal.  candidates: of all cohorts and windows, in any order.
        tests_us: subject-days judged since the round before, candidates or not, in microseconds (for false_discovery).
        """
        self._advance(end_us)
        hour = end_us // HOUR_US
        self._tests[hour] = self._tests.get(hour, 0) + tests_us
        self._tests = {h: us for h, us in self._tests.items() if h > hour - 24}
        alerts: list[Alert] = []
        refused: dict[int, Candidate] = {}
        for p, subject, candidate in self._contenders(end_us, self._absorb(end_us, candidates)):
            track = self._tracks[subject]
            rank = self.spec.rank(p)
            severity = self.spec.severities[rank][0]
            if self._silenced(track, rank, end_us):
                self._counts["suppressed"] += track.fresh
                track.repeats += track.fresh
                track.fresh = 0
            elif self._units >= DAY_US + (self._reserve if rank else 0):
                self._units -= DAY_US
                self._counts[f"alerts.{severity}"] += 1
                self._counts["released"] += track.withheld
                alerts.append(self._alert(track, candidate, p, rank, end_us))
            else:
                self._counts[f"withheld.{severity}"] += not track.withheld
                track.withheld = True
                refused[subject] = candidate
        self._waiting = dict(islice(refused.items(), self.spec.budget_per_day + self.spec.burst))
        return alerts

    def _advance(self, end_us: int) -> None:
        before_us = end_us if self._now_us is None else self._now_us
        if end_us < before_us:
            raise DriftnetError(f"alert policy: rounds must not go back in time: {end_us} us after {before_us} us")
        self._now_us = end_us
        self._units = min(self.spec.burst * DAY_US, self._units + (end_us - before_us) * self.spec.budget_per_day)
        if end_us // HOUR_US != before_us // HOUR_US:
            old_us = end_us - max(self.spec.evidence_us, self.spec.suppress_us)
            self._forget([s for s, t in self._tracks.items() if max(t.seen_us, t.alerted_us or t.seen_us) <= old_us])

    def _absorb(self, end_us: int, candidates: Iterable[Candidate]) -> dict[int, Candidate]:
        """Takes the candidates as evidence; returns each subject's strongest."""
        strongest: dict[int, Candidate] = {}
        for c in sorted(candidates, key=lambda c: (c.tail_probability, c.subject, c.window, c.start_us)):
            if c.tail_probability > self.spec.candidate_line:
                continue
            strongest.setdefault(c.subject, c)
            track = self._tracks.setdefault(c.subject, _Track())
            live = track.live(end_us - self.spec.evidence_us)
            if not live or track.first_us is None or track.last_us is None:
                track.first_us, track.last_us = c.start_us, c.stop_us
            if c.window not in live or c.tail_probability <= live[c.window][0]:
                live[c.window] = (c.tail_probability, end_us)
            track.evidence = live
            track.first_us, track.last_us = min(track.first_us, c.start_us), max(track.last_us, c.stop_us)
            track.seen_us = end_us
            track.fresh += 1
            self._counts["candidates"] += 1
        if len(self._tracks) > self.spec.capacity:
            # A tenth at once: the sort is paid once per many rounds, not in every round at the limit.
            by_silence = sorted(self._tracks, key=lambda s: (self._tracks[s].seen_us, s))
            leaving = by_silence[: len(self._tracks) - self.spec.capacity + self.spec.capacity // 10]
            self._counts["forgotten"] += len(leaving)
            self._forget(leaving)
        return strongest

    def _contenders(self, end_us: int, strongest: dict[int, Candidate]) -> list[tuple[float, int, Candidate]]:
        """(tail probability of all evidence, subject, strongest window since it contends), most improbable first."""
        old_us = end_us - self.spec.evidence_us
        line = self._line(old_us)
        found = []
        for subject in (strongest.keys() | self._waiting.keys()) & self._tracks.keys():
            new, held = strongest.get(subject), self._waiting.get(subject)
            mine = [c for c in (held, new) if c is not None and c.end_us > old_us]
            live = self._tracks[subject].live(old_us)
            if mine and live:
                p = combine(p for p, _ in live.values())
                if p <= line:
                    found.append((p, subject, min(mine, key=lambda c: c.tail_probability)))
        return sorted(found, key=lambda f: f[:2])

    def _line(self, old_us: int) -> float:
        """The largest tail probability that is alerted now."""
        share = self.spec.false_discovery
        if not share:
            return self.spec.line
        lives = (track.live(old_us) for track in self._tracks.values())
        ps = sorted(combine(p for p, _ in live.values()) for live in lives if live)
        days = max(sum(self._tests.values()) / DAY_US, len(ps))
        lines = [share * (k + 1) / days for k, p in enumerate(ps) if p <= share * (k + 1) / days]
        return min(self.spec.line, max(lines, default=0.0))

    def _silenced(self, track: _Track, rank: int, end_us: int) -> bool:
        return (
            track.alerted_us is not None
            and end_us < track.alerted_us + self.spec.suppress_us
            and rank >= track.alerted_rank
        )

    def _alert(self, track: _Track, candidate: Candidate, p: float, rank: int, end_us: int) -> Alert:
        live = track.live(end_us - self.spec.evidence_us)
        alert = Alert(
            job=self._job,
            digest=self._digest,
            candidate=candidate,
            severity=self.spec.severities[rank][0],
            tail_probability=p,
            evidence=tuple(Evidence(w, q, at) for w, (q, at) in sorted(live.items())),
            raised_us=end_us,
            suppressed_repeats=track.repeats,
            first_us=candidate.start_us if track.first_us is None else track.first_us,
            last_us=candidate.stop_us if track.last_us is None else track.last_us,
        )
        track.fresh, track.repeats, track.first_us, track.last_us, track.withheld = 0, 0, None, None, False
        track.alerted_us, track.alerted_rank = end_us, rank
        return alert

    def _forget(self, subjects: Iterable[int]) -> None:
        for subject in subjects:
            del self._tracks[subject]
            self._waiting.pop(subject, None)

    def snapshot(self) -> bytes:
        """The whole state; `PolicySpec.build(..., resume=...)` takes it back."""
        meta = {
            "now_us": self._now_us,
            "units": self._units,
            "tests": sorted(self._tests.items()),
            "fields": _FIELDS,
            "tracks": [[s, *(getattr(t, name) for name in _FIELDS)] for s, t in sorted(self._tracks.items())],
            "waiting": [c.to_json() for _, c in sorted(self._waiting.items())],
            "counts": self._counts,
        }
        return pack("policy", 1, meta, {})

    def _restore(self, blob: bytes) -> None:
        _, meta, _ = unpack(blob, "policy", reads=(1,))
        self._now_us = meta["now_us"]
        self._units = min(meta["units"], self.spec.burst * DAY_US)
        self._tests = dict(meta.get("tests", ()))  # not in the first savepoints
        self._counts = Counter(meta["counts"])
        self._waiting = {c.subject: c for c in map(Candidate.from_json, meta["waiting"])}
        for subject, *values in meta["tracks"]:
            track = _Track(**dict(zip(meta["fields"], values, strict=True)))
            track.evidence = {window: (p, end_us) for window, (p, end_us) in track.evidence.items()}
            self._tracks[subject] = track
