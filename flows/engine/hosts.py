"""What the hosts of a cluster tell each other at the end of a run, through the directory that they share.

Totals are known where the sinks are, and rows that wait in open panes where these are: each host knows a part, and the
promise that every line has one fate is about all of them.
"""

import json
import logging
import time
from pathlib import Path
from typing import Final

from flows.engine.monitor import Status

_log: Final = logging.getLogger("driftnet.engine")
_TICK_S: Final = 0.1


def shared(
    directory: Path, execution: int, index: int, hosts: int, status: Status, patience_s: float = 15.0
) -> list[Status]:
    """The last statuses of all hosts, this one's first.

    execution: the run's number, so that nothing of an earlier one is taken.  A host that does not tell within
    patience_s is named in the log, and missing.
    """
    told = {"execution": execution, "counts": status.counts, "elapsed_s": status.elapsed_s, "open": _open(status)}
    _write(_file(directory, index), json.dumps(told))
    found = {index: status}
    until_s = time.monotonic() + patience_s
    while len(found) < hosts and time.monotonic() < until_s:
        for other in set(range(hosts)) - found.keys():
            heard = _read(_file(directory, other), execution)
            if heard is not None:
                found[other] = heard
        time.sleep(_TICK_S if len(found) < hosts else 0.0)
    if missing := sorted(set(range(hosts)) - found.keys()):
        _log.warning("hosts %s have not told how they ended: their open rows are not in the totals", missing)
    return list(found.values())


def _open(status: Status) -> int:
    return sum(status.open_rows.values())


def _file(directory: Path, index: int) -> Path:
    return directory / f"ended-{index}.json"


def _write(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)


def _read(file: Path, execution: int) -> Status | None:
    try:
        told = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    if told["execution"] != execution:
        return None
    return Status(told["counts"], told["elapsed_s"], {file.name: told["open"]})
