"""The alert stage: all cohorts' candidates, round by round, through the one alert policy."""

from typing import Any, Final

from detectors.alerting.alert import Candidate
from flows.evolution import LayoutNote
from flows.job import Job
from flows.layout import Layout, layout_of
from flows.operators.messages import Output, PolicyInput, Stream
from flows.operators.rounds import Rounds
from state.chunks import Chunks, Latest, Saved, table_of
from state.snapshot import pack, unpack

_VERSION: Final = 2


class AlertOperator:
    """Candidates and watermarks in, alert records out."""

    def __init__(self, job: Job, resume: Saved | None = None, unsaid: Layout | None = None) -> None:
        """unsaid: the layout of state that does not say its own; None for the job's."""
        self._job = job
        self._rounds: Rounds[Candidate] = Rounds(job.cohorts.names)
        self._subjects: dict[str, list[tuple[int, int]]] = {name: [] for name in job.cohorts.names}
        """Cohort -> (end of a round, its subjects of the 24 hours before): the last one heard, and those to come."""
        self._saved = Latest()
        self._layout = LayoutNote(job)
        gone: frozenset[str] = frozenset()
        policy: bytes | None = None
        if resume is not None:
            version, meta, arrays = unpack(resume.root, "alerts", (1, _VERSION))
            self._rounds.watermarks.restore(meta["watermarks"])
            self._rounds.watermark_us = meta["watermark_us"]
            told_of = meta.get("subjects", {})
            for name in self._subjects.keys() & told_of.keys():
                self._subjects[name] = [(end, n) for end, n in told_of[name]]
            # Probabilities of version 1 meant something else: its evidence is not evidence here.
            layout = self._layout.changed(resume, meta, unsaid)
            if layout is not None:
                gone = frozenset(layout.windows.keys() - layout.kept_windows(layout_of(job)).keys())
            for candidate in map(Candidate.from_json, meta["waiting"] if version > 1 else ()):
                if candidate.window not in gone:
                    self._rounds.add(candidate.end_us, candidate)
            refs = resume.chunks.refs(arrays["policy"])
            policy = self._saved.get(resume.chunks, ["policy"], refs)["policy"]
        weights = {w.window.name: 0.0 for w in job.windows}
        for use in job.detectors:
            for window in use.windows if not use.spec.declared else ():
                weights[window] += use.weight
        self._policy = job.policy.build(job.name, job.digest, weights, policy)
        self._policy.forget_windows(gone)

    def process(self, message: PolicyInput) -> list[Output]:
        """Collects the candidates; judges the rounds that every cohort has finished."""
        for candidate in message.candidates:
            self._rounds.add(candidate.end_us, candidate)
        self._subjects[message.sender] += message.subjects
        out: list[Output] = []
        for end_us, candidates in self._rounds.advance(message.sender, message.watermark_us) or []:
            before = dict(self._policy.counts)
            alerts = self._policy.round(end_us, candidates, sum(self._heard(c, end_us) for c in self._subjects))
            if alerts:
                out.append(Output(Stream.ALERTS, [a.to_record() for a in alerts]))
            changed = {k: v - before.get(k, 0) for k, v in self._policy.counts.items() if v != before.get(k, 0)}
            if changed:
                out.append(Output(Stream.COUNTS, [changed]))
        for cohort in self._subjects:
            self._heard(cohort, self._rounds.watermark_us)
        return out

    def _heard(self, cohort: str, end_us: int) -> int:
        """How many subjects the cohort had by then."""
        told = self._subjects[cohort]
        while len(told) > 1 and told[1][0] <= end_us:
            told.pop(0)
        return told[0][1] if told and told[0][0] <= end_us else 0

    def forget(self, subject: int) -> int:
        """Drops all that is known of one subject; how many of its candidates waited."""
        before = sum(map(len, self._rounds.waiting.values()))
        self._rounds.filter(lambda candidate: None if candidate.subject == subject else candidate)
        self._policy.forget(subject)
        return before - sum(map(len, self._rounds.waiting.values()))

    def describe(self) -> dict[str, Any]:
        """What there is, as JSON values."""
        return {"watermark_us": self._rounds.watermark_us, "policy_bytes": len(self._policy.snapshot())}

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame of the state."""
        waiting = [c.to_json() for end in sorted(self._rounds.waiting) for c in self._rounds.waiting[end]]
        meta = {
            "watermarks": self._rounds.watermarks.state(),
            "watermark_us": self._rounds.watermark_us,
            "waiting": waiting,
            "subjects": self._subjects,
            "layout": self._layout.put(chunks),
        }
        refs = self._saved.put(chunks, {"policy": self._policy.snapshot()})
        return pack("alerts", _VERSION, meta, {"policy": table_of(refs)})
