"""A simulated platform whose producers break lines, against the same platform without them."""

import base64
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows.config import loads
from flows.counters import ACCEPTED, DUPLICATE, LATE, REJECTED
from flows.drive.local import LocalDriver
from flows.operators.ingest.aside import RAW_BYTES_MAX
from flows.simulate.campaigns import DEFAULT_CAMPAIGNS
from flows.simulate.config import SimulationSpec
from flows.simulate.files import Written, write_files
from flows.sinks import JsonlSink, open_sink
from flows.sources.files import FilesSpec
from flows.streams import Stream
from flows.summary import Summary
from state.types import HOUR_US

STREAMS = (Stream.ALERTS, Stream.DRIFT, Stream.LATE, Stream.REJECTS)

CONFIG = """
[alerts]
line = 0.05
candidate_line = 0.1
[calibration]
ready = 64
[drift]
delta = 0.9
warmup_rounds = 2
size_min = 0.1
size_min_first = 0.1
rows_min = 1
"""
"""The shipped job, so loose that half a day of 300 users gives alerts and drift."""

SPEC = SimulationSpec(
    users=300,
    duration_us=12 * HOUR_US,
    tracks=2000,
    campaigns=tuple(replace(c, users=3) for c in DEFAULT_CAMPAIGNS),
)


@dataclass(frozen=True, slots=True)
class Replayed:
    written: Written
    lines: Counter[bytes]
    summary: Summary
    records: dict[Stream, list[dict[str, Any]]]

    def all_of(self, stream: Stream) -> Counter[str]:
        return Counter(json.dumps(record, sort_keys=True) for record in self.records[stream])


def replayed(spec: SimulationSpec, directory: Path) -> Replayed:
    written = write_files(spec, directory)
    paths = {stream: directory / f"{stream}.out" for stream in STREAMS}
    sinks = {stream: [open_sink(JsonlSink(str(path)), stream.value)] for stream, path in paths.items()}
    source = FilesSpec(tuple(map(str, written.parts)), "per_file")
    summary = LocalDriver(loads(CONFIG).job(), [source.open(n) for n in source.partition_names()], sinks).run()
    for opened in sinks.values():
        opened[0].close()
    records = {stream: [json.loads(t) for t in path.read_text().splitlines()] for stream, path in paths.items()}
    lines = Counter(line for part in written.parts for line in part.read_bytes().split(b"\n") if line)
    return Replayed(written, lines, summary, records)


def test_bad_lines_change_no_alert(tmp_path: Path) -> None:
    """With 1 % of each kind of bad line, alerts and drift are those of the clean stream, and each bad line is set
    aside once, with its reason and its bytes.
    """
    clean = replayed(SPEC, tmp_path / "clean")
    dirty = replayed(replace(SPEC, bad_line_share=0.01), tmp_path / "dirty")
    bad = dirty.lines - clean.lines
    assert clean.lines <= dirty.lines
    assert bad.total() == sum(dirty.written.bad.values()) > 0
    assert min(dirty.written.bad.values()) > 0

    for stream in (Stream.ALERTS, Stream.DRIFT):
        assert dirty.all_of(stream) == clean.all_of(stream)
        assert len(clean.records[stream]) > 0

    rejects = dirty.records[Stream.REJECTS]
    assert Counter(map(raw_bytes, rejects)) == Counter({line[:RAW_BYTES_MAX]: n for line, n in bad.items()})
    assert len({(r["source"], r["offset"]) for r in rejects}) == len(rejects)
    assert clean.records[Stream.REJECTS] == []

    assert clean.summary.balanced
    assert dirty.summary.balanced
    assert dirty.summary.by_label(REJECTED) == Counter(r["reason"] for r in rejects)
    assert dirty.summary.total(REJECTED) == len(rejects) == dirty.summary.read - clean.summary.read
    for fate in (ACCEPTED, LATE, DUPLICATE):
        assert dirty.summary.total(fate) == clean.summary.total(fate)


def raw_bytes(reject: dict[str, Any]) -> bytes:
    raw: str = reject["raw"]
    return base64.b64decode(raw) if reject.get("raw_encoding") == "base64" else raw.encode()
