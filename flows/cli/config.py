"""`driftnet config`: check a configuration, show what it amounts to."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, Settings, load_config, print_json, print_text
from flows.job import Job
from flows.reach import Reach, no_alerts, reach

app = typer.Typer(no_args_is_help=True, help="Check a configuration, or show what it amounts to.")
File = Annotated[
    Path | None, typer.Argument(help="A TOML file; without one, the shipped defaults.", show_default=False)
]


@app.command()
def check(config: File = None, settings: Settings = None, as_json: AsJson = False) -> None:
    """Check a configuration as a whole: keys, names, kinds, windows, detectors.

    Exit code 2 if it cannot run, or only without some of its detectors, or if no subject could ever be alerted.

    Example: [bold]driftnet config check fraud.toml[/]
    """
    found = load_config(config, settings)
    job = found.job()
    windows = {w.window.name: len(w.features) for w in job.windows}
    reached, silent = reach(job), no_alerts(job)
    code = 2 if job.left_out or silent else 0
    if as_json:
        print_json({
            "job": job.name, "digest": job.digest, "windows": windows, "detectors": [d.name for d in job.detectors],
            "left_out": dict(job.left_out), "reach": asdict(reached), "no_alerts": silent,
        })  # fmt: skip
        raise typer.Exit(code)
    if silent:
        verdict = "can run, but nobody can be alerted"
    else:
        verdict = "can run, but detectors are left out" if job.left_out else "fine"
    detectors = [f"{d.name} ({d.spec.type}) on {' '.join(d.windows)}" for d in job.detectors]
    print_text(
        f"{config or 'the defaults'}: {verdict}.  Job {job.name!r}, digest {job.digest}",
        f"  windows    {', '.join(f'{name} ({count} features)' for name, count in windows.items())}",
        f"  detectors  {', '.join(detectors) or 'none'}",
        f"  cohorts    {', '.join(job.cohorts.names)}",
        f"  sources    {', '.join(f'{name} ({s.kind})' for name, s in found.sources.items()) or 'none'}",
        *_reach_lines(job, reached),
        *([f"No subject can ever be alerted: {silent}."] if silent else []),
    )
    raise typer.Exit(code)


def _reach_lines(job: Job, reached: Reach) -> list[str]:
    """What evidence can amount to, and what that means for populations of different sizes."""
    if not reached.windows:
        return []
    policy, sample = job.policy, job.calibration
    alone = ", ".join(f"{window} {p:.1e}" for window, p in reached.windows.items())
    reach_line = f"  reach      {alone}, together {reached.together:.1e}; at {policy.line:g} a subject is alerted"
    weak = [window for window, p in reached.windows.items() if p > policy.line]
    if weak and len(weak) < len(reached.windows):
        reach_line += f"; not by {' or '.join(weak)} alone"
    what = "rows" if sample.per == "row" else "subjects"
    room = f"{policy.budget_per_day:,} a day, as many as of {policy.budget_per_day / policy.line:,.0f} genuine {what}"
    return [
        reach_line,
        f"  scale      first verdicts after {sample.ready:,} {what}, compared with at most {sample.remember:,}",
        f"             of genuine {what} one in {1 / policy.line:,.0f} is alerted on a day; the budget is {room}",
    ]
