"""`driftnet config`: check a configuration, show what it amounts to."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, Settings, load_config, print_json, print_text

app = typer.Typer(no_args_is_help=True, help="Check a configuration, or show what it amounts to.")
File = Annotated[
    Path | None, typer.Argument(help="A TOML file; without one, the shipped defaults.", show_default=False)
]


@app.command()
def check(config: File = None, settings: Settings = None, as_json: AsJson = False) -> None:
    """Check a configuration as a whole: keys, names, kinds, windows, detectors.

    Exit code 2 if it cannot run, or only without some of its detectors.

    Example: [bold]driftnet config check fraud.toml[/]
    """
    found = load_config(config, settings)
    job = found.job()
    windows = {w.window.name: len(w.features) for w in job.windows}
    if as_json:
        print_json({
            "job": job.name, "digest": job.digest, "windows": windows, "detectors": [d.name for d in job.detectors],
            "left_out": dict(job.left_out),
        })  # fmt: skip
        raise typer.Exit(2 if job.left_out else 0)
    verdict = "can run, but detectors are left out" if job.left_out else "fine"
    detectors = [f"{d.name} ({d.spec.type}) on {' '.join(d.windows)}" for d in job.detectors]
    print_text(
        f"{config or 'the defaults'}: {verdict}.  Job {job.name!r}, digest {job.digest}",
        f"  windows    {', '.join(f'{name} ({count} features)' for name, count in windows.items())}",
        f"  detectors  {', '.join(detectors) or 'none'}",
        f"  cohorts    {', '.join(job.cohorts.names)}",
        f"  sources    {', '.join(f'{name} ({s.kind})' for name, s in found.sources.items()) or 'none'}",
    )
    raise typer.Exit(2 if job.left_out else 0)


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
