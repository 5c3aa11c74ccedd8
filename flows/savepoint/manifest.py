"""savepoint.json: what a savepoint is of, a checksum of each of its files, and a seal where there is a key.

Whoever can write into a savepoint can write its checksums too: they tell of damage.  With a key in the environment
variable DRIFTNET_STATE_KEY the manifest is sealed (HMAC-SHA256, RFC 2104) when it is written, and a savepoint that is
not sealed with that key is not read.
"""

import hashlib
import hmac
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec
import orjson

from flows.summary import Summary
from flows.version import driftnet_version
from state.errors import SnapshotError
from state.times import iso_now

KEY: Final = "DRIFTNET_STATE_KEY"
"""The environment variable that has the key; its text as UTF-8."""
_KEY_BYTES_MIN: Final = 16
_BY_SQLITE: Final = ("-wal", "-shm")
"""Ends of names of files that earlier builds left where they looked into a savepoint; neither read nor copied."""
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
    files: dict[str, tuple[int, str]]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(size for size, _ in self.files.values())

    def write(self, directory: Path) -> None:
        """As savepoint.json.  Raises SnapshotError for a key that is too short."""
        (directory / NAME).write_text(self.to_text())

    def to_text(self) -> str:
        """What stands there, sealed where there is a key."""
        table = {"format": _FORMAT, **asdict(self)}
        key = _key()
        sealed = table | ({"seal": _seal(table, key)} if key else {})
        return orjson.dumps(sealed, option=orjson.OPT_INDENT_2).decode()


def describe(directory: Path, epoch: int, totals: dict[str, int]) -> Manifest:
    """The manifest of the files that are there.  totals: of the run, by key (flows.counters)."""
    files = {
        str(file.relative_to(directory)): (file.stat().st_size, checksum(file))
        for file in sorted(directory.rglob("*"))
        if file.is_file() and file.name != NAME
    }
    return manifest_of(files, epoch, totals)


def manifest_of(files: dict[str, tuple[int, str]], epoch: int, totals: dict[str, int]) -> Manifest:
    """The manifest of files whose checksums are known."""
    so_far = Summary(totals)
    return Manifest(
        created=iso_now("seconds"),
        versions={
            "driftnet": driftnet_version(),
            "python": platform.python_version(),
            **{name: version(name) for name in ("bytewax", "river", "numpy")},
        },
        epoch=epoch,
        read=so_far.read,
        alerts=so_far.alerts,
        files=files,
    )


def is_savepoint(directory: Path) -> bool:
    """Whether it is a savepoint: the state directory of a run that was started from one has its manifest too."""
    return (directory / NAME).exists() and not (directory / "lock").exists()


def read(directory: Path) -> Manifest:
    """Raises SnapshotError for a directory that is no savepoint of a format that this build reads, and for one whose
    seal does not fit the key in the environment.
    """
    try:
        data = (directory / NAME).read_bytes()
    except OSError as error:
        raise SnapshotError(f"{directory} is no savepoint: {NAME}: {error.strerror}") from error
    return parse(data, str(directory))


def parse(data: bytes | str, place: str) -> Manifest:
    """What `Manifest.to_text` gave.  place: where the savepoint is, for people.  Raises SnapshotError as `read`."""
    damaged = f"{place}/{NAME} is damaged"
    try:
        table = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise SnapshotError(f"{damaged}: {error}; use another savepoint") from error
    if not isinstance(table, dict):
        raise SnapshotError(f"{damaged}: not a table; use another savepoint")
    found = table.get("format")
    if found != _FORMAT:
        raise SnapshotError(
            f"savepoint {place} has format {found!r}, this build reads {_FORMAT}; use the build that wrote it"
        )
    _check_seal(place, table)
    try:
        return msgspec.convert({k: v for k, v in table.items() if k not in ("format", "seal")}, Manifest)
    except msgspec.ValidationError as error:
        raise SnapshotError(f"{damaged}: {error}; use another savepoint") from error


def _key() -> bytes:
    key = os.environ.get(KEY, "").encode()
    if key and len(key) < _KEY_BYTES_MIN:
        raise SnapshotError(
            f"{KEY}: seen {len(key)} bytes, allowed: at least {_KEY_BYTES_MIN}, from a random generator"
        )
    return key


def _seal(table: dict[str, Any], key: bytes) -> str:
    return hmac.digest(key, orjson.dumps(table, option=orjson.OPT_SORT_KEYS), "sha256").hex()


def _check_seal(place: str, table: dict[str, Any]) -> None:
    key = _key()
    if not key:
        return
    seal = table.get("seal")
    if seal is None:
        raise SnapshotError(
            f"savepoint {place} was written without a key, and {KEY} is set; if you trust where it comes from, read"
            " it without that variable"
        )
    expected = _seal({k: v for k, v in table.items() if k != "seal"}, key)
    if not isinstance(seal, str) or not hmac.compare_digest(seal.encode(), expected.encode()):
        raise SnapshotError(f"savepoint {place} was not written with the key in {KEY}, or was changed since")


def damaged(directory: Path, manifest: Manifest) -> Iterator[str]:
    """One line for each file that is not as it was written, or was added since."""
    for name, (size, told) in manifest.files.items():
        file = directory / name
        if not lies_inside(name):
            yield f"{name!r} lies outside"
        elif not file.is_file():
            yield f"{name} is missing"
        elif file.stat().st_size != size:
            yield f"{name} has {file.stat().st_size} bytes, expected {size}"
        elif checksum(file) != told:
            yield f"{name} was changed: its checksum differs"
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            yield f"{name} is a link"
        elif not path.is_dir() and name != NAME and name not in manifest.files and not name.endswith(_BY_SQLITE):
            yield f"{name} does not belong there"


def require_whole(directory: Path) -> Manifest:
    """The manifest of a savepoint whose files are all as they were written.  Raises SnapshotError for another one."""
    manifest = read(directory)
    if lines := list(damaged(directory, manifest)):
        more = f" and {len(lines) - 5} more" if len(lines) > 5 else ""
        raise SnapshotError(f"savepoint {directory} is damaged: {'; '.join(lines[:5])}{more}; use another one")
    return manifest


def lies_inside(name: str) -> bool:
    """Whether a name of a manifest stays in its directory."""
    return not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts


def new_checksum() -> "hashlib.blake2b":
    """Of nothing yet; its hexdigest is what a manifest has."""
    return hashlib.blake2b(digest_size=16)


def checksum(file: Path) -> str:
    """Of what is in a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, new_checksum).hexdigest()
