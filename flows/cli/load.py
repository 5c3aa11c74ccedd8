"""`driftnet load`: an open loop of events on a running job, and what comes of it."""

import time
from typing import Annotated

import typer

from flows.cli.options import AsJson, print_json, print_text


def load(
    to: Annotated[str, typer.Option("--to", metavar="KAFKA://HOST:PORT/TOPIC", help="The topic that the job reads.")],
    rate: Annotated[float, typer.Option(min=0.1, help="Events per second.")] = 1000.0,
    users: Annotated[int, typer.Option(min=50, help="Accounts, attackers among them.")] = 5000,
    minutes: Annotated[float, typer.Option(min=0.01, help="How long events are sent.")] = 1.0,
    alerts: Annotated[
        str | None,
        typer.Option(
            metavar="KAFKA://HOST:PORT/TOPIC", help="The topic of the job's alerts, or scores.", show_default=False
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="KAFKA://HOST:PORT/TOPIC",
            help="Send the truth about each alerted account there.",
            show_default=False,
        ),
    ] = None,
    group: Annotated[str, typer.Option(help="The consumer group that the job tells its offsets to.")] = "driftnet",
    pid: Annotated[
        int | None, typer.Option(help="The job's process: its CPU and memory are told too.", show_default=False)
    ] = None,
    settle: Annotated[float, typer.Option(min=0, help="Seconds to go on watching after the last event.")] = 10.0,
    client: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A property of librdkafka, such as sasl.password='${PASSWORD}'."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same events.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Send events at a fixed rate to a topic that a job reads, and tell how the job bears it.

    The times are fixed in advance, and an event's event time is when it is due: a job, a broker or a sender that is
    slow delays nothing and hides nothing, as all latencies count from there.

    Example: [bold]driftnet load --rate 5000 --users 20000 --minutes 5 --to kafka://localhost:9092/plays --alerts
    kafka://localhost:9092/alerts[/]
    """
    from flows.cli.display import display
    from flows.kafka.address import parse_topic
    from flows.load.events import Events
    from flows.load.figures import figures
    from flows.load.labels import Labeller
    from flows.load.send import send
    from flows.load.watch import watching

    properties = tuple(_property(text) for text in client or ())
    target = parse_topic(to, properties)
    events = Events(users, round(rate * minutes * 60), seed)
    labeller = Labeller(parse_topic(labels, properties), events.truth()) if labels else None
    watched = parse_topic(alerts, properties) if alerts else None
    with (
        display(quiet=as_json) as screen,
        watching(target, watched, group, pid, labeller or (lambda _: None)) as seen,
    ):
        total = rate * minutes * 60
        sent = send(events.lines(), rate, target, lambda count: screen.update(count, count / total))
        time.sleep(settle)
    found = figures(sent, seen, watched=watched is not None)
    if labeller is not None:
        labeller.close()
    if as_json:
        print_json(found.to_json())
    else:
        print_text("", found.table())


def _property(text: str) -> tuple[str, str]:
    key, mark, value = text.partition("=")
    if not mark:
        raise typer.BadParameter(f"seen {text!r}, allowed: KEY=VALUE", param_hint="--client")
    return key, value
