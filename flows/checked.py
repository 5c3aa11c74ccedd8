"""What can be said of a configuration before it runs: for `driftnet config check`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from flows.config.models import Config
from flows.evolution.fates import FateKind
from flows.evolution.saved_job import fates_against
from flows.job import Job
from flows.printing import shown
from flows.reach import Reach, no_alerts, reach
from flows.streams import Stream

CANNOT_RUN = 2
"""Exit code of what cannot run as it is meant."""


@dataclass(frozen=True)
class Checked:
    """A configuration that compiles.  name: for people.  fates: of saved state under it, None where none was named."""

    name: str
    config: Config
    fates: Mapping[FateKind, Sequence[str]] | None = None

    @staticmethod
    def of(name: str, config: Config, against: Path | None) -> "Checked":
        """against: a state directory or savepoint.  Raises ConfigError, and SnapshotError for state that is none."""
        if against is None:
            return Checked(name, config)
        found: dict[FateKind, list[str]] = {}
        for fate in fates_against(against, config):
            found.setdefault(fate.kind, []).append(fate.why)
        return Checked(name, config, found)

    @property
    def job(self) -> Job:
        """The compiled job.  Raises ConfigError."""
        return self.config.job()

    @cached_property
    def reach(self) -> Reach:
        """What its evidence can amount to."""
        return reach(self.job)

    @cached_property
    def no_alerts(self) -> str:
        """Why no subject can ever be alerted; "" where some can."""
        return no_alerts(self.job)

    @property
    def code(self) -> int:
        """The exit code."""
        refused = FateKind.REFUSED in (self.fates or {})
        return CANNOT_RUN if self.job.judgement.left_out or self.no_alerts or refused else 0

    @property
    def verdict(self) -> str:
        """In a few words."""
        if self.no_alerts:
            return "can run, but nobody can be alerted"
        return "can run, but detectors are left out" if self.job.judgement.left_out else "fine"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        job = self.job
        told = {
            "job": job.name,
            "digest": job.digest,
            "windows": {w.window.name: len(w.features) for w in job.stream.windows},
            "detectors": [d.name for d in job.judgement.detectors],
            "left_out": dict(job.judgement.left_out),
            "reach": asdict(self.reach),
            "no_alerts": self.no_alerts,
            "alerts_to": [sink.kind for sink in self.config.sinks.of(Stream.ALERTS)],
        }
        if self.fates is not None:
            told["against"] = {kind.value: list(self.fates.get(kind, [])) for kind in FateKind}
        return told

    def lines(self) -> list[str]:
        """For people."""
        job, config = self.job, self.config
        windows = [f"{w.window.name} ({len(w.features)} features)" for w in job.stream.windows]
        detectors = [f"{d.name} ({d.spec.type}) on {' '.join(d.windows)}" for d in job.judgement.detectors]
        lines = [
            f"{self.name}: {self.verdict}.  Job {job.name!r}, digest {job.digest}",
            f"  windows    {', '.join(windows)}",
            f"  detectors  {', '.join(detectors) or 'none'}",
            f"  cohorts    {', '.join(job.judgement.cohorts.names)}",
            f"  sources    {', '.join(f'{name} ({s.kind})' for name, s in config.sources.items()) or 'none'}",
            f"  alerts to  {', '.join(sink.kind for sink in config.sinks.of(Stream.ALERTS)) or nowhere(config)}",
            *_reach_lines(job, self.reach),
        ]
        if self.no_alerts:
            lines.append(f"No subject can ever be alerted: {self.no_alerts}.")
        return lines

    def lines_of_state(self) -> list[str]:
        """What would become of the saved state, for people."""
        return [f"  {kind:<9}  {shown(why)}" for kind in FateKind for why in (self.fates or {}).get(kind, [])]


def nowhere(config: Config) -> str:
    """Of a configuration whose alerts have no sink: that, and what to do; "" of others."""
    if config.sinks.of(Stream.ALERTS):
        return ""
    return 'nowhere: they are counted and not kept; [sinks] alerts = [{ kind = "sqlite" }] keeps them'


def _reach_lines(job: Job, reached: Reach) -> list[str]:
    """What evidence can amount to, and what that means for populations of different sizes."""
    if not reached.windows:
        return []
    policy, sample = job.judgement.policy, job.judgement.calibration
    alone = ", ".join(f"{window} {p:.1e}" for window, p in reached.windows.items())
    reach_line = f"  reach      {alone}, together {reached.together:.1e}; at {policy.line:g} a subject is alerted"
    weak = [window for window, p in reached.windows.items() if p > policy.line]
    if weak and len(weak) < len(reached.windows):
        reach_line += f"; not by {' or '.join(weak)} alone"
    what = "subjects" if sample.per == "subject" else "rows"
    counted = "stretches" if sample.per == "stretch" else what
    room = f"{policy.budget_per_day:,} a day, as many as of {policy.budget_per_day / policy.line:,.0f} genuine {what}"
    return [
        reach_line,
        f"  scale      first verdicts after {sample.ready:,} {counted}, compared with at most {sample.remember:,}",
        f"             of genuine {what} one in {1 / policy.line:,.0f} is alerted on a day; the budget is {room}",
    ]
