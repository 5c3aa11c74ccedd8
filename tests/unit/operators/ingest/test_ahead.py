"""Labels and commands that are dated far ahead hold nothing back."""

import json
from typing import Any, cast

import pytest
from xxhash import xxh3_64_intdigest

from flows.config import loads
from flows.operators.ingest.operator import Emitted
from flows.operators.ingest.told import Told, forget_first
from flows.operators.messages import Output
from flows.sources.base import Lines
from flows.streams import Stream
from flows.wire.told import Kinds
from state.types import MINUTE_US

NOON_US = 1_773_000_000 * 1_000_000
YEAR_2099_US = 4_086_000_000 * 1_000_000
JOB = loads('[sources.labels]\nkind = "stdin"\nreads = "labels"\n').job()


def label(at_us: int, subject: str = "ann") -> bytes:
    return json.dumps({"subject": subject, "label": 1, "at": at_us // 1000}).encode()


def pause(at_us: int) -> bytes:
    return json.dumps({"command": "pause", "detector": "population", "at": at_us // 1000}).encode()


def lines(*texts: bytes) -> Lines:
    return Lines(texts, range(len(texts)), "labels.jsonl")


def effects(emitted: list[Emitted]) -> list[int]:
    return sorted(t.end_us for item in emitted if isinstance(item, tuple) for t in item[1].told)


def reasons(emitted: list[Emitted]) -> list[str]:
    outputs = [cast("Output", item) for item in emitted if isinstance(item, Output)]
    return [r["reason"] for o in outputs if o.stream is Stream.REJECTS for r in o.records]


@pytest.mark.parametrize("line", [label, pause])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_one_line_of_2099_holds_no_other_back(line: Any, size: int) -> None:
    """It is rejected; the lines before and after it, days apart, take effect in their own time."""
    days = [NOON_US + day * 86_400_000_000 for day in range(6)]
    texts = [line(at) for at in days]
    for place in (0, 3):
        given = [*texts[:place], line(YEAR_2099_US), *texts[place:]]
        told, emitted = Told(JOB.stream, "p", "labels" if line is label else "control"), cast("list[Emitted]", [])
        for start in range(0, len(given), size):
            emitted += told.process(lines(*given[start : start + size]))
            told = Told(JOB.stream, "p", "labels" if line is label else "control", told.snapshot())
        emitted += told.finish()
        assert effects(emitted) == [(at // JOB.stream.pane_us + 1) * JOB.stream.pane_us for at in days]
        assert reasons(emitted) == ["ahead"]


def test_a_live_run_goes_by_the_clock_and_waits_for_nobody() -> None:
    """What is dated beyond the clock is rejected at once; everything else takes effect at once."""
    told = Told(JOB.stream, "p", "labels")
    emitted = told.process(lines(label(YEAR_2099_US), label(NOON_US + MINUTE_US)), NOON_US)
    assert effects(emitted) == [((NOON_US + MINUTE_US) // JOB.stream.pane_us + 1) * JOB.stream.pane_us]
    assert reasons(emitted) == ["ahead"]


def test_what_a_bounded_run_left_is_told_in_a_live_one() -> None:
    """A label that still waited when the run stopped is not lost."""
    told = Told(JOB.stream, "p", "labels")
    assert effects(told.process(lines(label(NOON_US)))) == []
    told = Told(JOB.stream, "p", "labels", told.snapshot())
    assert len(effects(told.silence(NOON_US))) == 1


@pytest.mark.parametrize("reads", ["labels", "control"])
def test_a_subject_is_forgotten_among_those_that_wait(reads: str) -> None:
    """Its labels go; those of others, and commands, wait on."""
    told = Told(JOB.stream, "p", reads)
    mine, other = (label(NOON_US), label(NOON_US, "bob")) if reads == "labels" else (pause(NOON_US),) * 2
    assert effects(told.process(lines(mine))) == []
    saved, events = forget_first(JOB.stream, JOB.columns, "p", told.snapshot(), xxh3_64_intdigest(b"ann"))
    assert events == 0
    told = Told(JOB.stream, "p", reads, saved)
    assert len(effects(told.process(lines(other)) + told.finish())) == (1 if reads == "labels" else 2)


@pytest.mark.parametrize("kind", [None, "user", "artist", "device"])
def test_what_is_told_goes_to_the_stage_of_its_kind(kind: str | None) -> None:
    """Without a kind it is about the stream's own subjects; of a kind that there is not, it is rejected."""
    told = Told(JOB.stream, "p", "labels", kinds=Kinds("user", frozenset({"artist"})))
    line = json.loads(label(NOON_US)) | ({} if kind is None else {"kind": kind})
    emitted = told.process(lines(json.dumps(line).encode()), NOON_US) + told.finish()
    heard = [item[1] for item in emitted if isinstance(item, tuple)]
    assert {message.stage for message in heard} == {"subject", "artist_subject"}
    about = [(message.stage, message.told[0].kind) for message in heard if message.told]
    assert about == {"artist": [("artist_subject", "artist")], "device": []}.get(kind or "", [("subject", "")])
    assert reasons(emitted) == (["unknown_word"] if kind == "device" else [])
