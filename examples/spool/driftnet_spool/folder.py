"""What a spool is: a folder of numbered files of JSON Lines, each of which is there as a whole, and never changes.

FOLDER/000000000012.jsonl is finished; FOLDER/.000000000013.jsonl is not, and nobody reads it.
"""

import os
import re
from pathlib import Path
from typing import Final

_FINISHED: Final = re.compile(r"(\d{12})\.jsonl")
_HELD: Final = re.compile(r"\.(\d{12})\.jsonl")


def finished(folder: Path) -> dict[int, Path]:
    """Number -> file, in the order of their numbers.  Raises OSError where there is no folder."""
    return _numbered(folder, _FINISHED)


def held(folder: Path) -> dict[int, Path]:
    """Those that are not to be read yet."""
    return _numbered(folder, _HELD)


def _numbered(folder: Path, name: re.Pattern[str]) -> dict[int, Path]:
    found = ((name.fullmatch(file.name), file) for file in folder.iterdir())
    return dict(sorted((int(match[1]), file) for match, file in found if match))


def write(folder: Path, number: int, lines: bytes) -> None:
    """A file that is not to be read yet, on the disk."""
    file = folder / f".{number:012d}.jsonl"
    with file.open("wb") as opened:
        opened.write(lines)
        opened.flush()
        os.fsync(opened.fileno())


def publish(folder: Path, number: int) -> None:
    """Lets it be read."""
    held = folder / f".{number:012d}.jsonl"
    if held.exists():  # a run before this one may have come so far
        held.replace(folder / f"{number:012d}.jsonl")


def sync(folder: Path) -> None:
    """What was made or renamed there is on the disk."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
