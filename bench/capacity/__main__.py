"""`python -m bench.capacity [measure | read FILE]`: writes docs/capacity.md."""

import sys
from pathlib import Path
from typing import Final

from bench.capacity.inputs import load, of_results, save
from bench.capacity.page import page
from bench.results import read_results, results_of
from bench.runner import ROOT, Part, Plan, run
from state.errors import DriftnetError

PAGE: Final = ROOT / "docs" / "capacity.md"
_USAGE: Final = """python -m bench.capacity            writes docs/capacity.md from bench/capacity/inputs.json
python -m bench.capacity measure    runs the growth cases at their real size first, and keeps their figures
python -m bench.capacity read FILE  takes the figures from a run that was kept:
                                    results.json of driftnet bench --only growth, beside its report"""


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0, or 2 for wrong usage and for figures that cannot be had."""
    try:
        match arguments:
            case []:
                pass
            case ["measure"]:
                save(of_results(results_of(run(Plan(parts=(Part.GROWTH,))).table)))
            case ["read", file]:
                save(of_results(read_results(Path(file))))
            case _:
                print(_USAGE, file=sys.stderr)
                return 2
        PAGE.write_text(page(load()))
    except DriftnetError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
