"""config infer: what it takes for what in events of several shapes, when it refuses, and that what it writes runs."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.config import loads
from flows.counters import REJECTED, ROWS
from flows.drive.local import LocalDriver
from flows.infer.proposal import infer
from flows.job import Job
from flows.sources.files import FilesPartition
from flows.streams import Stream
from flows.summary import Summary
from flows.wire.decode import Decoder
from state.errors import SourceError
from state.schema import Kind

T0 = 1_700_000_000


def write(path: Path, events: list[Any]) -> Path:
    text = "".join(json.dumps(event) + "\n" for event in events).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def plays(count: int = 400, **more: Any) -> list[dict[str, Any]]:
    """Events of 20 users, one a minute; more: member -> its value, or what gives it of the event's number."""
    return [
        {"ts": T0 + 60 * i, "user_id": f"u{i * 7 % 20}", "track": f"t{i * i % 50}", "ms": i % 9}
        | {name: value(i) if callable(value) else value for name, value in more.items()}
        for i in range(count)
    ]


def job_of(path: Path, **named: str) -> Job:
    return loads(infer(path, 10_000, **named)).job()


def run(path: Path, job: Job) -> Summary:
    return LocalDriver(job, [FilesPartition("p", [path])], {stream: [] for stream in Stream}).run()


SHAPES: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "flat, seconds": (plays(), {"time": (("ts",), "s"), "subject": ("user_id",), "id": ()}),
    "milliseconds as a float": (plays(ts=lambda i: 1000.0 * (T0 + i)), {"time": (("ts",), "ms")}),
    "nanoseconds": (plays(ts=lambda i: 10**9 * (T0 + i)), {"time": (("ts",), "ns")}),
    "texts, and an older time beside": (
        plays(
            ts=lambda i: f"2024-05-0{1 + i // 60 % 9}T{i // 60 % 24:02d}:{i % 60:02d}:00Z",
            created=lambda i: f"20{10 + i * 7 % 12}-01-01",
        ),
        {"time": (("ts",), "iso8601")},
    ),
    "times by their order alone": (
        [{"m": T0 - i * 7919 % 10**6, "n": e["ts"], "user": e["user_id"]} for i, e in enumerate(plays())],
        {"time": (("n",), "s")},
    ),
    "times by their names alone": (
        [{"created_at": e["ts"], "n": e["ts"], "user": e["user_id"]} for e in plays()],
        {"time": (("n",), "s")},
    ),
    "an id of its own": (plays(event_id=lambda i: f"e{i}"), {"id": ("event_id",)}),
    "nested": (
        [{"meta": {"at": e["ts"]}, "user": {"id": e["user_id"], "plan": "free"}, "x": e["ms"]} for e in plays()],
        {"time": (("meta", "at"), "s"), "subject": ("user", "id")},
    ),
    "arrays": (
        [{"when": [e["ts"], 0], "actors": [{"account": e["user_id"]}], "many": [1] * 9} for e in plays()],
        {"time": (("when", 0), "s"), "subject": ("actors", 0, "account")},
    ),
    "missing members": (
        [{k: v for k, v in e.items() if k in ("ts", "user_id") or (i + len(k)) % 3} for i, e in enumerate(plays())],
        {"subject": ("user_id",)},
    ),
    "hostile keys": (
        [
            {
                "a.b": e["ts"],
                'say "user"': e["user_id"],
                "": 1.5,
                "\n\t\x7f": i,
                "[0]": "x" * i,
                "ts": None,
                "# = [": i % 3,
            }
            for i, e in enumerate(plays())
        ],
        {"time": (("a.b",), "s"), "subject": ('say "user"',)},
    ),
    "ids that are numbers": (
        [{"time": e["ts"], "customer": 10_000 + i * 3 % 40, "amount": i / 7} for i, e in enumerate(plays())],
        {"subject": ("customer",)},
    ),
    "a subject that is called nothing": (
        [{"t": e["ts"], "who": f"{i * 7 % 37}-x", "what": "abc"[i % 3]} for i, e in enumerate(plays())],
        {"time": (("t",), "s"), "subject": ("who",)},
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_proposed_is_right_and_runs(tmp_path: Path, shape: str) -> None:
    """Time, subject and id are found; every line of the sample is an event; the job reads them to the end."""
    events, expected = SHAPES[shape]
    path = write(tmp_path / "events.jsonl.gz", events)
    job = job_of(path)
    found = {
        "time": (job.stream.wire.event_time, job.stream.wire.time_unit),
        "subject": job.stream.wire.subject,
        "id": job.stream.wire.event_id,
    }
    assert {name: found[name] for name in expected} == expected
    summary = run(path, job)
    assert (summary.read, summary.total(REJECTED), summary.balanced) == (len(events), 0, True)
    assert summary.total(ROWS) > 20


def test_what_fields_are_taken_for(tmp_path: Path) -> None:
    """Words, ids, numbers, times and truths; what is no column is said with why."""
    events = plays(
        600,
        plan=lambda i: ["free", "paid"][i % 2], ok=lambda i: i % 3 == 0, price=lambda i: i / 8,
        session_id=lambda i: i // 5, merchant=lambda i: i % 9, born=lambda i: 86_400_000 * (12_000 + i),
        big=lambda i: 2**53 + i, wide=2**70, same="x",
        mixed=lambda i: i if i % 2 else [i], gone=None, cell=lambda i: i / 3 if i % 2 else "",
        either=lambda i: i if i % 2 else f"n{i}",
    )  # fmt: skip
    text = infer(write(tmp_path / "events.jsonl", events), 10_000)
    columns = loads(text).event.columns
    assert {name: column.kind for name, column in columns.items()} == {
        "track": Kind.ID, "ms": Kind.NUMBER, "plan": Kind.ENUM, "ok": Kind.ENUM, "price": Kind.NUMBER,
        "session_id": Kind.ID, "merchant": Kind.ID, "born": Kind.TIME, "big": Kind.ID, "either": Kind.ID,
    }  # fmt: skip
    assert columns["plan"].values == ("free", "paid")
    assert columns["ok"].values == ("false", "true")
    for said in (
        'same: is always \\"x\\"',
        "gone: never has a value",
        "cell: is float or text",
        "mixed: is array or integer",
        "wide: is always",
    ):
        assert f"# {said}" in text


def test_the_values_of_people_are_not_written_down(tmp_path: Path) -> None:
    """A configuration is kept and shown around: of what could be a name or an address it says how long it is."""
    text = infer(write(tmp_path / "e.jsonl", plays(email=lambda i: f"person{i}@example.org")), 10_000)
    assert "example.org" not in text
    assert "of at most 21 characters" in text


def test_a_table_is_read_as_it_will_be_converted(tmp_path: Path) -> None:
    """CSV, and what is between its columns; ids keep their zeros."""
    rows = [f"{T0 + 60 * i};0{i % 20};{i % 7}.5;a,b" for i in range(300)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["time;account;amount;note", *rows]) + "\n")
    text = infer(path, 10_000)
    assert loads(text).job().stream.wire.subject == ("account",)
    assert "driftnet convert table" in text
    assert f'paths = ["{tmp_path / "rows.jsonl"}"]' in text
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(SourceError, match="seen data in the first row, expected the columns' names"):
        infer(path, 10_000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "seen no line"),
        ("[\n{}\n]\n", "seen a JSON array: write one line per item"),
        ('{\n"a": 1\n}\n', "seen an object over several lines"),
        ("a,b\n1,2\n", "seen what may be a table: name it .csv"),
        ("PAR1\x00\n", "and others that are no JSON objects"),
        ('{"user": "a", "x": 1}\n' * 40, "seen no field that holds times, of user, x; expected one"),
        ('{"user": "a", "ts": 17}\n' * 40, "seen no field that holds times"),
        (
            '{"user": "a"}\n' * 30 + '{"user": "a", "ts": 1700000000}\n' * 10,
            "seen times only in ts in 25% of the lines",
        ),
        ('{"ts": 1700000000, "x": 1.5}\n' * 40, "seen no field that says whose an event is, of ts, x"),
        ("".join(f'{{"ts": {T0 + i}, "n": {i}}}\n' for i in range(40)), "says whose an event is"),
    ],
)
def test_refusals_say_what_was_seen_and_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    """Nothing is made up where there is no time, no subject, or no events."""
    path = tmp_path / "events.jsonl"
    path.write_text(text)
    with pytest.raises(SourceError) as caught:
        infer(path, 10_000)
    assert says in str(caught.value)


def test_what_is_named_is_taken(tmp_path: Path) -> None:
    """Also where another field looks likelier; what cannot be it is refused."""
    path = write(tmp_path / "e.jsonl", plays(at=lambda i: T0 + i, device=lambda i: f"d{i % 3}", n=lambda i: f"n{i}"))
    job = job_of(path, time="at", subject="device", event_id="n")
    assert (job.stream.wire.event_time, job.stream.wire.subject, job.stream.wire.event_id) == (
        ("at",),
        ("device",),
        ("n",),
    )
    for option, value, says in (
        ("time", "track", "--time track: seen text, expected times"),
        ("subject", "nobody", "--subject nobody: seen in no line, of "),
        ("event_id", "a..b", "--id: seen 'a..b', allowed: a path"),
    ):
        with pytest.raises(SourceError) as caught:
            job_of(path, **{option: value})
        assert says in str(caught.value)


def test_disorder_is_seen(tmp_path: Path) -> None:
    """Lines a little out of order get the patience they need; those of another order are named."""
    events = plays(ts=lambda i: T0 + 60 * i - 300 * (i % 10 == 9))
    assert job_of(write(tmp_path / "e.jsonl", events)).stream.time.out_of_orderness_us == 240 * 10**6
    assert "sort the lines by their times" in infer(write(tmp_path / "back.jsonl", plays()[::-1]), 10_000)


KEYS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**66), 2**66) | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)


def test_a_column_that_is_called_as_the_proposed_sequence(tmp_path: Path) -> None:
    """The sequence gets another name."""
    events = [{"ts": T0 + i, "user_id": f"u{i % 3}", "gap": i} for i in range(9)]
    job = job_of(write(tmp_path / "events.jsonl", events), time="ts", subject="user_id")
    assert [sequence.name for sequence in job.stream.sequences] == ["gap_"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=5), min_size=8, max_size=30))
def test_whatever_is_beside_time_and_subject(tmp_path_factory: pytest.TempPathFactory, extra: list[Any]) -> None:
    """What is written is TOML that compiles, and no column of it rejects a line of the sample."""
    events = [e | {"ts": T0 + i, "user_id": f"u{i % 3}"} for i, e in enumerate(extra)]
    path = write(tmp_path_factory.mktemp("infer") / "events.jsonl", events)
    job = job_of(path, time="ts", subject="user_id")
    decoded = Decoder(job.stream.wire).decode(path.read_bytes().splitlines())
    kept = {r.detail for r in decoded.rejects if r.reason.value != "nan"}
    assert not kept
