"""The alert stage: all cohorts' candidates, round by round, through the one alert policy."""

from typing import Any, Final

from detectors.alerting.alert import Candidate
from flows.job import Job
from flows.operators.messages import Output, PolicyInput, Stream
from flows.operators.rounds import Rounds
from state.chunks import Chunks, Latest, Saved, table_of
from state.snapshot import pack, unpack

_VERSION: Final = 1


class AlertOperator:
    """Candidates and watermarks in, alert records out."""

    def __init__(self, job: Job, resume: Saved | None = None) -> None:
        self._job = job
        self._rounds: Rounds[Candidate] = Rounds(job.cohorts.names)
        self._tests: dict[int, int] = {}
        """End of a round -> subject-days that cohorts judged in it; until the policy has heard of them."""
        self._saved = Latest()
        policy: bytes | None = None
        if resume is not None:
            _, meta, arrays = unpack(resume.root, "alerts", (_VERSION,))
            self._rounds.watermarks.restore(meta["watermarks"])
            self._rounds.watermark_us = meta["watermark_us"]
            self._tests = dict(meta.get("tests", ()))
            for candidate in map(Candidate.from_json, meta["waiting"]):
                self._rounds.add(candidate.end_us, candidate)
            refs = resume.chunks.refs(arrays["policy"])
            policy = self._saved.get(resume.chunks, ["policy"], refs)["policy"]
        self._policy = job.policy.build(job.name, job.digest, policy)

    def process(self, message: PolicyInput) -> list[Output]:
        """Collects the candidates; judges the rounds that every cohort has finished."""
        for candidate in message.candidates:
            self._rounds.add(candidate.end_us, candidate)
        for end_us, tests_us in message.tests:
            self._tests[end_us] = self._tests.get(end_us, 0) + tests_us
        out: list[Output] = []
        for end_us, candidates in self._rounds.advance(message.sender, message.watermark_us) or []:
            before = dict(self._policy.counts)
            heard = [end for end in self._tests if end <= end_us]
            alerts = self._policy.round(end_us, candidates, sum(self._tests.pop(end) for end in heard))
            if alerts:
                out.append(Output(Stream.ALERTS, [a.to_record() for a in alerts]))
            changed = {k: v - before.get(k, 0) for k, v in self._policy.counts.items() if v != before.get(k, 0)}
            if changed:
                out.append(Output(Stream.COUNTS, [changed]))
        return out

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
            "tests": sorted(self._tests.items()),
        }
        refs = self._saved.put(chunks, {"policy": self._policy.snapshot()})
        return pack("alerts", _VERSION, meta, {"policy": table_of(refs)})
