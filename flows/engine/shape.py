"""The shape of a job, noted beside its state: which state may go on with which job."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flows.engine.stages import Stages
from flows.layout import Settings
from state.errors import SnapshotError

_log: Final = logging.getLogger("driftnet.engine")
SHAPE: Final = "shape.json"
"""The file, in a state directory."""
_FORMAT: Final = 1
_DEFAULT: Final = "as by default"


def check_shape(directory: Path, stages: Stages, partitions: Sequence[str], *, note: bool = True) -> None:
    """Compares a state directory with the job that is to go on from it, and notes the job's shape there.

    Raises SnapshotError, and writes nothing, when the state cannot be of this job.  What starts cold is logged.
    """
    shape: dict[str, Any] = {
        "format": _FORMAT,
        "key_groups": stages.groups,
        "cohorts": list(stages.cohorts),
        "layout": stages.layout,
        "replaceable": stages.replaceable,
        "partitions": list(partitions),
    }
    file = directory / SHAPE
    if file.exists():
        saved = read_shape(file)
        _refuse_others(directory, saved, shape)
        for name, change in changes(saved["replaceable"], stages.replaceable).items():
            what = "its state is dropped" if name not in stages.replaceable else "it starts cold"
            _log.warning("%s: %s", change, what)
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
    for name, what in _PARTS.items():
        if not what(saved.get(name)):
            raise SnapshotError(damaged % f"{name} is not what it should be")
    return saved


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _tables(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())


_PARTS: Final = {
    "key_groups": lambda value: type(value) is int,
    "cohorts": _texts,
    "layout": _tables,
    "replaceable": _tables,
    "partitions": _texts,
}
"""Name -> whether a value is of its kind."""


def _refuse_others(directory: Path, saved: dict[str, Any], shape: dict[str, Any]) -> None:
    reasons = [
        f"{name} was {saved[name]!r}, is {shape[name]!r}"
        for name in ("key_groups", "cohorts")
        if saved[name] != shape[name]
    ]
    reasons += changes(saved["layout"], shape["layout"]).values()
    if gone := [name for name in saved["partitions"] if name not in shape["partitions"]]:
        reasons.append(f"it has read partitions that this job does not have: {', '.join(gone)}")
    if reasons:
        raise SnapshotError(
            f"state directory {directory} was saved by another job: {'; '.join(reasons)};"
            " run the job as it was, or start in an empty directory (nothing was changed)"
        )


def changes(saved: Mapping[str, Settings], now: Mapping[str, Settings]) -> dict[str, str]:
    """Name -> how it is new, gone or set otherwise, as text."""
    lines = {}
    for name in sorted(saved.keys() | now.keys()):
        before, after = saved.get(name), now.get(name)
        if before is None or after is None:
            lines[name] = f"{name} is {'new' if before is None else 'gone'}"
        elif before != after:
            told = (
                f"{key} was {before.get(key, _DEFAULT)}, is {after.get(key, _DEFAULT)}"
                for key in sorted(before.keys() | after.keys())
                if before.get(key) != after.get(key)
            )
            lines[name] = f"{name}: {', '.join(told)}"
    return lines
