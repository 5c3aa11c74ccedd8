"""Each check of sinks, sources and formats finds the offender that is planted for it, and lets the honest one pass."""

import os
from pathlib import Path
from typing import Any

import pytest

from flows.contract.kit import checks_of
from flows.contract.trial import FormatTrial, SinkTrial, SourceTrial
from tests.contract.offenders import Careless, FaultyFormat, FaultyPartition, FaultySink, FaultySource, Silent, records
from tests.contract.test_sinks import in_the_way
from tests.contract.trials import Places

SECRET = "hunter2-of-the-offender"
SINKS = [
    ("loses", "records arrive whole", "lost"),
    ("disorders", "records arrive whole", "in the order"),
    ("odd_position", "positions are JSON", "as JSON"),
    ("closes_once", "positions are JSON", "closed"),
    ("ascii", "texts of all kinds", "became"),
    ("renames", "picklable, and has a name", "does not stay"),
    ("adds", "a record that is told again", "more than once|has"),
    ("holds", "what was flushed is there", "lost"),
    ("forgets", "after kills, whatever", "more than once"),
    ("impatient", "an outage of", "gone"),
    ("", "a place where nobody can write", "nothing was raised"),
    ("", "secrets are in nothing", "a secret is shown"),
]
SOURCES = [
    ("one_name", "partitions have names", "are named"),
    ("generous", "all lines come", "asked for"),
    ("skips", "all lines come", "asked for 7 lines"),
    ("overdone", "sizes and lag", "are done"),
    ("leaves_open", "what was opened is closed", "left open"),
    ("odd_position", "positions are JSON", "as JSON"),
    ("again", "positions are JSON", "the position is"),
    ("again", "a reader that was killed", "after a kill"),
]
FORMATS = [
    ("empties", "values become", "became"),
    ("counts", "depends on nothing else", "gives other lines"),
    ("raises", "garbage is", "raised KeyError"),
    ("speechless", "garbage is", "no reason"),
    ("passes", "garbage is", "became no JSON"),
]


def run(trial: Any, name: str) -> None:
    (check,) = (check for check in checks_of(trial) if name in str(check))
    check.run()


def sink(place: Places, fault: str, model: type[FaultySink] = FaultySink) -> SinkTrial:
    def fresh() -> FaultySink:
        return model.model_construct(kind="faulty", path=str(place.new() / "r.jsonl"), fault=fault, password=SECRET)

    return SinkTrial(
        fresh,
        records,
        outage=lambda settings: in_the_way(settings.path),
        outage_s=0.5,
        broken=fresh,
        secret=SECRET,
    )


@pytest.mark.parametrize(("fault", "check", "said"), SINKS, ids=[f"{f or 'honest'}: {c}" for f, c, _ in SINKS])
def test_sinks(tmp_path: Path, fault: str, check: str, said: str) -> None:
    """What is wrong is named."""
    with pytest.raises((AssertionError, ValueError, OSError), match=said):
        run(sink(Places(tmp_path), fault), check)


@pytest.mark.parametrize("check", ["records arrive", "positions are", "texts of all", "picklable, and", "are wrong"])
def test_the_honest_sink(tmp_path: Path, check: str) -> None:
    """So it was the fault that was found."""
    run(sink(Places(tmp_path), ""), check)


@pytest.mark.parametrize(
    ("model", "check", "said"),
    [
        (Careless, "settings that are wrong", "an unknown key is not refused"),
        (Silent, "settings have a description", "without a description: more"),
    ],
)
def test_settings(tmp_path: Path, model: type[FaultySink], check: str, said: str) -> None:
    """Those that take everything, and those that explain nothing."""
    with pytest.raises(AssertionError, match=said):
        run(sink(Places(tmp_path), "", model), check)


def source(place: Places, fault: str) -> SourceTrial:
    file, lines = place.new() / "lines", [b"line %d" % n for n in range(20)]
    file.write_bytes(b"\n".join(lines))
    return SourceTrial(lambda: FaultySource(kind="faulty", path=str(file), fault=fault), lines)


@pytest.mark.parametrize(("fault", "check", "said"), SOURCES, ids=[f"{f}: {c}" for f, c, _ in SOURCES])
def test_sources(tmp_path: Path, fault: str, check: str, said: str) -> None:
    """What is wrong is named; without the fault nothing is."""
    with pytest.raises(AssertionError, match=said):
        run(source(Places(tmp_path), fault), check)
    run(source(Places(tmp_path), ""), check)
    while FaultyPartition.open_files:
        os.close(FaultyPartition.open_files.pop())


@pytest.mark.parametrize(("fault", "check", "said"), FORMATS, ids=[f"{f}: {c}" for f, c, _ in FORMATS])
def test_formats(fault: str, check: str, said: str) -> None:
    """What is wrong is named; without the fault nothing is."""
    samples: Any = [(b'[{"a": 1}]', {"a": 1}), (b'[{"b": "x"}]', {"b": "x"})]
    with pytest.raises(AssertionError, match=said):
        run(FormatTrial(FaultyFormat(kind="faulty", fault=fault), samples), check)
    run(FormatTrial(FaultyFormat(kind="faulty"), samples), check)
