"""`driftnet alerts`, `driftnet explain`: what was found, and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import (
    AsJson,
    ConfigFile,
    StorePath,
    load_config,
    moment_us,
    print_json,
    print_text,
    store_path,
)
from flows.printing import shown
from state.times import minute

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from flows.drive.explain import Explanation
    from flows.sinks.store import AlertStore

_ID_WIDTH = 40
"""Of a longer id the beginning is shown, so that the rest of the line is."""
app = typer.Typer(no_args_is_help=True, help="Read the alerts in the store.")
RunName = Annotated[
    str | None,
    typer.Option("--run", help="Only what this run stored: the first digits of its id, or last.", show_default=False),
]
AlertId = Annotated[str, typer.Argument(help="The alert's id; its first digits are enough.")]


@app.command("list")
def list_alerts(
    db: StorePath = None,
    severity: Annotated[str | None, typer.Option(help="Only this one, e.g. high.", show_default=False)] = None,
    subject: Annotated[str | None, typer.Option(help="Only this subject's.", show_default=False)] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Raised at this moment (event time) or later, e.g. 2026-03-02T06:00.", show_default=False),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Raised before this moment.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many, the latest; 0 for all.")] = 50,
    run: RunName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List alerts, the latest first.

    Example: [bold]driftnet alerts list --severity high --since 2026-03-02[/]
    """
    from flows.sinks.store import AlertStore

    store = AlertStore(store_path(db, config))
    run_id = None if run is None else store.run_named(run).run_id
    found = store.list_alerts(
        severity, subject, moment_us("--since", since), moment_us("--until", until), limit or None, run_id
    )
    if as_json:
        print_json(found)
        return
    if not found:
        print_text("no alerts")
        return
    print_text(list_view(found))


@app.command()
def runs(db: StorePath = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the runs that wrote to the store, the latest first, and how many alerts each was the first to store.

    Example: [bold]driftnet alerts runs[/]
    """
    from rich.table import Table

    from flows.sinks.store import AlertStore

    store = AlertStore(store_path(db, config))
    counts = store.alerts_by_run()
    found = [
        {"run_id": r.run_id, "started": r.started, "job": r.job, "digest": r.digest, "alerts": counts.get(r.run_id, 0)}
        for r in store.runs()
    ]
    if as_json:
        print_json(found)
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("run", "started", "job", "configuration", "alerts"):
        table.add_column(title, no_wrap=True, justify="right" if title == "alerts" else "left")
    for r in found:
        table.add_row(*(shown(r[key]) for key in ("run_id", "started", "job", "digest")), f"{r['alerts']:,}")
    print_text(table if found else "no runs")


@app.command("prune")
def prune_store(
    run: RunName = None,
    before: Annotated[
        str | None,
        typer.Option(help="All that is older than this moment (event time), e.g. 2026-03-02.", show_default=False),
    ] = None,
    db: StorePath = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Delete from the store what one run stored, or what is older than a moment, or both.  A job may go on meanwhile.

    Examples:

      [bold]driftnet alerts prune --run 3fa9[/]

      [bold]driftnet alerts prune --before 2026-03-02[/]
    """
    from flows.sinks.store import AlertStore, prune

    if run is None and before is None:
        raise typer.BadParameter("seen neither --run nor --before, allowed: one of them, or both", param_hint="--run")
    path = store_path(db, config)
    run_id = None if run is None else AlertStore(path).run_named(run).run_id
    deleted = prune(str(path), run_id, moment_us("--before", before))
    if as_json:
        print_json(deleted)
    else:
        print_text("deleted: " + (", ".join(f"{n:,} {table}" for table, n in deleted.items() if n) or "nothing"))


@app.command()
def show(
    alert_id: AlertId,
    run: RunName = None,
    db: StorePath = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one alert with all its evidence.

    Example: [bold]driftnet alerts show 3fa9[/]
    """
    from flows.sinks.store import AlertStore

    path = store_path(db, config)
    store = AlertStore(path)
    found = _get(store, path, alert_id, None if run is None else store.run_named(run).run_id)
    if as_json:
        print_json(found)
    else:
        print_text(*alert_view(found))


def explain(
    alert_id: AlertId,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="A file, directory or pattern that the run read, as it was named then."),
    ] = None,
    db: StorePath = None,
    run: RunName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild the state behind an alert by replaying its run up to that window, and show how it came about.

    A campaign is found again, up to the review that the alert is of.

    The run's input must still be where it was; and it is only opened where you name it too, in a configuration or with
    --input, as is code that detectors load: a store may come from anybody.

    Examples:

      [bold]driftnet explain 3fa9 --config fraud.toml[/]

      [bold]driftnet explain 3fa9 --input day1.jsonl.gz --input day2.jsonl.gz[/]
    """
    from flows.cli.display import display, event_time
    from flows.config.saved import load_saved
    from flows.drive.assembly import Assembly
    from flows.drive.explain import CampaignExplanation
    from flows.drive.explain import explain as rebuild
    from flows.drive.explain import explain_campaign as rebuild_campaign
    from flows.sinks.store import AlertStore
    from state.errors import SourceError

    path = store_path(db, config)
    store = AlertStore(path)
    alert = _get(store, path, alert_id, None if run is None else store.run_named(run).run_id)
    recorded = store.run_of(alert)
    if recorded is None:
        raise SourceError(
            f"store {path}: the run that raised alert {alert['alert_id']} is not recorded; nothing to replay"
        )
    where = f"the configuration of run {recorded.run_id}"
    then = load_saved(recorded.config, where, load_config(config), inputs or ())
    with display(quiet=as_json) as screen:
        partitions, reads = Assembly(then).inputs()
        again = rebuild_campaign if "campaign" in alert else rebuild
        found = again(
            then.job(),
            partitions,
            alert,
            lambda p: screen.update(p.read, p.fraction, event_time(p.watermark_us)),
            reads,
        )
    if as_json:
        print_json(found.to_json())
    elif isinstance(found, CampaignExplanation):
        print_text(*alert_view(found.rebuilt), "", _same(reproduced=found.reproduced))
    else:
        print_text(*alert_view(alert), "", *_rebuilt(found))


def list_view(alerts: list[dict[str, Any]]) -> "Table":
    """Alert records for people, a line each."""
    from rich.table import Table

    from flows.streams.lines import who

    table = Table(box=None, padding=(0, 2, 0, 0))
    several = len({a.get("run_id") for a in alerts}) > 1
    for title in ("id", "raised", "severity", "subject", "window"):
        table.add_column(title, no_wrap=True, max_width=_ID_WIDTH if title == "subject" else None)
    table.add_column("probability", justify="right", no_wrap=True)
    if several:
        table.add_column("run", no_wrap=True)
    table.add_column("why")
    for a in alerts:
        table.add_row(
            a["alert_id"],
            minute(a["raised"]),
            shown(a["severity"]),
            shown(who(a)),
            shown(a["window"]),
            f"{a['tail_probability']:.1e}",
            *([shown(a["run_id"])] if several else []),
            shown(_why(a)),
        )
    return table


def alert_view(a: dict[str, Any]) -> list["RenderableType"]:
    """One alert record for people."""
    from rich.table import Table

    from flows.streams.lines import who
    from flows.summary import two_columns

    if "campaign" in a:
        return _campaign_view(a)
    head = two_columns(f"{shown(a['severity'])}: {shown(who(a))}")
    rows = {
        "alert": a["alert_id"],
        "window": f"{a['window']}, {minute(a['start'])} to {minute(a['stop'])}, cohort {a['cohort']}",
        "raised": f"{minute(a['raised'])}, suspicious since {minute(a['first'])}",
        "probability": f"{a['tail_probability']:.1e} in all, {a['window_tail_probability']:.1e} of this window",
        "rules broken": ", ".join(a["rules"]),
        "evidence": "; ".join(
            f"{e['window']} {e['tail_probability']:.1e} at {minute(e['end'])}" for e in a["evidence"]
        ),
        "detectors": "; ".join(f"{d['detector']} v{d['version']} {d['tail_probability']:.1e}" for d in a["detectors"]),
        "repeats folded": str(a["suppressed_repeats"]),
        "configuration": f"{a['job']}, digest {a['config_digest']}",
        "run": a.get("run_id", ""),
    }
    for name, text in rows.items():
        if text:
            head.add_row(name, shown(text))
    reasons = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("reason", "seen", "usual for this subject", "usual in its cohort", "share", "detector"):
        reasons.add_column(title, justify="left" if title in ("reason", "detector") else "right")
    for r in a["reasons"]:
        seen, own, cohort = (_number(r[key]) for key in ("seen", "typical_own", "typical_cohort"))
        reasons.add_row(shown(r["feature"]), seen, own, cohort, f"{r['share']:.0%}", shown(r["detector"]))
    return [head, "", reasons]


def _campaign_view(a: dict[str, Any]) -> list["RenderableType"]:
    """One alert of a campaign for people: who is in it, and what they have in common."""
    from rich.table import Table

    from flows.streams.lines import who
    from flows.summary import two_columns

    c = a["campaign"]
    head = two_columns(f"{shown(a['severity'])}: {shown(who(a))}")
    rows = {
        "alert": a["alert_id"],
        "told": f"{minute(a['raised'])}, first {minute(c['alerted'])}; found {minute(a['first'])}",
        "what became of it": c["change"] + (f" into {c['into']}" if c["into"] else ""),
        "members": f"{c['size']}, {c['suspicious']} of them suspicious alone",
        "joined": ", ".join(c["joined"]),
        "left": ", ".join(c["left"]),
        "absorbed": ", ".join(c["absorbed"]),
        "in common": f"{c['coincidences']:,} coincidences on {c['shared']:,} objects, {c['at_stake']:,} visits at"
        f" stake, closure {c['closure']:.2f}",
        "probability": f"{a['tail_probability']:.1e} in all, {a['window_tail_probability']:.1e} of what they have in"
        " common",
        "rules broken": ", ".join(a["rules"]),
        "repeats folded": str(a["suppressed_repeats"]),
        "configuration": f"{a['job']}, digest {a['config_digest']}",
        "run": a.get("run_id", ""),
    }
    for name, text in rows.items():
        if text:
            head.add_row(name, shown(text))
    members, objects = Table(box=None, padding=(0, 2, 0, 0)), Table(box=None, padding=(0, 2, 0, 0))
    for title in ("member", "joined", "probability alone", "rules broken"):
        members.add_column(title, justify="right" if title == "probability alone" else "left")
    for m in c["members"]:
        alone = f"{m['tail_probability']:.1e}" if m["tail_probability"] < 1 else "-"
        members.add_row(shown(m["subject"]), minute(m["joined"]), alone, shown(", ".join(m["rules"])))
    for title in ("in common", "members", "pairs", "last"):
        objects.add_column(title, justify="right" if title in ("members", "pairs") else "left")
    for o in c["objects"]:
        objects.add_row(shown(f"{o['column']} {o['object']}"), str(o["members"]), str(o["pairs"]), minute(o["last"]))
    return [head, "", members, "", objects]


def _get(store: "AlertStore", path: Path, prefix: str, run_id: str | None) -> dict[str, Any]:
    from state.errors import SinkError

    found = store.get(prefix, run_id)
    if found is None:
        raise SinkError(f"store {path}: no alert whose id starts with {prefix!r}; `driftnet alerts list` shows them")
    return found


def _same(*, reproduced: bool) -> str:
    """Whether the replay gave what was stored."""
    if reproduced:
        return "the same to the bit"
    return "[red]not what was stored[/]: input or configuration have changed"


def _rebuilt(found: "Explanation") -> list["RenderableType"]:
    """What only a replay can say: the whole round, and every feature."""
    from rich.table import Table

    from flows.summary import two_columns

    head = two_columns("Rebuilt from the run's input")
    head.add_row("probability", f"{found.tail_probability:.1e}, {_same(reproduced=found.reproduced)}")
    head.add_row("rank", f"{found.rank:,} of {found.rows:,} windows in its round")
    for d in found.detectors:
        verdict = (
            "not yet"
            if d.tail_probability is None
            else f"score {_number(d.score)}, probability {d.tail_probability:.1e}"
        )
        head.add_row(shown(d.detector), verdict)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("feature")
    for title in ("seen", "usual for this subject", "usual in its cohort", "share"):
        table.add_column(title, justify="right")
    for f in found.features:
        table.add_row(
            shown(f.feature), _number(f.seen), _number(f.typical_own), _number(f.typical_cohort), f"{f.share:.0%}"
        )
    return [head, "", table]


def _why(alert: dict[str, Any]) -> str:
    from flows.streams.lines import campaign_why

    if "campaign" in alert:
        return campaign_why(alert)
    reasons = [f"{r['feature']} {_number(r['seen'])}" for r in alert["reasons"][:3]]
    return ", ".join([*alert["rules"], *reasons])


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
