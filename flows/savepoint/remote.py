"""Savepoints in object stores: made there, read from there, started from.

The objects are the files of a savepoint, under their names below its URL; savepoint.json comes last, so that what is
half there is no savepoint.  What is read is fetched into a directory first, where every checksum is compared.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple
from uuid import uuid4

from flows.archive.restore import assemble, latest
from flows.objects import MissingObjectError, Objects, ObjectsError, ObjectTakenError, in_parallel, inside, is_url
from flows.savepoint.copy import create, goes_on, made_anew, put_in_place
from flows.savepoint.manifest import NAME, Manifest, lies_inside, parse, require_whole
from state.errors import SnapshotError

UPLOADED: Final = ".upload-"
"""How names of what is about to be uploaded begin, in a state directory's savepoints."""
_log: Final = logging.getLogger("driftnet")


def create_at(state_dir: Path, url: str) -> Manifest:
    """A savepoint of the last checkpoint below a URL, complete or not at all.

    It is put together in STATE_DIR/savepoints/ first, which takes as much room as the state.  Raises SnapshotError when
    something is there already, or when there is no checkpoint yet; ObjectsError, ConfigError.
    """
    objects = Objects(url)
    if there := objects.names():
        what = "a savepoint" if NAME in there else f"{len(there):,} objects that are no whole savepoint"
        raise SnapshotError(
            f"{objects.url}: {what} there already; choose another name, savepoints are never overwritten"
        )
    copy, written = state_dir / "savepoints" / f"{UPLOADED}{uuid4().hex[:8]}", list[str]()

    def upload(name: str) -> None:
        objects.put(name, copy / name, fresh=True)
        written.append(name)

    try:
        manifest = create(state_dir, copy)
        in_parallel(upload, manifest.files)
        upload(NAME)
    except ObjectsError as error:
        with suppress(ObjectsError):
            objects.delete(written)
        if isinstance(error, ObjectTakenError):
            raise SnapshotError(f"{error}: is somebody else making a savepoint there? Choose another name") from error
        raise
    finally:
        shutil.rmtree(copy, ignore_errors=True)
        with suppress(OSError):
            copy.parent.rmdir()
    return manifest


@contextmanager
def located(place: str | Path) -> Iterator[Path]:
    """Where a path or a URL can be read; what a URL has is fetched for as long as the block runs.

    A URL is that of a savepoint, or of an archive (flows.archive), whose last checkpoint it stands for.  Raises
    SnapshotError for one that is neither, or damaged, and ObjectsError.
    """
    if not is_url(str(place)):
        yield Path(place)
        return
    url = str(place)
    with TemporaryDirectory(prefix="driftnet-") as folder:
        copy = Path(folder) / "copy"
        try:
            _fetch(_source(Objects(url)), copy)
            yield copy
        except SnapshotError as error:
            raise SnapshotError(str(error).replace(str(copy), url)) from error


def listed(url: str) -> list[tuple[Manifest, str]]:
    """The savepoints right below a URL, with their URLs."""
    objects, found = Objects(url), []
    for name in objects.folders():
        with suppress(MissingObjectError):
            found.append((parse(objects.get(f"{name}/{NAME}"), inside(url, name)), inside(url, name)))
    return found


def start_at(url: str, state_dir: Path, positions: Callable[[], Mapping[str, Any]] | None) -> None:
    """Makes state_dir a copy of what a URL has, as `flows.savepoint.copy.start` does of a directory."""
    objects = Objects(url)
    source = _source(objects)
    if goes_on(source.manifest, url, state_dir):
        return
    fresh = made_anew(state_dir)
    try:
        _fetch(source, fresh)
        require_whole(fresh)
    except SnapshotError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise SnapshotError(str(error).replace(str(fresh), url)) from error
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    put_in_place(fresh, state_dir, positions)
    _log.info("%s starts from savepoint %s", state_dir, url)


class _Source(NamedTuple):
    """data: its savepoint.json.  fetch: brings all other files into a directory."""

    data: bytes
    manifest: Manifest
    fetch: Callable[[Path], None]


def _source(objects: Objects) -> _Source:
    try:
        data = objects.get(NAME)
    except MissingObjectError as error:
        found = latest(objects)
        if found is not None:
            return _Source(found.archived.savepoint.encode(), found.manifest, partial(assemble, objects, found))
        there = "objects that are no whole one" if objects.names() else "nothing"
        raise SnapshotError(f"{objects.url} is no savepoint and no archive: seen {there}") from error
    manifest = parse(data, objects.url)
    return _Source(data, manifest, partial(_fetch_files, objects, manifest))


def _fetch(source: _Source, target: Path) -> None:
    target.mkdir(exist_ok=True)
    source.fetch(target)
    (target / NAME).write_bytes(source.data)


def _fetch_files(objects: Objects, manifest: Manifest, target: Path) -> None:
    """Those that are not there are missing in the copy too, and those that do not belong there are there, so that who
    looks whether it is whole finds both.
    """

    def fetch(name: str) -> None:
        with suppress(MissingObjectError):
            objects.fetch(name, target / name)

    in_parallel(fetch, filter(lies_inside, manifest.files.keys() | objects.names().keys() - {NAME}))
