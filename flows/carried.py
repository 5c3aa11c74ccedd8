"""What a label carries of the event that it is about, as people say it: NAME=VALUE, checked as the job will."""

from collections.abc import Sequence
from typing import Any

from flows.job import Job
from flows.wire.decode import converter_of
from flows.wire.spec import ISO8601, FieldSpec, Path
from state.errors import ConfigError
from state.schema import Kind
from state.words import one_of


def carried(job: Job, given: Sequence[str]) -> dict[str, Any]:
    """Members of a label's line, under the paths that events have them at.

    given: "NAME=VALUE", of columns that `labels.columns` names.  Raises ConfigError for any other, one that is said
    twice, and a value that the job would reject.
    """
    wire, found, said = job.stream.wire, dict[str, Any](), set[str]()
    fields = {field.column.name: field for field in wire.fields if field.column.name in job.carried}
    keys = {kind.key for kind in job.kinds}
    for text in given:
        name, equals, words = text.partition("=")
        if not equals or name not in fields or name in said:
            allowed = (
                f"NAME=VALUE, each once, of {one_of(fields)}" if fields else "none: labels.columns names no column"
            )
            raise ConfigError(f"--column: seen {text!r}, allowed: {allowed}")
        said.add(name)
        value = _value(fields[name], words)
        why = converter_of(fields[name], wire, named=name in keys).why(value)
        if why is not None:
            raise ConfigError(f"--column: seen {text!r}; {why[0].value}: {why[1]}; nothing was written")
        _put(found, fields[name].path, value)
    return found


def _value(field: FieldSpec, text: str) -> Any:
    """As JSON has it in events; text that is no number where one is expected stays text, and does not fit."""
    kind = field.column.kind
    if kind is Kind.NUMBER or (kind is Kind.TIME and field.unit != ISO8601):
        try:
            return int(text)
        except ValueError:
            pass
        try:
            return float(text)
        except ValueError:
            pass
    return text


def _put(place: Any, path: Path, value: Any) -> None:
    """Puts a value at the end of a path into objects and arrays, which are made where they lack."""
    key, rest = path[0], path[1:]
    if isinstance(key, int):
        place.extend([None] * (key + 1 - len(place)))
    elif key not in place:
        place[key] = None
    if not rest:
        place[key] = value
        return
    if place[key] is None:
        place[key] = [] if isinstance(rest[0], int) else {}
    _put(place[key], rest, value)
