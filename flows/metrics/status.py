"""What can be said of a run by its state directory, whether it goes on or has stopped."""

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from flows.archive.note import read_note
from flows.engine.lock import is_held
from flows.engine.record import RunRecord, records
from flows.engine.store import read_checkpoint, saved_epoch, sink_state, totals_in
from flows.operators.ingest.told import describe_first
from flows.steps import Step
from flows.summary import Summary
from state.errors import SnapshotError
from state.times import iso

_TIMEOUT_S: Final = 2.0
_ANY: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - a run may be told to listen on all


def status(directory: Path) -> dict[str, Any]:
    """As JSON values.  running: whether a run holds the directory.  runs: the records of its last ones, one for each
    host.  health: what each that is running and listens answers, None for no answer.  checkpoint: what a run would go
    on from, None for nothing.  archive: what the last run with one noted of it, None where there was none.

    Raises SnapshotError for a directory that is none of a run, or cannot be read.
    """
    store, found = directory / "store", records(directory)
    if not store.is_dir():
        raise SnapshotError(f"{directory}: seen no store in it, expected the --state-dir of a run")
    running = is_held(directory)
    asked = [record for record in found if running and record.listen and not record.ended]
    return {
        "state_dir": str(directory),
        "running": running,
        "runs": [asdict(record) for record in found],
        "health": {record.listen: _health(record) for record in asked},
        "checkpoint": _checkpoint(store),
        "archive": read_note(directory),
    }


def _checkpoint(store: Path) -> dict[str, Any] | None:
    written, checkpoint = saved_epoch(store), read_checkpoint(store)
    if checkpoint is None or written is None:
        return None
    summary = Summary(totals_in(sink_state(checkpoint)))
    partitions = {
        name: describe_first(state["ingest"]) | {"done": state["done"]}
        for name, state in sorted(checkpoint.of_step(Step.INGEST).items())
    }
    return {
        "epoch": checkpoint.epoch,
        "written": iso(int(written[1] * 1e6)),
        "totals": summary.to_json(),
        "partitions": partitions,
    }


def _health(record: RunRecord) -> dict[str, Any] | None:
    host, _, port = record.listen.rpartition(":")
    alive, ready = (_ask(f"http://{_ANY.get(host, host)}:{port}/{path}") for path in ("livez", "readyz"))
    if alive is None or ready is None:
        return None
    return alive | ready | {"reasons": [*alive["reasons"], *ready["reasons"]]}


def _ask(url: str) -> dict[str, Any] | None:
    opener = build_opener(ProxyHandler({}))
    with suppress(URLError, OSError, ValueError):
        try:
            answer = opener.open(url, timeout=_TIMEOUT_S)
        except HTTPError as error:  # "not ready" is an answer
            answer = error
        with answer:
            told = json.loads(answer.read())
        return told if isinstance(told, dict) else None
    return None
