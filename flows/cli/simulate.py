"""`driftnet simulate`: a platform's events as files, and the truth about them."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, ConfigFile, Settings, load_config, print_json, print_text
from flows.printing import shown


def simulate(
    directory: Annotated[
        Path, typer.Argument(help="Where part-NN.jsonl, truth.jsonl and campaigns.jsonl are written; made if need be.")
    ],
    users: Annotated[
        int | None, typer.Option(help="Accounts on the first day, attackers included.", show_default="5000")
    ] = None,
    attackers: Annotated[
        float | None, typer.Option(help="Factor on their number; 0 for none.", show_default="1: 2.5 % of the accounts")
    ] = None,
    attack_day: Annotated[
        int | None, typer.Option(help="The day on which they begin.", show_default="1, the first")
    ] = None,
    duration: Annotated[str | None, typer.Option(help="Event time, e.g. 6h or 3d.", show_default="1d")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same files.", show_default="1")] = None,
    partitions: Annotated[int | None, typer.Option(help="Files side by side.", show_default="2")] = None,
    bad_lines: Annotated[
        float | None, typer.Option(help="Broken lines of each kind, per good line.", show_default="0")
    ] = None,
    company: Annotated[
        bool,
        typer.Option("--company", help="The harder world: campaigns hide among people, and people keep company."),
    ] = False,
    gives_away: Annotated[
        bool, typer.Option("--figures", help="Also print what each kind of campaign gives away on the last day.")
    ] = False,
    gzip: Annotated[bool, typer.Option("--gzip", help="Write .jsonl.gz.")] = False,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Write a simulated platform's events, with attackers among them, and who they are.

    Example: [bold]driftnet simulate out --users 2000 --duration 12h[/], then
    [bold]driftnet replay out/part-*.jsonl --per-file --truth out/truth.jsonl[/]

    Other settings are those of a simulator source: [bold]--set sources.main.duplicate_share=0.01[/], and of its
    company: [bold]--set 'sources.main.company.organic=[0.25, 0.25]'[/].
    """
    from flows.config.endpoints import SimulatorConfig
    from flows.simulate.figures import figures_of, table
    from flows.simulate.files import write_files
    from flows.simulate.platform import Platform

    chosen = {
        "users": users,
        "attackers": attackers,
        "attack_day": attack_day,
        "duration": duration,
        "seed": seed,
        "partitions": partitions,
        "bad_line_share": bad_lines,
    }
    given = {key: value for key, value in chosen.items() if value is not None}
    found = load_config(config, settings)
    simulators = {name: source for name, source in found.sources.items() if isinstance(source, SimulatorConfig)}
    name, known = next(iter(simulators.items()), ("simulator", None))
    extra = [f"sources.{name}.{key}={value}" for key, value in given.items()]
    if company and not (known and known.company):  # an empty table would replace one with settings
        extra.append(f"sources.{name}.company={{}}")
    if known is None:
        extra.insert(0, f"sources.{name}.kind=simulator")
    source = load_config(config, [*(settings or []), *extra]).sources[name]
    assert isinstance(source, SimulatorConfig)
    spec = source.simulation()
    written = write_files(spec, directory, gzip=gzip)
    kinds = figures_of(Platform(spec)) if gives_away else []
    counts = {"lines": written.lines, "events": written.events, "duplicates": written.duplicates, "bad": written.bad}
    truth = {"truth": str(written.truth), "campaigns": str(written.campaigns)}
    files = {"parts": [str(p) for p in written.parts], **truth}
    if as_json:
        print_json(counts | files | ({"figures": [asdict(kind) for kind in kinds]} if kinds else {}))
        return
    bad = sum(written.bad.values())
    print_text(
        f"{written.lines:,} lines: {written.events:,} events, {written.duplicates:,} duplicates, {bad:,} broken lines"
    )
    print_text(*(f"  {shown(path)}" for path in [*files["parts"], *truth.values()]))
    if kinds:
        print_text(table(kinds))
    print_text(
        f"Replay them: driftnet replay {shown(directory)}/part-*.jsonl* --per-file --truth {shown(files['truth'])}"
    )
