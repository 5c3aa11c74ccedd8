"""`driftnet savepoint`: named copies of a run's state."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, load_config, moment_us, print_json, print_text
from flows.printing import shown
from state.times import iso

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(no_args_is_help=True, help="Copy saved state, look into it, compare it.")
StateDir = Annotated[
    Path, typer.Argument(help="The --state-dir of a run, which may go on meanwhile.", show_default=False)
]
Where = Annotated[
    str,
    typer.Argument(
        metavar="WHERE",
        help="A savepoint, a state directory, or the URL of a savepoint or archive.",
        show_default=False,
    ),
]
OwnConfig = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Your configuration, where detectors are files, plug-ins or import paths: what is saved may load no"
        " code but what that names.",
        show_default=False,
    ),
]
_EXEMPT_SHOWN = 50


@app.command()
def create(
    state_dir: StateDir,
    name: Annotated[
        str,
        typer.Argument(
            help="A name, for STATE_DIR/savepoints/NAME; a path with a slash in it; or s3://... or gs://...",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Copy the last checkpoint of a run, whether it goes on or has stopped.

    Examples:

      [bold]driftnet savepoint create state/ before-upgrade[/]

      [bold]driftnet savepoint create state/ s3://bucket/savepoints/before-upgrade[/]
    """
    from flows.objects import is_url
    from flows.savepoint.copy import create as create_savepoint
    from flows.savepoint.remote import create_at

    if is_url(name):
        target, manifest = name, create_at(state_dir, name)
    else:
        path = Path(name)
        if not path.name or path.name == "..":
            raise typer.BadParameter(f"seen {name!r}, allowed: a name, or a path that ends in one", param_hint="NAME")
        path = path if len(path.parts) > 1 else state_dir / "savepoints" / path
        target, manifest = str(path), create_savepoint(state_dir, path)
    if as_json:
        print_json({"path": target, "epoch": manifest.epoch, "read": manifest.read, "bytes": manifest.bytes})
    else:
        print_text(
            f"{shown(target)}: epoch {manifest.epoch}, {manifest.read:,} lines read, {manifest.alerts:,} alerts,"
            f" {manifest.bytes:,} bytes",
            f"Start from it: driftnet run CONFIG --from-savepoint {shown(target)} --state-dir NEW",
        )


@app.command("list")
def list_savepoints(
    place: Annotated[
        str,
        typer.Argument(
            metavar="PLACE", help="A state directory, or a directory or URL of savepoints.", show_default=False
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """List savepoints, the oldest first.

    Example: [bold]driftnet savepoint list state/[/]
    """
    from flows.objects import is_url
    from flows.savepoint.manifest import NAME, read
    from flows.savepoint.remote import UPLOADED, listed

    if is_url(place):
        found = [(manifest, url.rpartition("/")[2]) for manifest, url in listed(place)]
    else:
        inside = Path(place) / "savepoints"
        directory = inside if inside.is_dir() else Path(place)
        place = str(directory)
        folders = [file.parent for file in directory.glob(f"*/{NAME}") if not file.parent.name.startswith(UPLOADED)]
        found = [(read(folder), folder.name) for folder in folders]
    found.sort(key=lambda each: (each[0].created, each[1]))
    if as_json:
        print_json(
            [
                {"name": name, "created": m.created, "epoch": m.epoch, "read": m.read, "bytes": m.bytes}
                for m, name in found
            ]
        )
        return
    table = _table("name", "created", "epoch", "lines read", "alerts", "bytes", "driftnet")
    for m, name in found:
        figures = (f"{m.epoch:,}", f"{m.read:,}", f"{m.alerts:,}", f"{m.bytes:,}")
        table.add_row(shown(name), m.created, *figures, m.versions["driftnet"])
    print_text(table if found else f"no savepoints in {shown(place)}")


@app.command()
def verify(where: Where, config: OwnConfig = None, as_json: AsJson = False) -> None:
    """Check that a savepoint is as it was written and that all of it can be read.  Exit code 2 when it is not.

    Example: [bold]driftnet savepoint verify state/savepoints/before-upgrade[/]
    """
    from flows.savepoint.look import opened
    from flows.savepoint.manifest import damaged, is_savepoint, read
    from flows.savepoint.remote import located
    from state.errors import SnapshotError

    own = load_config(config)
    wrong: list[str] = []
    try:
        with located(where) as place:
            # What is damaged is not looked into.
            wrong += damaged(place, read(place)) if is_savepoint(place) else ()
            if not wrong:
                with opened(place, own) as look:
                    users = look.describe()["users"]
    except SnapshotError as error:
        wrong.append(str(error))
    if as_json:
        print_json({"whole": not wrong, "wrong": wrong})
    elif not wrong:
        print_text(f"{shown(where)} is whole: every file and every chunk was read, {users:,} users")
    else:
        print_text(*map(shown, wrong))
    if wrong:
        raise typer.Exit(SnapshotError.exit_code)


@app.command()
def inspect(
    where: Where,
    user: Annotated[
        str | None,
        typer.Option(
            "--subject", "--user", "-u", help="What is known of this subject (its id, or KIND:ID).", show_default=False
        ),
    ] = None,
    config: OwnConfig = None,
    as_json: AsJson = False,
) -> None:
    """Show what saved state holds, by key group and cohort, and who is not alerted; or what it knows of one user.

    Examples:

      [bold]driftnet savepoint inspect state/[/]

      [bold]driftnet savepoint inspect state/ --user u92761adabc[/]
    """
    from flows.savepoint.look import opened
    from flows.savepoint.remote import located
    from state.errors import SnapshotError

    with located(where) as place, opened(place, load_config(config)) as look:
        if user is None:
            told = look.describe()
        else:
            known = look.look_up(user)
            if known is None:
                raise SnapshotError(f"{where}: nothing is known of user {user!r}: never seen, or silent for too long")
            told = known
    if as_json or user is not None:
        print_json(told)
    else:
        print_text(*_described(told))


@app.command("reset-time")
def reset_time(
    state_dir: Annotated[Path, typer.Argument(help="The --state-dir of a run that has stopped.", show_default=False)],
    partition: Annotated[str, typer.Argument(help="As `driftnet savepoint inspect` names it.", show_default=False)],
    to: Annotated[
        str | None,
        typer.Option(help="The moment, e.g. 2026-03-02T06:00; default: where windows are closed.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set the time of a source partition back that is ahead of what is true.

    Windows that are closed stay closed.  Example: [bold]driftnet savepoint reset-time state/ plays/3[/]
    """
    from flows.savepoint.reset import reset_time as reset

    done = reset(state_dir, partition, moment_us("--to", to))
    if as_json:
        print_json({"partition": partition, "before_us": done.before_us, "after_us": done.after_us})
    else:
        was, now = (_figure("watermark_us", us) for us in (done.before_us, done.after_us))
        print_text(f"{shown(partition)}: was at {was}, is at {now}")


@app.command()
def diff(
    one: Where,
    other: Annotated[str, typer.Argument(help="Another one.", show_default=False)],
    config: OwnConfig = None,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two: users, bytes, windows, models, watermarks, settings.

    Example: [bold]driftnet savepoint diff state/savepoints/monday state/[/]
    """
    from flows.savepoint.compare import compare
    from flows.savepoint.look import opened
    from flows.savepoint.remote import located

    own = load_config(config)
    with located(one) as first, located(other) as second, opened(first, own) as before, opened(second, own) as after:
        found = compare(before, after)
    if as_json:
        print_json(found)
        return
    table = _table("", "before", "after")
    for name, (was, now) in found["figures"].items():
        table.add_row(name, _figure(name, was), _figure(name, now))
    print_text(table if found["figures"] else "the state is the same")
    print_text(*(map(shown, found["settings"]) if found["settings"] else ["the settings are the same"]))


def _described(told: dict[str, Any]) -> list[Any]:
    groups = _table("key group", "users", "rows waiting", "watermark", "bytes", "open cells")
    for name, group in told["groups"].items():
        cells = ", ".join(f"{window} {n:,}" for window, n in group["windows"].items())
        figures = (f"{group['users']:,}", f"{group['rows_waiting']:,}", _figure("watermark_us", group["watermark_us"]))
        groups.add_row(name, *figures, f"{group['bytes']:,}", cells)
    cohorts = _table("cohort", "watermark", "rounds waiting", "bytes", "models, bytes")
    for name, cohort in told["cohorts"].items():
        for window, models in cohort["windows"].items():
            sizes = ", ".join(f"{model} {size:,}" for model, size in models.items())
            cohorts.add_row(
                name, _figure("watermark_us", cohort["watermark_us"]), f"{cohort['rounds_waiting']:,}",
                f"{cohort['bytes']:,}", f"[bold]{window}[/] {sizes}",
            )  # fmt: skip
    partitions = _table("source partition", "watermark", "waiting for others")
    for name, partition in told["partitions"].items():
        at = "the end" if partition["done"] else _figure("watermark_us", partition["watermark_us"])
        partitions.add_row(shown(name), at, f"{partition['waiting']:,}")
    head = (
        f"epoch {told['epoch']}, {told['read']:,} lines read, {told['alerts']:,} alerts, {told['users']:,} users,"
        f" {told['bytes']:,} bytes of chunks"
    )
    return [
        head, "", partitions, "", groups, "", _parts(told["groups"].values()), "", cohorts,
        *_exempt(told["policy"].get("exempt", ())),
    ]  # fmt: skip


def _parts(groups: Collection[dict[str, Any]]) -> "Table":
    """What the state of users consists of, and how much that is per user."""
    users, active = (sum(group[name] for group in groups) for name in ("users", "active"))
    table = _table("state of users", "bytes", "per user", "per user in a window")
    for part in dict.fromkeys(part for group in groups for part in group["parts"]):
        size = sum(group["parts"].get(part, 0) for group in groups)
        each = "" if part.startswith("window ") else f"{size / max(users, 1):,.0f}"
        table.add_row(part, f"{size:,}", each, f"{size / max(active, 1):,.0f}")
    return table


def _exempt(held: Sequence[dict[str, Any]]) -> list[Any]:
    """Who is not alerted; nothing where everybody is."""
    if not held:
        return []
    table = _table("not alerted", "by", "until", "reason", "alerts kept back")
    for e in held[:_EXEMPT_SHOWN]:
        until = f"{e['until'][:16]}{', withdrawn' * e['withdrawn']}"
        whose = f"{e['kind']}:{e['subject']}" if e["kind"] else e["subject"]
        table.add_row(
            shown(whose),
            shown(f"{e['by']} ({e['origin']})"),
            until,
            shown(e["reason"]),
            f"{e['spared']:,}",
        )
    more = [f"and {len(held) - _EXEMPT_SHOWN:,} more: --json"] if len(held) > _EXEMPT_SHOWN else []
    return ["", table, *more]


def _figure(name: str, value: Any) -> str:
    from state.types import END_OF_TIME_US, START_OF_TIME_US

    if value is None:
        return "-"
    if name.endswith("_us"):
        ends = {START_OF_TIME_US: "nothing yet", END_OF_TIME_US: "the end"}
        return ends.get(value) or iso(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(*titles: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    long = {"open cells", "models, bytes", "reason"}
    texts = {
        "",
        "not alerted",
        "by",
        "until",
        "name",
        "created",
        "driftnet",
        "source partition",
        "key group",
        "state of users",
        "cohort",
        "watermark",
        *long,
    }
    for title in titles:
        table.add_column(title, justify="left" if title in texts else "right", no_wrap=title not in long)
    return table
