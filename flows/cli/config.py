"""`driftnet config`: check a configuration, show what it amounts to."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson, Settings, load_config, print_json, print_text
from flows.printing import shown

if TYPE_CHECKING:
    from flows.config.models import Config
    from flows.fates import FateKind
    from flows.job import Job
    from flows.reach import Reach

app = typer.Typer(no_args_is_help=True, help="Check a configuration, or show what it amounts to.")
File = Annotated[
    Path | None, typer.Argument(help="A TOML file; without one, the shipped defaults.", show_default=False)
]


@app.command()
def check(
    config: File = None,
    settings: Settings = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="A state directory or savepoint: say what of it would be kept, start cold, be dropped or refused.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a configuration as a whole: keys, names, kinds, windows, detectors; and, on request, what saved state would
    become under it.  Nothing is changed.

    Exit code 2 if it cannot run, or only without some of its detectors, or not on that state, or if no subject could
    ever be alerted.

    Examples:

      [bold]driftnet config check fraud.toml[/]

      [bold]driftnet config check fraud.toml --against state/[/]
    """
    from flows.fates import FateKind
    from flows.reach import no_alerts, reach

    found = load_config(config, settings)
    job = found.job()
    fates = _fates(against, found)
    windows = {w.window.name: len(w.features) for w in job.windows}
    reached, silent = reach(job), no_alerts(job)
    code = 2 if job.left_out or silent or FateKind.REFUSED in fates else 0
    if as_json:
        told = {
            "job": job.name, "digest": job.digest, "windows": windows, "detectors": [d.name for d in job.detectors],
            "left_out": dict(job.left_out), "reach": asdict(reached), "no_alerts": silent,
        }  # fmt: skip
        of_state = {"against": {kind.value: fates.get(kind, []) for kind in FateKind}}
        print_json(told if against is None else told | of_state)
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
    if against is not None:
        print_text(f"the state in {shown(against)}:")
        print_text(*(f"  {kind:<9}  {shown(why)}" for kind in FateKind for why in fates.get(kind, [])))
    raise typer.Exit(code)


def _fates(against: Path | None, config: "Config") -> "dict[FateKind, list[str]]":
    """What becomes of saved state, by kind."""
    if against is None:
        return {}
    from flows.saved_job import fates_against

    found: dict[FateKind, list[str]] = {}
    for fate in fates_against(against, config):
        found.setdefault(fate.kind, []).append(fate.why)
    return found


def _reach_lines(job: "Job", reached: "Reach") -> list[str]:
    """What evidence can amount to, and what that means for populations of different sizes."""
    if not reached.windows:
        return []
    policy, sample = job.policy, job.calibration
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


@app.command()
def show(
    config: File = None,
    settings: Settings = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="The shipped file with its comments, to start from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the effective configuration: the shipped defaults, your file, the environment and --set, put together.

    Example: [bold]driftnet config show --defaults > fraud.toml[/]
    """
    if defaults:
        from importlib.resources import files

        typer.echo(files("flows").joinpath("defaults.toml").read_text(encoding="utf-8"), nl=False)
        return
    found = load_config(config, settings)
    if as_json:
        print_json(found.to_table())
    else:
        typer.echo(found.to_toml(), nl=False)
