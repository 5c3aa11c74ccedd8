"""The tables of docs/features.md, made from the kinds' own words.

`python -m detectors.features.reference FILE` writes them into it; a test compares the two.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from detectors.features.derived import SEQUENCES
from detectors.features.kinds import FEATURES
from state.windows import WINDOWS

_TABLE: Final = re.compile(
    r"(?<=<!-- table: )(\w+)(, made by `make docs` from [\w./]+ -->\n).*?(?=<!-- end -->)", re.DOTALL
)


def tables() -> dict[str, str]:
    """Name -> Markdown table."""
    return {
        "features": _markdown(
            ("kind", "value", "none"), ((f"`{kind}`", entry.about, entry.none) for kind, entry in FEATURES.items())
        ),
        "sequences": _markdown(
            ("kind", "value on a row that satisfies `where`"),
            ((f"`{kind}`", entry.about) for kind, entry in SEQUENCES.items()),
        ),
        "windows": _markdown(
            ("kind", "keys", "windows of a subject"),
            ((f"`{kind}`", ", ".join(entry.keys.all), entry.about) for kind, entry in WINDOWS.items()),
        ),
    }


def with_tables(page: str) -> str:
    """The page with each table between its marks as it is now."""
    found = tables()
    return _TABLE.sub(lambda mark: f"{mark[1]}{mark[2]}\n{found[mark[1]]}\n", page)


def _markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("| --- ", "|---").replace("--- |", "---|")


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(with_tables(file.read_text()))
