"""savepoint.json: what a savepoint is of, and a checksum of each of its files."""

import hashlib
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import orjson

from flows.version import driftnet_version
from state.errors import SnapshotError

NAME: Final = "savepoint.json"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """created: ISO 8601 UTC.  versions: of what wrote it.  epoch: the one that a run goes on with.  read: lines;
    alerts: so far.  files: path in the savepoint -> [bytes, blake2b].
    """

    created: str
    versions: dict[str, str]
    epoch: int
    read: int
    alerts: int
    files: dict[str, list[Any]]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(size for size, _ in self.files.values())

    def write(self, directory: Path) -> None:
        """As savepoint.json."""
        table = {"format": _FORMAT, **asdict(self)}
        (directory / NAME).write_bytes(orjson.dumps(table, option=orjson.OPT_INDENT_2))


def describe(directory: Path, epoch: int, counts: dict[str, int]) -> Manifest:
    """The manifest of the files that are there."""
    return Manifest(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={
            "driftnet": driftnet_version(),
            "python": platform.python_version(),
            **{name: version(name) for name in ("bytewax", "river", "numpy")},
        },
        epoch=epoch,
        read=counts.get("read", 0),
        alerts=counts.get("out.alerts", 0),
        files={
            str(file.relative_to(directory)): [file.stat().st_size, _checksum(file)]
            for file in sorted(directory.rglob("*"))
            if file.is_file() and file.name != NAME
        },
    )


def read(directory: Path) -> Manifest:
    """Raises SnapshotError for a directory that is no savepoint of a format that this build reads."""
    try:
        table = orjson.loads((directory / NAME).read_bytes())
    except OSError as error:
        raise SnapshotError(f"{directory} is no savepoint: {NAME}: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise SnapshotError(f"{directory / NAME} is damaged: {error}; use another savepoint") from error
    found = table.pop("format", None)
    if found != _FORMAT:
        raise SnapshotError(
            f"savepoint {directory} has format {found!r}, this build reads {_FORMAT}; use the build that wrote it"
        )
    return Manifest(**table)


def damaged(directory: Path, manifest: Manifest) -> Iterator[str]:
    """One line for each file that is not as it was written."""
    for name, (size, checksum) in manifest.files.items():
        file = directory / name
        if not file.is_file():
            yield f"{name} is missing"
        elif file.stat().st_size != size:
            yield f"{name} has {file.stat().st_size} bytes, expected {size}"
        elif _checksum(file) != checksum:
            yield f"{name} was changed: its checksum differs"


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
