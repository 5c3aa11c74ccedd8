"""What people tell a running job: labels of subjects, commands to detectors, who is not alerted.  One JSON object per
line.

The JSON Schemas are docs/schemas/label.json, docs/schemas/command.json and docs/schemas/exempt.json.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import starmap
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from detectors.alerting.exempt import Exemption, Origin
from flows.wire.hashing import hash_pieces, id_piece, of_kind
from flows.wire.reject import BadLineError, Reason, describe
from flows.wire.times import numeric_us
from state.times import from_iso
from state.types import END_OF_TIME_US, START_OF_TIME_US
from state.words import one_of

Verb = Literal["pause", "resume", "disable", "tune", "exempt", "unexempt"]
OF_SUBJECTS: Final = ("exempt", "unexempt")
"""Commands that are about a subject; the others are about a detector."""
Time = float | int | str
"""Milliseconds since 1970 UTC, or ISO 8601 text."""
_WORDS: Final = {"fraud": 1.0, "genuine": 0.0}
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Line = TypeVar("Line", bound=msgspec.Struct)


class Kinds(NamedTuple):
    """What the subjects of a job are called.  own: those that the stream is keyed by.  others: of further kinds."""

    own: str = "subject"
    others: frozenset[str] = frozenset()

    def known(self, kind: str | None) -> str:
        """A kind as subjects are told apart by it: "" for the stream's own.  Raises BadLineError for none of these."""
        if kind is None or kind == self.own:
            return ""
        if kind not in self.others:
            known = one_of([self.own, *sorted(self.others)])
            raise BadLineError((Reason.UNKNOWN_WORD, f"kind: found {describe(kind)}, expected one of {known}"))
        return kind


ONE_KIND: Final = Kinds()


class Label(NamedTuple):
    """A subject's label.  All times in microseconds.

    end_us: the end of the round after which it counts.  subject: the hash of its id.  fraud: 1, or 0 for genuine.
    since_us, until_us: it is about windows that overlap this time.  name: the subject's id.  by, reason: who says so,
    and why.  kind: of the subject; "" for those that the stream is keyed by.
    """

    end_us: int
    subject: int
    fraud: float
    since_us: int
    until_us: int
    name: str = ""
    by: str = ""
    reason: str = ""
    kind: str = ""


class Command(NamedTuple):
    """A command to a detector, or about a subject.

    end_us: the end of the round after which it counts.  source, offset: where it stands.  settings: of "tune", by name.
    subject, name, until_us: of "exempt" and "unexempt", which have no detector: the hash of an id, the id, the end.
    kind: of subjects; "" for those that the stream is keyed by.
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
    subject: int = 0
    name: str = ""
    until_us: int = 0
    kind: str = ""

    @property
    def is_of_subject(self) -> bool:
        """Whether it is about a subject, and no detector."""
        return self.verb in OF_SUBJECTS


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
    by: Any = ""
    reason: Any = ""
    kind: _Text | None = None


LABEL_KEYS: Final = _Label.__struct_fields__
"""What a label says itself; all else in its line is event columns, or nobody's."""


class _Command(msgspec.Struct):
    command: Verb
    at: Time
    detector: _Text | None = None
    subject: _Text | int | None = None
    until: Time | None = None
    settings: dict[str, bool | int | float | str] = {}
    by: str = ""
    reason: str = ""
    kind: _Text | None = None


class _Exempt(msgspec.Struct, forbid_unknown_fields=True):
    subject: _Text | int
    until: Time
    reason: _Text
    since: Time | None = None
    by: str = ""
    kind: _Text | None = None


_read_label = msgspec.json.Decoder(_Label).decode
_read_command = msgspec.json.Decoder(_Command).decode
_read_exempt = msgspec.json.Decoder(_Exempt).decode


def read_label(line: bytes, kinds: Kinds = ONE_KIND) -> tuple[int, Label]:
    """When the label was given, in microseconds, and the label, with no end yet.  Raises BadLineError."""
    found = _read(_read_label, line)
    fraud = _WORDS[found.label] if isinstance(found.label, str) else float(found.label)
    if fraud not in (0.0, 1.0):
        raise BadLineError((Reason.OUT_OF_RANGE, f'label: found {found.label}, expected 0, 1, "fraud" or "genuine"'))
    kind = kinds.known(found.kind)
    subject = _subject(found.subject, kind)
    at_us = _time_us("at", found.at)
    since_us = START_OF_TIME_US if found.since is None else _time_us("since", found.since)
    until_us = at_us if found.until is None else _time_us("until", found.until)
    by, reason = (text if isinstance(text, str) else "" for text in (found.by, found.reason))
    return at_us, Label(END_OF_TIME_US, subject, fraud, since_us, until_us, str(found.subject), by, reason, kind)


def read_command(line: bytes, source: str, offset: int, kinds: Kinds = ONE_KIND) -> tuple[int, Command]:
    """When the command was given, in microseconds, and the command, with no end yet.  Raises BadLineError."""
    found = _read(_read_command, line)
    at_us = _time_us("at", found.at)
    of_subject = found.command in OF_SUBJECTS
    for name, is_there, is_due in (
        ("settings", bool(found.settings), found.command == "tune"),
        ("detector", found.detector is not None, not of_subject),
        ("subject", found.subject is not None, of_subject),
        ("until", found.until is not None, found.command == "exempt"),
    ):
        if is_there != is_due:
            why = f"{name}: {'missing' if is_due else 'found'}, with the command {found.command}"
            raise BadLineError((Reason.MISSING_FIELD if is_due else Reason.WRONG_TYPE, why))
    if found.command == "exempt" and not found.reason:
        raise BadLineError((Reason.MISSING_FIELD, "reason: missing, with the command exempt"))
    head = END_OF_TIME_US, source, offset, found.command
    kind = kinds.known(found.kind)
    command = Command(*head, found.detector or "", found.settings, at_us, found.by, found.reason, kind=kind)
    if found.subject is not None:
        until_us = 0 if found.until is None else _time_us("until", found.until)
        command = command._replace(subject=_subject(found.subject, kind), name=str(found.subject), until_us=until_us)
    return at_us, command


def read_exempt(line: bytes, kinds: Kinds = ONE_KIND) -> Exemption:
    """A line of the list of subjects that are not alerted.  Raises BadLineError."""
    found = _read(_read_exempt, line)
    since_us = START_OF_TIME_US if found.since is None else _time_us("since", found.since)
    until_us = _time_us("until", found.until)
    if until_us <= since_us:
        raise BadLineError((Reason.OUT_OF_RANGE, f"until: found {found.until}, expected a moment after since"))
    kind = kinds.known(found.kind)
    head = _subject(found.subject, kind), str(found.subject), Origin.FILE, until_us
    return Exemption(*head, found.reason, found.by, since_us, kind=kind)


def _subject(name: str | int, kind: str = "") -> int:
    """The hash of a subject's id."""
    hashes, huge = hash_pieces([id_piece([name])])
    if huge[0]:
        raise BadLineError((Reason.HUGE_INTEGER, "subject: expected an id of at most 64 bits"))
    return int(of_kind(hashes, kind)[0])


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
        found = from_iso(value) if isinstance(value, str) else numeric_us(value, "ms")
    except OverflowError:
        raise BadLineError((Reason.TIME_OUT_OF_RANGE, f"{name}: found {value}")) from None
    except ValueError as error:
        raise BadLineError((Reason.WRONG_TYPE, f"{name}: {error}")) from error
    if not 0 <= found < END_OF_TIME_US // 2:
        raise BadLineError((Reason.TIME_OUT_OF_RANGE, f"{name}: found {value}"))
    return found
