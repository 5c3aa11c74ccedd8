"""What people tell a running job: labels of subjects, and commands to detectors.  One JSON object per line.

The JSON Schemas are docs/schemas/label.json and docs/schemas/command.json.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import starmap
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from flows.wire.hashing import hash_pieces, id_piece
from flows.wire.reject import BadLineError, Reason
from flows.wire.times import iso_us, numeric_us
from state.types import END_OF_TIME_US, START_OF_TIME_US

Verb = Literal["pause", "resume", "disable", "tune"]
Time = float | int | str
"""Milliseconds since 1970 UTC, or ISO 8601 text."""
_WORDS: Final = {"fraud": 1.0, "genuine": 0.0}
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Line = TypeVar("Line", bound=msgspec.Struct)


class Label(NamedTuple):
    """A subject's label.  All times in microseconds.

    end_us: the end of the round after which it counts.  subject: the hash of its id.  fraud: 1, or 0 for genuine.
    since_us, until_us: it is about windows that overlap this time.
    """

    end_us: int
    subject: int
    fraud: float
    since_us: int
    until_us: int


class Command(NamedTuple):
    """A command to a detector.

    end_us: the end of the round after which it counts.  source, offset: where it stands.  settings: of "tune", by name.
    """

    end_us: int
    source: str
    offset: int
    verb: str
    detector: str
    settings: dict[str, Any]
    at_us: int
    by: str
    reason: str


def told_state(told: Iterable[Label | Command]) -> dict[str, Any]:
    """As JSON values."""
    told = list(told)
    return {
        "labels": [list(item) for item in told if isinstance(item, Label)],
        "commands": [list(item) for item in told if isinstance(item, Command)],
    }


def told_from(state: Mapping[str, Any]) -> list[Label | Command]:
    """What `told_state` gave; nothing from states that were saved before there was any."""
    return [*starmap(Label, state.get("labels", ())), *starmap(Command, state.get("commands", ()))]


class _Label(msgspec.Struct):
    subject: _Text | int
    label: bool | int | Literal["fraud", "genuine"]
    at: Time
    since: Time | None = None
    until: Time | None = None


class _Command(msgspec.Struct):
    command: Verb
    detector: _Text
    at: Time
    settings: dict[str, bool | int | float | str] = {}
    by: str = ""
    reason: str = ""


_read_label = msgspec.json.Decoder(_Label).decode
_read_command = msgspec.json.Decoder(_Command).decode


def read_label(line: bytes) -> tuple[int, Label]:
    """When the label was given, in microseconds, and the label, with no end yet.  Raises BadLineError."""
    found = _read(_read_label, line)
    fraud = _WORDS[found.label] if isinstance(found.label, str) else float(found.label)
    if fraud not in (0.0, 1.0):
        raise BadLineError((Reason.OUT_OF_RANGE, f'label: found {found.label}, expected 0, 1, "fraud" or "genuine"'))
    hashes, huge = hash_pieces([id_piece([found.subject])])
    if huge[0]:
        raise BadLineError((Reason.HUGE_INTEGER, "subject: expected an id of at most 64 bits"))
    at_us = _time_us("at", found.at)
    since_us = START_OF_TIME_US if found.since is None else _time_us("since", found.since)
    until_us = at_us if found.until is None else _time_us("until", found.until)
    return at_us, Label(END_OF_TIME_US, int(hashes[0]), fraud, since_us, until_us)


def read_command(line: bytes, source: str, offset: int) -> tuple[int, Command]:
    """When the command was given, in microseconds, and the command, with no end yet.  Raises BadLineError."""
    found = _read(_read_command, line)
    at_us = _time_us("at", found.at)
    if (found.command == "tune") != bool(found.settings):
        raise BadLineError((Reason.WRONG_TYPE, "settings: expected with the command tune, and with no other"))
    command = Command(
        END_OF_TIME_US,
        source,
        offset,
        found.command,
        found.detector,
        found.settings,
        at_us,
        found.by,
        found.reason,
    )
    return at_us, command


def _read(decode: Callable[[bytes], Line], line: bytes) -> Line:
    try:
        return decode(line)
    except msgspec.ValidationError as error:
        missing = "missing required" in str(error)
        raise BadLineError((Reason.MISSING_FIELD if missing else Reason.WRONG_TYPE, str(error))) from error
    except UnicodeError as error:
        raise BadLineError((Reason.INVALID_UTF8, str(error))) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadLineError((Reason.NOT_JSON, str(error))) from error


def _time_us(name: str, value: Time) -> int:
    try:
        found = iso_us(value) if isinstance(value, str) else numeric_us(value, "ms")
    except OverflowError:
        raise BadLineError((Reason.TIME_OUT_OF_RANGE, f"{name}: found {value}")) from None
    except ValueError as error:
        raise BadLineError((Reason.WRONG_TYPE, f"{name}: {error}")) from error
    if not 0 <= found < END_OF_TIME_US // 2:
        raise BadLineError((Reason.TIME_OUT_OF_RANGE, f"{name}: found {value}"))
    return found
