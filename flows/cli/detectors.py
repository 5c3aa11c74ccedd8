"""`driftnet detectors`: what can judge window rows."""

import logging

import typer

from flows.cli.options import AsJson, print_json, text_console

_log = logging.getLogger("driftnet")
app = typer.Typer(no_args_is_help=True, help="Detectors that are installed, and their parameters.")


@app.command("list")
def list_detectors(as_json: AsJson = False) -> None:
    """List the detector types, built in and plugged in, with their parameters and defaults.

    Example: [bold]driftnet detectors list[/]
    """
    from detectors.registry import registry
    from flows.config.reference import detector_reference

    found = detector_reference()
    for left_out in registry().problems:
        _log.warning("plug-in %s of %s was left out: %s", left_out.name, left_out.distribution, left_out.error)
    if as_json:
        print_json([d.to_json() for d in found])
        return
    from rich.table import Table

    console = text_console()
    for detector in found:
        scope = "one model per cohort" if detector.scope == "cohort" else "one history per subject"
        console.print(f"[bold]{detector.type}[/]  version {detector.version}, {scope}\n  {detector.summary}")
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 2))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(style="green", no_wrap=True)
        table.add_column()
        for p in detector.params:
            table.add_row(p.key, p.default, p.about)
        console.print(table)
