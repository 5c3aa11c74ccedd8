"""Labels as they were known at each moment."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from flows.sources.files import FilesSpec
from flows.streams.fields import Field, Moment, Number
from flows.wire.reject import BadLineError
from flows.wire.told import ONE_KIND, Kinds, Label, read_label
from state.errors import SourceError
from state.times import from_iso, iso

LABELS: Final = (
    Field("label", Number(0, 1, unknown=True), "1 for fraud, 0 for genuine: what was found out after the window"),
    Field("label_at", Moment(), "when that was; null where nothing was found out"),
    Field("known_label", Number(0, 1, unknown=True), "what was known of the window when it closed"),
    Field("known_at", Moment(), "since when; null where nothing was known"),
)
"""The columns that labels add to a window row."""
_LINES: Final = 8192
_Told = tuple[int, Label]
"""When a label was given, in microseconds, and the label."""


class KnownLabels:
    """Labels by subject, in the order in which they were given.

    A label is about the windows that it would be about in a running job: those of its subject that overlap `since` to
    `until`.  Of several, one that was given at the same time as another counts in order of (since, until, label).
    """

    def __init__(self, told: Iterable[_Told], own_kind: str = ONE_KIND.own) -> None:
        """own_kind: what records call subjects that the stream is keyed by."""
        self._own_kind = own_kind
        self._of: defaultdict[tuple[str, str], list[_Told]] = defaultdict(list)
        for at_us, label in sorted(told, key=lambda t: (t[0], t[1].since_us, t[1].until_us, t[1].fraud)):
            self._of[label.kind, label.name].append((at_us, label))

    @classmethod
    def read(cls, path: str | Path, kinds: Kinds = ONE_KIND) -> "KnownLabels":
        """Of a file of labels (docs/labels.md).  kinds: of subjects.  Raises SourceError, with the place of the first
        line that is none.
        """
        source, found = FilesSpec((str(path),)), []
        (name,) = source.partition_names()
        partition = source.open(name)
        while (lines := partition.read(_LINES)) is not None:
            for line, offset in zip(lines.lines, lines.offsets, strict=True):
                if line.strip():
                    found.append(_label(line, f"{lines.source}:{offset}", kinds))
        partition.close()
        return cls(found, kinds.own)

    def about(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What LABELS says of a record of the stream `features`.

        label: the first one that was given after its end, as a running job takes it, so that a value that is there
        never changes when more becomes known.  known_label: the last one that had been given by then.
        """
        kind = row.get("kind", self._own_kind)
        mine = self._of.get(("" if kind == self._own_kind else kind, row["subject"]))
        if mine is None:
            return dict.fromkeys(field.name for field in LABELS)
        start_us, stop_us, end_us = (from_iso(row[name]) for name in ("start", "stop", "end"))
        told = [(at, label) for at, label in mine if _is_about(label, start_us, stop_us)]
        later = bisect_right(told, end_us, key=lambda t: t[0])
        after = told[later] if later < len(told) else None
        before = told[later - 1] if later else None
        return {**_columns("label", "label_at", after), **_columns("known_label", "known_at", before)}


def _columns(label: str, at: str, told: _Told | None) -> dict[str, Any]:
    return {label: None, at: None} if told is None else {label: told[1].fraud, at: iso(told[0])}


def _is_about(label: Label, start_us: int, stop_us: int) -> bool:
    return stop_us > label.since_us and start_us < label.until_us


def _label(line: bytes, place: str, kinds: Kinds) -> _Told:
    try:
        return read_label(line, kinds)
    except BadLineError as error:
        reason, detail = error.why
        raise SourceError(f"{place}: no label ({reason}): {detail}; docs/labels.md says what one looks like") from None
