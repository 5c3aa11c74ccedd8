"""The proposed configuration: TOML with comments that say what was seen and why, checked on the sample."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from flows.config import loads
from flows.config.toml import name_text, value_text
from flows.infer.columns import Column, columns_of
from flows.infer.fields import fields_of
from flows.infer.roles import Role, find_id, find_subject, find_time
from flows.infer.sample import Sample, read_sample
from flows.wire.decode import Decoder
from flows.wire.path_text import parse_path
from state.batch import MicroBatch
from state.durations import format_duration
from state.errors import SourceError
from state.types import DAY_US, HOUR_US, MINUTE_US, SECOND_US

_SIZES: Final = {
    HOUR_US: 15 * MINUTE_US, 6 * HOUR_US: HOUR_US, DAY_US: 6 * HOUR_US, 7 * DAY_US: DAY_US, 28 * DAY_US: 7 * DAY_US,
}  # fmt: skip
"""Sizes of the window, and their slides."""
_EVENTS_PER_WINDOW: Final = 5
"""Of a usual subject: fewer have no shape."""
_DISORDER_MAX_US: Final = HOUR_US
_FEW: Final = 256
"""Subjects; with fewer, calibration has to answer sooner, and one that is alone for long moves time alone."""
_OF_EACH: Final = 4
"""Features of one kind, of the columns that are filled best."""


def infer(path: Path, count: int, time: str = "", subject: str = "", event_id: str = "") -> str:
    """A configuration for the events of a file, from its first `count` lines.

    time, subject, event_id: paths of what they name; "" to look for them.  Raises SourceError where the file cannot be
    read, or has no time or no subject.
    """
    sample = read_sample(path, count)
    fields = fields_of(sample.documents)
    when = find_time(fields, _wanted("--time", time))
    whose = find_subject(fields, when, _wanted("--subject", subject))
    which = find_id(fields, when, whose, _wanted("--id", event_id))
    roles = [role.field.path for role in (when, whose, which) if role is not None]
    columns, others = columns_of(fields, roles)
    event = "\n".join(_event(when, whose, which, columns, others))
    decoded = Decoder(loads(f'[job]\nextends = "none"\n{event}{_STUB}', str(path)).job().stream.wire).decode(
        sample.lines
    )
    head = _head(sample, len(decoded.batch), Counter(reject.reason.value for reject in decoded.rejects))
    if not len(decoded.batch):
        raise SourceError(f"{path}: no line of the sample can be read as an event: {decoded.rejects[0].detail}")
    text = "\n".join([*head, event, *_rest(sample, columns, decoded.batch)]) + "\n"
    loads(text, str(path)).job()
    return text


_STUB: Final = '\n[features]\nevents = { kind = "count" }\n[windows]\nw = { kind = "tumbling", size = "1h" }\n'
"""What every job needs beside its events."""


def _wanted(option: str, text: str) -> tuple[str | int, ...]:
    try:
        return parse_path(text)
    except ValueError as error:
        raise SourceError(f"{option}: seen {text!r}, allowed: {error}") from None


def _head(sample: Sample, rows: int, rejects: Counter[str]) -> Iterator[str]:
    total = len(sample.lines) + sample.others
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", sample.path.name.partition(".")[0]).strip("-")[:64] or "events"
    yield f"# Proposed by `driftnet config infer` from the first {total:,} lines of {_said(sample.path.name)}: a start,"
    yield "# not a verdict. Read what it takes each field for, and try it: `driftnet config check`, `driftnet replay`."
    lost = f"; rejected: {', '.join(f'{n:,} {reason}' for reason, n in rejects.most_common())}" if rejects else ""
    yield f"# Of these lines {rows:,} can be read as events{lost}."
    if sample.others:
        yield f"# {sample.others:,} lines hold no JSON object."
    if sample.is_table:
        yield "# The file is a table; this reads the lines that `driftnet convert table` makes of it."
    yield from ("", "[job]", f"name = {value_text(name)}", 'extends = "none"')


def _event(
    when: Role, whose: Role, which: Role | None, columns: Sequence[Column], others: dict[str, str]
) -> Iterator[str]:
    yield from ("", "[event]", f"# When: {when.why}.")
    if when.unit == "iso8601" and when.field.zoned < when.field.times:
        yield "# Its texts have no offset, or not all: they are taken for UTC, unless time_zone says otherwise."
    yield f"time = {value_text({'path': when.field.name, 'unit': when.unit})}"
    yield from (f"# Whose: {whose.why}.", f"subject = {value_text(whose.field.name)}")
    if which is None:
        yield "# No id of events was found: lines that are the same, byte by byte, are one event."
    else:
        yield f"# Which: {which.why}."
    yield f"id = {value_text(which.field.name if which else '')}"
    yield from ("", "[event.columns]")
    for column in columns:
        yield f"# {column.about}"
        yield f"{name_text(column.name)} = {value_text(column.table)}"
    if others:
        yield "# No columns:"
        yield from (f"# {_said(name)}: {_said(why)}" for name, why in others.items())


def _rest(sample: Sample, columns: Sequence[Column], batch: MicroBatch) -> Iterator[str]:
    times_us = batch.event_time_us
    subjects = len(set(batch.subject.tolist()))
    span_us = max(int(times_us.max() - times_us.min()), 1)
    reached = times_us[0]
    behind_us = 0
    for at_us in times_us.tolist():
        reached = max(reached, at_us)
        behind_us = max(behind_us, int(reached) - at_us)
    yield from _time(behind_us, subjects)
    size_us = _size_us(len(batch) / subjects, span_us)
    slide_us = _SIZES[size_us]
    yield from ("", "[state]", f'ttl = "{format_duration(max(30 * DAY_US, 2 * size_us))}"')
    gap_us = min(size_us, DAY_US)
    gap = _free("gap", columns)
    yield from ("", "[sequences]", f'{gap} = {{ kind = "gap", cap = "{format_duration(gap_us)}" }}')
    yield from ("", "[features] # docs/features.md has all kinds")
    yield from _features(columns, subjects, gap)
    yield from (
        "",
        "[windows]",
        f"# {len(batch) / subjects:.1f} events per subject in {span_us / HOUR_US:.1f} h of the sample",
        f'window = {{ kind = "sliding", size = "{format_duration(size_us)}", slide = "{format_duration(slide_us)}" }}',
        "",
        "[detectors]",
        'extremes = { type = "ecod" }',
        'population = { type = "half_space_trees" }',
    )
    if subjects < _FEW:
        yield from (
            "",
            f"[calibration] # {subjects:,} subjects in the sample: with few, verdicts come late",
            "ready = 64",
        )
    yield from (
        "",
        "[sources.main]",
        'kind = "files"',
        f"paths = [{value_text(str(sample.path.with_name(_lines_name(sample)) if sample.is_table else sample.path))}]",
        "",
        "[sinks]",
        'alerts = [{ kind = "sqlite", path = "driftnet.db" }]',
    )


def _lines_name(sample: Sample) -> str:
    return f"{sample.path.name.partition('.')[0]}.jsonl"


def _time(behind_us: int, subjects: int) -> Iterator[str]:
    yield from ("", "[time]")
    if behind_us > _DISORDER_MAX_US:
        yield f"# An event of the sample is {format_duration(behind_us // SECOND_US * SECOND_US)} behind one before it:"
        yield "# sort the lines by their times, or such events are late and count for nothing."
    minutes = -(-min(behind_us, _DISORDER_MAX_US) // MINUTE_US)
    yield f'out_of_orderness = "{format_duration(max(minutes * MINUTE_US, 30 * SECOND_US))}"'
    if subjects < _FEW:
        yield 'ahead_max = "0s" # few subjects: one may be alone for days, and nobody bears out what time it is'


def _size_us(events: float, span_us: int) -> int:
    """The smallest window in which a usual subject has some events, if it is not longer than what there is."""
    for size_us in _SIZES:
        if events * size_us / span_us >= _EVENTS_PER_WINDOW or 2 * size_us > span_us:
            return size_us
    return max(_SIZES)


def _free(name: str, columns: Sequence[Column]) -> str:
    """A name for a sequence that no column has."""
    while name in {column.name for column in columns}:
        name += "_"
    return name


def _features(columns: Sequence[Column], subjects: int, gap: str) -> Iterator[str]:
    tables: dict[str, dict[str, Any]] = {
        "events": {"kind": "count", "log": True},
        "gap_cv": {"kind": "gap_cv", "sequence": gap, "direction": "low", "min_rows": 5},
    }
    by_kind = {kind: [c for c in columns if c.kind == kind] for kind in ("id", "number", "enum")}
    # An id with no more values than there are subjects is one of theirs, and the same in all windows.
    by_kind["id"] = [c for c in by_kind["id"] if c.field.distinct > subjects]
    for c in by_kind["id"][:_OF_EACH]:
        tables[f"{c.name}_kinds"] = {"kind": "nunique", "column": c.name, "log": True}
    for c in by_kind["number"][:_OF_EACH]:
        tables[f"{c.name}_mean"] = {"kind": "mean", "column": c.name, "direction": "both"}
    for c in by_kind["enum"][:_OF_EACH]:
        entropy = {"kind": "entropy", "column": c.name, "direction": "both", "min_rows": 5}
        tables[f"{c.name}_entropy"] = entropy
    for name, table in tables.items():
        yield f"{name_text(name)} = {value_text(table)}"


def _said(text: str) -> str:
    """A text of others, as it may stand in a comment."""
    return json.dumps(text)[1:-1]
