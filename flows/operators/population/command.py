"""Commands to detectors at run time: what they may change, and what is put on record."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from detectors.base import Scope
from detectors.settings import keys_of, value_of
from flows.judgement import DetectorUse
from flows.wire.told import Command
from state.durations import parse_duration_us
from state.errors import ConfigError, DriftnetError
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
            _, fitting = _fitting(DetectorUse, key, value)
            before[key] = getattr(use, key)
            use = replace(use, **{key: fitting})
            continue
        spec: Any = use.spec
        if key.removesuffix("_us") not in keys_of(type(spec)):
            known = ", ".join([*_OF_USE, *sorted(keys_of(type(spec)).keys() - set(_OF_CODE))])
            raise CommandError(f"no setting {key!r}; there are: {known}")
        if key in _OF_CODE:
            raise CommandError(f"{key}: which code runs is set in the configuration; change it and start again")
        if use.spec.scope is Scope.SUBJECT:
            raise CommandError(
                f"{key}: what {use.name} knows of each subject goes by it; change the configuration and start again"
            )
        name, fitting = _fitting(type(spec), key, value)
        before[key] = getattr(spec, name)
        try:
            use = replace(use, spec=replace(spec, **{name: fitting}))
        except Exception as error:  # a plug-in's specification may raise anything
            raise CommandError(f"{key}: {str(error) or type(error).__name__}") from error
    if not use.weight > 0:
        raise CommandError(f"weight: seen {use.weight}, allowed: more than 0; pause or disable the detector instead")
    return use, before


def _fitting(kind: type[Any], key: str, value: Any) -> tuple[str, Any]:
    """The field that a setting is of, and its value; of texts only those that are durations."""
    try:
        name, fitting = value_of(kind, key, value)
    except ConfigError as error:
        raise CommandError(str(error)) from error
    if isinstance(fitting, str):  # import paths and files are texts too
        raise CommandError(
            f"{key}: seen a text, allowed: numbers, durations, true and false; texts are the configuration's"
        )
    return name, fitting


def parse_duration(key: str, value: Any) -> int:
    """Microseconds.  Raises CommandError."""
    try:
        return parse_duration_us(value)
    except ValueError as error:
        raise CommandError(f"{key}: seen {value!r}, allowed: {error}") from error


def audit_record(
    command: Command, whose: tuple[str, str], windows: Sequence[str], before: dict[str, Any], after: dict[str, Any],
    refused: str,
) -> dict[str, Any]:  # fmt: skip
    """What is put on record of a command in one cohort.  whose: kind of its subjects, and its name.  refused: why,
    empty where it was obeyed.
    """
    kind, cohort = whose
    about = f"{command.source}:{command.offset}:{cohort}"
    return {
        "audit_id": hashlib.blake2b(about.encode(), digest_size=8).hexdigest(),
        "at": iso(command.at_us),
        "effective": iso(command.end_us),
        "command": command.verb,
        "detector": command.detector,
        "kind": kind,
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
