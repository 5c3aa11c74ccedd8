"""`python -m tests.golden.make`: writes the savepoint of this build, tests/golden/savepoints/v<N>.tar.gz.

For a new version of any frame.  The files of older versions stay: newer builds have to read them.
"""

import os
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from flows.config import loads
from flows.engine.plan import Options
from flows.evolution.saved_job import CONFIG_NOTE
from flows.savepoint.copy import create
from flows.sources.files import FilesSpec
from tests.engine.interrupted import run_until
from tests.engine.scenarios import SCENARIOS, write_files

FOLDER: Final = Path(__file__).with_name("savepoints")
SCENARIO: Final = "hot_card"


def source(place: Path) -> FilesSpec:
    """The scenario's lines in two files, by names that are the same everywhere.  The current directory is place."""
    write_files(SCENARIO, 2, place)
    return FilesSpec(("events-0.jsonl", "events-1.jsonl"), "per_file")


def main(version: str) -> None:
    """Runs the scenario to the middle, and packs a savepoint of it."""
    before = Path.cwd()
    with TemporaryDirectory() as folder:
        place = Path(folder)
        os.chdir(place)
        try:
            config = loads(SCENARIOS[SCENARIO].config, "scenario")
            options = Options(batch_lines=200, epoch_s=0.0, state_dir=Path("state"))
            run_until(8, config.job(), source(place), place / "out", options)
            (place / "state" / CONFIG_NOTE).write_text(config.to_toml())
            create(place / "state", place / "savepoint")
            with tarfile.open(FOLDER / f"{version}.tar.gz", "w:gz") as archive:
                archive.add(place / "savepoint", "savepoint")
        finally:
            os.chdir(before)


if __name__ == "__main__":
    main(sys.argv[1])
