"""`driftnet label`, `driftnet exempt`: what people found out, told to the job that runs."""

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from flows.cli.options import (
    AsJson,
    ConfigFile,
    Settings,
    StorePath,
    load_config,
    moment_option,
    print_json,
    print_text,
)
from flows.printing import shown
from state.times import iso_now

if TYPE_CHECKING:
    from flows.config.models import Config
    from flows.sinks.known import KnownAlerts

_log: Final = logging.getLogger("driftnet")
_ALERT_ID: Final = re.compile(r"[0-9a-f]{4,16}")
_LABELS: Final = ("fraud", "genuine")
By = Annotated[str, typer.Option(help="Who says so.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why.", show_default=False)]
At = Annotated[
    str | None,
    typer.Option(
        help="When it was found out, in event time; default: now, or where no events come live, the newest alert.",
        show_default=False,
    ),
]
SourceName = Annotated[
    str | None, typer.Option(help="The source to write to, where several read such lines.", show_default=False)
]


def label(
    about: Annotated[
        str,
        typer.Argument(
            metavar="ALERT|SUBJECT",
            help="An alert's id, or its first digits; or a subject's id (or KIND:ID).",
        ),
    ],
    word: Annotated[str, typer.Argument(metavar="fraud|genuine", help="What it is.", show_default=False)],
    by: By,
    reason: Reason,
    at: At = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="It is about windows after this; default: of a fraudulent alert, since it was suspicious; else all.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="And that began before this; default: --at.", show_default=False)
    ] = None,
    is_subject: Annotated[
        bool, typer.Option("--subject", help="It is a subject, although it looks like the id of an alert.")
    ] = False,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="NAME=VALUE",
            help="What the event it is about has in a column of labels.columns, e.g. [bold]--column terminal=t31[/].",
        ),
    ] = None,
    source: SourceName = None,
    db: StorePath = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Tell the job what an alert, or a subject, turned out to be: with a line where its source of labels has them.

    Models that learn from labels learn from it, the summary counts it, and a label genuine spares the subject alerts
    for a while (labels.trust).  Of a campaign's alert each member is labelled, a line each.  With --column it says
    which terminal, address, ... it is about, whose kinds count it (labels.columns).  Examples:

      [bold]driftnet label 3fa9 fraud --by ann --reason "chargeback 4711" --config fraud.toml[/]

      [bold]driftnet label u92761adabc genuine --by ann --reason "called back" --config fraud.toml[/]

      [bold]driftnet label 4711 fraud --subject --column terminal=t31 --by ann --reason "chargeback" -c cards.toml[/]
    """
    from flows.carried import carried
    from flows.streams.lines import members_of
    from flows.tell import tell

    if word not in _LABELS:
        raise typer.BadParameter(f"seen {word!r}, allowed: {', '.join(_LABELS)}", param_hint="fraud|genuine")
    found = load_config(config, settings)
    known = _known(db, found)
    alert = None if is_subject else _alert_of(about, known)
    job = found.job()
    kind, subject = job.typed(about)
    subjects = [subject]
    if alert is not None:
        told = alert.get("campaign", alert)  # which names the kind of its members
        kind = str(told.get("kind"))
        kind = kind if kind in job.kinds_known.others else ""
        subjects = members_of(alert)
    columns = carried(job, column or ())
    if columns and (kind or len(subjects) > 1):
        what = f"subjects of kind {kind}" if kind else f"{len(subjects)} members of a campaign"
        allowed = "a label of one of the stream's own subjects, whose event has these columns"
        raise typer.BadParameter(f"seen {what}, allowed: {allowed}", param_hint="--column")
    began = None if alert is None or word != "fraud" else alert["first"]
    when = _at(at, found, known)
    said: list[tuple[dict[str, Any], str, str]] = []
    for name in subjects:
        record = {
            "kind": kind or None,
            "subject": name,
            "label": word,
            "at": when,
            "since": moment_option("--since", since) or began,
            "until": moment_option("--until", until),
            "by": by,
            "reason": reason,
            "alert_id": None if alert is None else alert["alert_id"],
            **columns,
        }
        said.append((record, *tell(found, "labels", record, source)))
    _say(said, f"is {word}, as of {when[:19].replace('T', ' ')}", as_json=as_json)


def exempt(
    subject: Annotated[str, typer.Argument(help="The subject's id (or KIND:ID).", show_default=False)],
    by: By,
    until: Annotated[
        str | None, typer.Option(help="When it ends, in event time, e.g. 2027-01-01.", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; needed with --until.", show_default=False)] = "",
    end: Annotated[bool, typer.Option("--end", help="It is over: the subject is alerted again from now on.")] = False,
    at: At = None,
    source: SourceName = None,
    db: StorePath = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Tell the job not to alert a subject until a moment: with a line where its source of commands has them.

    Alerts that are kept back are counted and on the audit stream; [bold]driftnet savepoint inspect[/] lists who is
    exempt.  Examples:

      [bold]driftnet exempt loadtest-7 --until 2027-01-01 --by ann --reason "load tests" --config fraud.toml[/]

      [bold]driftnet exempt loadtest-7 --end --by ann --config fraud.toml[/]
    """
    from flows.tell import tell

    if end == (until is not None):
        raise typer.BadParameter("seen neither or both, allowed: --until with a moment, or --end", param_hint="--until")
    found = load_config(config, settings)
    when = _at(at, found, _known(db, found))
    kind, name = found.job().typed(subject)
    record = {
        "command": "unexempt" if end else "exempt",
        "kind": kind or None,
        "subject": name,
        "until": moment_option("--until", until),
        "at": when,
        "by": by,
        "reason": reason,
    }
    said = [(record, *tell(found, "control", record, source))]
    what = "is alerted again" if end else f"is not alerted until {until}"
    _say(said, f"{what}, as of {when[:19].replace('T', ' ')}", as_json=as_json)


def _known(db: Path | None, config: "Config") -> "KnownAlerts":
    from flows.sinks.known import known_alerts
    from flows.streams import Stream

    return known_alerts(db, config.sinks.of(Stream.ALERTS))


def _alert_of(about: str, known: "KnownAlerts") -> dict[str, Any] | None:
    """The alert that is meant, None for a subject.  Raises SinkError where it cannot be told."""
    from state.errors import SinkError

    if not _ALERT_ID.fullmatch(about):
        return None
    alert, is_subject = known.get(about), known.has_subject(about)
    if alert is not None and is_subject:
        raise SinkError(
            f"{about!r}: is the id of an alert and of a subject; more digits for the one, --subject for the other"
        )
    if alert is None and not is_subject:
        raise SinkError(
            f"{known.place}: no alert's id begins with {about!r}; `driftnet alerts list` shows them, --db names another"
            " store; and --subject says that it is a subject"
        )
    return alert


def _at(given: str | None, config: "Config", known: "KnownAlerts") -> str:
    """When it was found out, as text.  A label that is dated far ahead of the events is rejected by the job."""
    from flows.config.endpoints import SimulatorConfig

    if given is not None:
        return moment_option("--at", given) or ""
    events = [table for table in config.sources.values() if table.reads == "events"]
    newest = known.newest()
    now = iso_now()
    if any(table.is_live and not isinstance(table, SimulatorConfig) for table in events):
        if newest is not None and newest[:10] < now[:10]:
            _log.warning(
                "the newest alert is of %s, and this is dated now: if the events are not of today either, say with --at"
                " what time it is for them",
                newest[:16],
            )
        return now
    if newest is None:
        raise typer.BadParameter(
            "seen none, and there is no alert to go by; allowed: a moment in the time of the events", param_hint="--at"
        )
    return newest


def _say(said: list[tuple[dict[str, Any], str, str]], what: str, *, as_json: bool) -> None:
    """said: records, where each was written, and what to know about that."""
    if as_json:
        found = [{"place": place, "record": {k: v for k, v in r.items() if v is not None}} for r, place, _ in said]
        print_json(found if len(found) > 1 else found[0])
    else:
        for record, place, _ in said:
            print_text(shown(f"{record['subject']} {what}: written to {place}"))
    for note in dict.fromkeys(note for _, _, note in said if note):
        _log.warning("%s", note)
