"""`python -m tests.engine.host_run PLACE INDEX ADDRESSES DEADLY`: one host of a cluster; see test_hosts.py."""

import sys
from pathlib import Path

from flows.engine.plan import Options
from flows.engine.supervise import Restarts
from flows.sources.base import Source
from flows.sources.files import FilesSpec
from tests.engine.interrupted import AtRead, die
from tests.engine.scenarios import SCENARIOS, run_bytewax


def main() -> None:
    place, index, addresses, deadly = sys.argv[1:5]
    files = sorted(map(str, Path(place).glob("events-*.jsonl")))
    source: Source = FilesSpec(tuple(files), "per_file")
    options = Options(
        batch_lines=400, epoch_s=0.05, state_dir=Path(place) / "state", addresses=tuple(addresses.split(",")),
        index=int(index), restarts=Restarts(20, pause_s=0.1, pause_s_max=0.1),
    )  # fmt: skip
    job = SCENARIOS["hot_card"].job()
    run_bytewax(job, AtRead(source, int(deadly), die) if int(deadly) else source, Path(place) / "out", options)


if __name__ == "__main__":
    main()
