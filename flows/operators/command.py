"""Commands to detectors at run time: what they may change, and what is put on record."""

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Final

from detectors.base import Scope
from flows.config.durations import parse_duration_us
from flows.job import DetectorUse
from flows.wire.told import Command
from state.errors import DriftnetError
from state.times import iso

_OF_USE: Final = ("weight", "cost_us", "memory_bytes")
"""What may change while the detector keeps what it has learned."""

_OF_CODE: Final = ("path", "params", "steps")
"""What says which code runs: for the configuration alone, because anybody may have written the command."""


class CommandError(DriftnetError):
    """A command that cannot be obeyed."""


def tuned(use: DetectorUse, settings: dict[str, Any]) -> tuple[DetectorUse, dict[str, Any]]:
    """The use with other settings, and what they were before.  Raises CommandError.

    settings: weight, cost_us and memory_bytes, or parameters of the detector by their names in the configuration.
    """
    before: dict[str, Any] = {}
    for key, value in settings.items():
        if key in _OF_USE:
            before[key] = getattr(use, key)
            use = replace(use, **{key: _fitting(key, value, before[key])})
            continue
        spec: Any = use.spec
        names = {field.name for field in fields(spec)}
        name = key if key in names else f"{key}_us"
        if name not in names:
            known = ", ".join([*_OF_USE, *sorted(n.removesuffix("_us") for n in names if n not in _OF_CODE)])
            raise CommandError(f"no setting {key!r}; there are: {known}")
        if key in _OF_CODE:
            raise CommandError(f"{key}: which code runs is set in the configuration; change it and start again")
        if use.spec.scope is Scope.SUBJECT:
            raise CommandError(
                f"{key}: what {use.name} knows of each subject goes by it; change the configuration and start again"
            )
        before[key] = getattr(spec, name)
        fitting = parse_duration(key, value) if name != key else _fitting(key, value, before[key])
        try:
            use = replace(use, spec=replace(spec, **{name: fitting}))
        except Exception as error:  # a plug-in's specification may raise anything
            raise CommandError(f"{key}: {str(error) or type(error).__name__}") from error
    if not use.weight > 0:
        raise CommandError(f"weight: seen {use.weight}, allowed: more than 0; pause or disable the detector instead")
    return use, before


def parse_duration(key: str, value: Any) -> int:
    """Microseconds.  Raises CommandError."""
    try:
        return parse_duration_us(value)
    except ValueError as error:
        raise CommandError(f"{key}: seen {value!r}, allowed: {error}") from error


def _fitting(key: str, value: Any, before: Any) -> Any:
    """The value, of the type that it replaces."""
    if isinstance(before, float) and type(value) in (int, float):
        return float(value)
    if isinstance(before, str):  # import paths and files are texts too
        raise CommandError(
            f"{key}: seen a text, allowed: numbers, durations, true and false; texts are the configuration's"
        )
    if type(value) is not type(before):
        raise CommandError(f"{key}: seen {value!r}, allowed: a value like {before!r}")
    return value


def audit_record(
    command: Command, cohort: str, windows: Sequence[str], before: dict[str, Any], after: dict[str, Any], refused: str
) -> dict[str, Any]:
    """What is put on record of a command in one cohort.  refused: why, empty where it was obeyed."""
    about = f"{command.source}:{command.offset}:{cohort}"
    return {
        "audit_id": hashlib.blake2b(about.encode(), digest_size=8).hexdigest(),
        "at": iso(command.at_us),
        "effective": iso(command.end_us),
        "command": command.verb,
        "detector": command.detector,
        "cohort": cohort,
        "windows": list(windows),
        "outcome": "refused" if refused else "applied",
        "detail": refused,
        "before": before,
        "after": after,
        "by": command.by,
        "reason": command.reason,
        "source": command.source,
        "offset": command.offset,
    }
