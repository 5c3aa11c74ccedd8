"""The shape of a job, noted beside its state: which state may go on with which job."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flows.evolution.fates import KINDS, MADE_OF, UNSAID, FateKind, fates
from flows.evolution.layout import Layout
from flows.stages import Stages
from state.errors import SnapshotError

_log: Final = logging.getLogger("driftnet.engine")
SHAPE: Final = "shape.json"
"""The file, in a state directory."""
_FORMAT: Final = 1


def check_shape(directory: Path, stages: Stages, partitions: Sequence[str], *, note: bool = True) -> None:
    """Compares a state directory with the job that is to go on from it, and notes the job's shape there.

    Raises SnapshotError, and writes nothing, when the state cannot be of this job.  What starts cold, and what is
    dropped, is logged.
    """
    shape: dict[str, Any] = {"format": _FORMAT, **stages.shape, "partitions": list(partitions)}
    if stages.unsaid is not None:
        shape[UNSAID] = stages.unsaid.to_plain()
    file = directory / SHAPE
    if file.exists():
        saved = read_shape(file)
        found = fates({name: shape[name] for name in (UNSAID,) if name in shape} | saved, shape)
        if reasons := [fate.why for fate in found if fate.kind is FateKind.REFUSED]:
            raise SnapshotError(
                f"state directory {directory} was saved by another job: {'; '.join(reasons)};"
                " run the job as it was, or start in an empty directory (nothing was changed)"
            )
        for fate in found:
            if fate.kind is not FateKind.KEPT:
                _log.warning("%s", fate.why)
    if not note:
        return
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(shape))
    fresh.replace(file)


def read_shape(file: Path) -> dict[str, Any]:
    """What was noted.  Raises SnapshotError for a file that is not as `check_shape` writes it."""
    damaged = f"{file} is damaged (%s); start from a savepoint, or in an empty directory"
    try:
        saved = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SnapshotError(damaged % error) from error
    if not isinstance(saved, dict):
        raise SnapshotError(damaged % "not a table")
    if saved.get("format") != _FORMAT:
        raise SnapshotError(
            f"{file}: state of format {saved.get('format')!r}, this build reads {_FORMAT}; run the build that wrote it,"
            " or start in an empty directory"
        )
    kinds = saved.get(KINDS, {})
    if not _tables(kinds):
        raise SnapshotError(damaged % f"{KINDS} is not what it should be")
    for shape in (saved, *({"partitions": [], **kind} for kind in kinds.values())):
        for name, what in _PARTS.items():
            if not what(shape.get(name)):
                raise SnapshotError(damaged % f"{name} is not what it should be")
        for name in (MADE_OF, UNSAID):
            if name in shape:
                Layout.from_plain(shape[name])
    if not all(isinstance(kind.get("key"), str) for kind in kinds.values()):
        raise SnapshotError(damaged % "key is not what it should be")
    return saved


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _numbers(value: object) -> bool:
    return isinstance(value, dict) and all(type(each) is int and each >= 0 for each in value.values())


def _tables(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())


_PARTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "key_groups": lambda value: type(value) is int,
    "cohorts": _texts,
    "layout": _tables,
    "replaceable": _tables,
    "partitions": _texts,
    "cohort_numbers": lambda value: value is None or _numbers(value),
    "detectors": lambda value: value is None or (isinstance(value, dict) and all(map(_texts, value.values()))),
}
"""Name -> whether a value is of its kind."""
