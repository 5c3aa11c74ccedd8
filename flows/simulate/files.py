"""The simulated stream as files: one per partition, and the truth beside them."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from gzip import GzipFile
from pathlib import Path

import orjson

from flows.simulate.config import SimulationSpec
from flows.simulate.platform import Platform


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.  lines = events + duplicates + the sum of bad."""

    parts: tuple[Path, ...]
    truth: Path
    campaigns: Path
    lines: int
    events: int
    duplicates: int
    bad: dict[str, int]


@contextmanager
def _writer(path: Path, gzip: bool) -> Iterator[Callable[[bytes], int]]:
    with path.open("wb") as raw:
        if not gzip:
            yield raw.write
            return
        # no name and no time in the header, so that the bytes are a function of the spec
        with GzipFile("", "wb", 3, raw, mtime=0) as packed:
            yield packed.write


def write_files(spec: SimulationSpec, directory: Path, gzip: bool = False) -> Written:
    """Write part-NN.jsonl (.gz), truth.jsonl and campaigns.jsonl; the same spec gives the same bytes.

    Creates the directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    platform = Platform(spec)
    parts, events, duplicates, lines = [], 0, 0, 0
    bad: Counter[str] = Counter()
    for partition in platform.partitions():
        parts.append(directory / f"{partition}.jsonl{'.gz' if gzip else ''}")
        with _writer(parts[-1], gzip) as write:
            for chunk in platform.chunks(partition):
                write(b"".join(line + b"\n" for line in chunk.lines))
                events += chunk.events
                duplicates += chunk.duplicates
                lines += len(chunk.lines)
                bad.update(chunk.bad)
    truth, campaigns = directory / "truth.jsonl", directory / "campaigns.jsonl"
    for path, records in ((truth, platform.truth()), (campaigns, platform.campaigns())):
        path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return Written(tuple(parts), truth, campaigns, lines, events, duplicates, dict(bad))
