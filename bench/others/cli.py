"""The command line that all systems share: `python -m bench.others.<system> INPUT OUTPUT --job windows|hst`."""

import argparse
from collections.abc import Callable
from typing import Final

JOBS: Final = ("windows", "hst")


def main(work: Callable[[str, str, bool], None]) -> None:
    """work: (input path, output path, whether rows are scored)."""
    parser = argparse.ArgumentParser(description="The job of bench/others/SPECIFICATION.md")
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--job", choices=JOBS, default="windows")
    given = parser.parse_args()
    work(given.input, given.output, given.job == "hst")
