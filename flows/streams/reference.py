"""Reference of the output streams, made from the catalogue: docs/streams.md and docs/schemas.

`python -m flows.streams.reference docs` writes them; a test compares.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flows.streams.catalogue import STREAMS, Stream, json_schema
from flows.streams.fields import Free, ListOf, Moment, Named, Number, Table, Text, Type

_HEAD: Final = """\
# Output streams

<!-- Made by `make docs` from flows/streams; edit the catalogue there. -->

What a job says comes as records, in streams. Each goes to any number of sinks (`[sinks]`, see
[configuration.md](configuration.md)): `jsonl`, `parquet`, `sqlite`, `kafka`, `console`, `postgres`, `redis`,
`webhook`. What does not suit a stream is refused by `driftnet config check`, with the reason. Others are
[plug-ins](plug_ins.md#sinks). When each stream says something: [events.md](events.md).

- **id**: what tells a record from another one; SQLite, PostgreSQL and keys of Valkey or Redis keep a record once by it,
  and readers of Kafka and of webhooks can.
- **key** of a Kafka message: records of one key keep their order.
- **time**: the field that says when, in event time. It decides which day's Parquet file a record is in, and what
  `driftnet alerts prune --before` deletes.
- **columns** in the SQLite store and in PostgreSQL, beside `id`, `run_id` and `record`, which is the whole as JSON.
  Those in bold have an index.
- In **Parquet** each field is a column with the type below. Lists and objects are nested, objects of any form are texts
  of JSON, and each feature and each detector is a column of its own.
"""
_WORDS: Final = 8
"""More than these are not listed."""


def streams_markdown() -> str:
    """docs/streams.md."""
    return "\n".join([_HEAD, *(line for stream in STREAMS for line in _section(stream))]).rstrip() + "\n"


def schemas() -> dict[str, str]:
    """File name in docs/schemas -> its text."""
    made = {f"{stream.records.schema}.json": json_schema(stream) for stream in STREAMS}
    return {name: json.dumps(schema, indent=2) + "\n" for name, schema in made.items()}


def _section(stream: Stream) -> Iterator[str]:
    told, table = stream.records, stream.stored
    yield from (
        f"## `{stream}`",
        "",
        f"{told.about[0].upper()}{told.about[1:]}. [Schema](schemas/{told.schema}.json).",
        "",
    )
    yield f"- id: {f'`{told.id}`' if told.id else 'the whole record'}"
    yield f"- key: {', '.join(f'`{name}`' for name in told.key)}"
    yield f"- time: {f'`{told.time}`' if told.time else 'none'}"
    if table is not None:
        names = (f"**`{name}`**" if name in table.indexed else f"`{name}`" for name in table.columns)
        yield f"- columns: {', '.join(names)}"
    yield from (f"- not in `{kind}`: {why}" for kind, why in told.refuses.items())
    for form in told.forms:
        yield from ("", *((f"### {form.title}", "") if form.title else ()))
        yield from ("| field | type | meaning |", "|---|---|---|")
        for field in form.fields:
            name = f"`{field.name}`" + (" (optional)" if field.optional else "")
            yield f"| {name} | {_words(field.type)} | {field.about} |"
    yield ""


def _words(type_: Type) -> str:
    """A type, for people."""
    match type_:
        case Moment():
            return "time"
        case Number():
            return ("integer" if type_.whole else "number") + (" or null" if type_.unknown else "")
        case ListOf(item):
            return f"list of {_words(item)}"
        case Table(fields):
            return f"({', '.join(f'`{f.name}`' for f in fields)})"
        case Named():
            return f"a number or null for each of the job's {type_.of}"
        case Free():
            return f"as [{type_.like}](schemas/{type_.like})" if type_.like else "object"
        case Text(words=(_, *_) as words) if len(words) <= _WORDS:
            return ", ".join(f'"{word}"' for word in words)
    return "text"


if __name__ == "__main__":
    docs = Path(sys.argv[1])
    docs.joinpath("streams.md").write_text(streams_markdown())
    for name, text in schemas().items():
        docs.joinpath("schemas", name).write_text(text)
