"""`driftnet serve`: what is known of each subject, over HTTP."""

from typing import Annotated

import typer

from flows.cli.options import ConfigFile, StorePath, store_path
from flows.printing import printable

_LISTEN = "127.0.0.1:8321"


def serve(
    db: StorePath = None,
    config: ConfigFile = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where; others than loopback need a token.", show_default=True)
    ] = _LISTEN,
) -> None:
    """Answer GET /v1/subjects/ID from a store with standings, while a job writes to it.  Example:

      [bold]driftnet serve --db driftnet.db[/]

    Where others reach it, whoever asks must send the token that the environment variable DRIFTNET_SERVE_TOKEN has. See
    docs/servers.md.
    """
    from flows.metrics.server import parse_address
    from flows.serve.run import serve as answer

    host, port = parse_address(listen)
    store = store_path(db, config)
    typer.echo(f"Standings of {printable(store)} at http://{host}:{port}/v1/subjects/ID", err=True)
    answer(store, host, port)
