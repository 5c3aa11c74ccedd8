"""`driftnet bench`: measure, compare two commits, keep the history.  Heavy imports happen inside commands."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from bench.quality.asked import Asked
from bench.results import BenchError
from bench.runner import DEFAULT, Part, Plan, need_extra
from bench.runner import run as run_plan
from flows.cli.options import AsJson, print_json, print_text
from state.errors import DriftnetError

if TYPE_CHECKING:
    from bench.compare.measure import Compared
    from bench.report.write import Written


class _RunByDefault(TyperGroup):
    """`driftnet bench zipf` is `driftnet bench run zipf`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all well; 1 a case failed, or a commit is slower; 2 wrong usage, or nothing was measured.",
)
history = typer.Typer(invoke_without_command=True, help="The figures of each release.")
app.add_typer(history, name="history")
Out = Annotated[Path, typer.Option("--out", "-o", help="Where results.json, summary.json and report.html are written.")]
HistoryFile = Annotated[
    Path | None, typer.Option("--file", help="The history.", show_default="bench/history.jsonl of this installation")
]
OUT = Path("out/bench")
FAILED = 1


@app.callback()
def bench() -> None:
    """How fast, how big, compared with what: [bold]driftnet bench[/] measures, and writes a report to show around.

    Without a command it is [bold]run[/]: [bold]driftnet bench zipf churn[/].
    """


@app.command()
def run(
    scenarios: Annotated[
        list[str] | None, typer.Argument(metavar="SCENARIO", help="Only these scenarios.", show_default=False)
    ] = None,
    only: Annotated[
        list[Part] | None,
        typer.Option(help="Only this part; can be given more than once.", show_default=" ".join(DEFAULT)),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All parts; takes hours.")] = False,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="The sizes of the tests: to see it work, not to quote.")
    ] = False,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Rounds of each case, at least.", show_default="as the case thinks right")
    ] = None,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """Measure, print the tables, write the report.

    Examples:

      [bold]driftnet bench[/]                      scenarios, layers and quality

      [bold]driftnet bench zipf hot-user[/]        two scenarios

      [bold]driftnet bench --only growth[/]        how costs grow

    Exit code 1 when a case failed.
    """
    need_extra()
    from bench.report.write import write

    plan = _plan(scenarios or [], only or [], everything=everything, smoke=smoke, rounds=rounds)
    ran = run_plan(replace(plan, asked=_asked(out)))
    _show(write(ran.table, out), as_json=as_json)
    if ran.failed:
        sys.stderr.write("driftnet bench: some cases failed; their figures are missing\n")
        raise typer.Exit(FAILED)


@app.command()
def quality(
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Only scenarios whose id fits, such as 'null-*-41'; can be given more than once.",
            show_default="all",
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=366, help="So many days of each.", show_default="seven; three of company")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="Another configuration than the shipped one."),
    ] = None,
    company: Annotated[
        bool, typer.Option("--company", help="Campaigns in the simulator's harder worlds, in place of single accounts.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep-recordings", help="Another configuration then takes seconds, and much disk.")
    ] = False,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="The sizes of the tests: to see it work, not to quote.")
    ] = False,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """How true the verdicts are: simulated platforms, with and without attackers, day by day.

    A scenario is an attack, a number of users and a seed: [bold]shipped-5000-41[/]. Their results are kept in
    OUT/quality, and are taken from there while code and configuration are the same: all take hours, and can be
    interrupted.

    Examples:

      [bold]driftnet bench quality --only 'null-2000-*' --only 'shipped-2000-*'[/]

      [bold]driftnet bench quality --only warm-2000-41 --keep-recordings --set alerts.line=1e-3[/]

      [bold]driftnet bench quality --company --only 'near-5000-*' --only 'innocent-*'[/]
    """
    need_extra()
    from bench.report.write import write

    plan = _company(only or ["*"], smoke=smoke) if company else _verdicts(only or ["*"], smoke=smoke)
    if company and keep:
        raise BenchError("--keep-recordings: worlds of --company are run whole, and have none")
    ran = run_plan(replace(plan, asked=_asked(out, days, settings or (), keep=keep)))
    _show(write(ran.table, out), as_json=as_json)
    if ran.failed:
        sys.stderr.write("driftnet bench: some scenarios failed; their figures are missing\n")
        raise typer.Exit(FAILED)


@app.command()
def report(
    results: Annotated[
        Path, typer.Argument(help="results.json of a run, or any JSON of pytest-benchmark with our cases.")
    ],
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """Print the tables and write the report of an earlier run again.

    Example: [bold]driftnet bench report out/bench/results.json --out again[/]
    """
    need_extra()
    import orjson

    from bench.report.write import write
    from bench.results import read_results

    read_results(results)
    _show(write(orjson.loads(results.read_bytes()), out), as_json=as_json)


@app.command()
def compare(
    base: Annotated[str, typer.Argument(help="The first commit: a hash, branch or tag.", show_default=False)],
    head: Annotated[str, typer.Argument(help="The second; WORK is the working tree as it is.", show_default=False)],
    cases: Annotated[
        list[str] | None,
        typer.Argument(metavar="CASE", help="Parts of case ids, e.g. test_wire or decode; all quick ones without."),
    ] = None,
    limit: Annotated[float, typer.Option(min=0.01, help="The loss that counts, as a share.")] = 0.2,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each commit for each case.")] = 3,
    smoke: Annotated[bool, typer.Option("--smoke", help="The sizes of the tests: quick, and noisier.")] = False,
    own_cases: Annotated[
        bool, typer.Option("--own-cases", help="Each runs the cases of its own bench folder, matched by their ids.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare two commits: the same cases of the second one's bench folder, in turns, each with its own code.

    Where the second one's cases ask for what the first did not have yet, they fail there: [bold]--own-cases[/] then.

    Examples:

      [bold]driftnet bench compare main HEAD[/]

      [bold]driftnet bench compare HEAD WORK test_wire test_windows[/]

    Prints Markdown where standard output is no terminal. Exit code 1 when a case got slower by more than the limit, in
    two measurements, fails on the second commit only, or makes more mistakes there than noise explains.
    """
    need_extra()
    from bench.compare.measure import QUICK, Asked
    from bench.compare.measure import compare as compare_commits

    asked = Asked(base, head, tuple(cases or QUICK), limit, rounds, smoke, own_cases)
    found = compare_commits(asked, Path.cwd(), lambda line: print(line, file=sys.stderr, flush=True))
    _print_comparison(found, as_json=as_json)
    if not found.comparable:
        hint = "" if own_cases else "; --own-cases runs those of each one's own bench folder"
        raise BenchError(f"no case ran on both commits{hint}")
    if found.losses:
        raise typer.Exit(FAILED)


@history.callback()
def list_history(ctx: typer.Context, file: HistoryFile = None, as_json: AsJson = False) -> None:
    """Print the figures of each release.

    Example: [bold]driftnet bench history[/]
    """
    if ctx.invoked_subcommand is not None:
        return
    from bench.history import FILE, read, table

    releases = read(file or FILE)
    if as_json:
        print_json(releases)
    elif releases:
        print_text(table(releases).rich())
    else:
        print_text("no release yet: driftnet bench --all, then driftnet bench history add out/bench/summary.json")


@history.command("add")
def add_history(
    summary: Annotated[Path, typer.Argument(help="summary.json of a run.")],
    release: Annotated[
        str | None, typer.Option(help="The version, when the run was from a bare checkout.", show_default=False)
    ] = None,
    file: HistoryFile = None,
) -> None:
    """Append a run as a release.  A release that is there already is refused.

    Example: [bold]driftnet bench history add out/bench/summary.json[/]

    Exit code 1 when it was added, but makes more mistakes than noise explains: attackers missed, people accused.
    """
    from bench.history import FILE, add, read, worse_than

    path = file or FILE
    added = add(path, summary, release)
    print_text(f"{path}: {added['version']} added")
    if worse := worse_than(read(path), added):
        sys.stderr.write("".join(f"driftnet bench: worse: {line}\n" for line in worse))
        raise typer.Exit(FAILED)


def main(arguments: list[str] | None = None) -> None:
    """Always ends in SystemExit; an error of ours is its message, without a traceback."""
    try:
        app(args=arguments, prog_name="driftnet bench")
    except DriftnetError as error:
        sys.stdout.flush()
        sys.stderr.write(f"driftnet bench: {error}\n")
        raise SystemExit(2) from None


def _asked(out: Path, days: int | None = None, settings: Sequence[str] = (), *, keep: bool = False) -> Asked:
    return Asked(str((out / "quality").resolve()), days, tuple(settings), keep)


def _verdicts(only: Sequence[str], *, smoke: bool) -> Plan:
    from bench.quality.scenarios import chosen, ids_in_words

    found = chosen(only, smoke=smoke)
    if not found:
        raise BenchError(f"no scenario fits {' or '.join(only)}; ids are ATTACK-USERS-SEED: {ids_in_words()}")
    return Plan((), smoke=smoke, verdicts=tuple(s.id for s in found))


def _company(only: Sequence[str], *, smoke: bool) -> Plan:
    from bench.quality.worlds import chosen_worlds, world_ids_in_words

    found = chosen_worlds(only, smoke=smoke)
    if not found:
        raise BenchError(f"no world fits {' or '.join(only)}; ids are WORLD-USERS-SEED: {world_ids_in_words()}")
    return Plan((), smoke=smoke, company=tuple(s.id for s in found))


def _plan(scenarios: list[str], only: list[Part], *, everything: bool, smoke: bool, rounds: int | None) -> Plan:
    from bench.quality.scenarios import chosen
    from bench.quality.worlds import chosen_worlds
    from bench.scenarios import SCENARIOS

    if unknown := [name for name in scenarios if name not in SCENARIOS]:
        raise BenchError(f"{', '.join(unknown)}: no such scenario; there are {', '.join(SCENARIOS)}")
    if everything and only:
        raise BenchError("--all and --only exclude each other")
    parts = tuple(Part) if everything else tuple(only) or DEFAULT
    if scenarios:
        parts = (Part.SCENARIOS, *(part for part in only if part is not Part.SCENARIOS))
    verdicts = tuple(s.id for s in chosen(["*"], smoke=smoke)) if everything else ()
    worlds = tuple(s.id for s in chosen_worlds(["*"], smoke=smoke)) if everything else ()
    return Plan(parts, tuple(scenarios), smoke, rounds, verdicts, worlds)


def _show(written: "Written", *, as_json: bool) -> None:
    if as_json:
        import orjson

        print_json(orjson.loads(written.summary.read_bytes()))
        return
    for section in written.sections:
        print_text(*(part for table in section.tables for part in ("", table.rich())))
    print_text("", f"The report: {written.page}", f"For programs: {written.summary}, {written.results}")


def _print_comparison(found: "Compared", *, as_json: bool) -> None:
    from bench.compare.verdict import median_ratio, table

    if as_json:
        print_json(found.to_json())
        return
    drawn = table(found.pairs, found.titles, found.asked.limit)
    middle = median_ratio(found.pairs)
    lines = [
        f"{len(found.losses)} of {len(found.pairs)} cases lose" + (f"; median ratio {middle:.2f} ×" if middle else "")
    ]
    if found.other_results:
        lines.append(f"{len(found.other_results)} give another result than before: look at them")
    lines += found.notes
    if sys.stdout.isatty():
        print_text(drawn.rich(), "", *lines)
    else:
        typer.echo("\n".join([drawn.markdown(), "", *lines]))
