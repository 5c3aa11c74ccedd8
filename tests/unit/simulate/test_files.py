"""Streams written to files, identifiers."""

import gzip
from pathlib import Path

import numpy as np
import orjson

from flows.simulate.config import SimulationSpec
from flows.simulate.encode import addresses
from flows.simulate.files import write_files
from flows.simulate.platform import Platform
from flows.simulate.seeds import names, scramble
from state.types import HOUR_US

SPEC = SimulationSpec(users=200, duration_us=4 * HOUR_US, bad_line_share=0.002)


def test_files_hold_the_stream_and_the_truth(tmp_path: Path) -> None:
    """Plain and packed, one file per partition, counted; packed bytes are the same each time."""
    plain, packed, again = (write_files(SPEC, tmp_path / n, gzip=n != "plain") for n in ("plain", "packed", "again"))
    platform = Platform(SPEC)
    for partition, path, small, twin in zip(platform.partitions(), plain.parts, packed.parts, again.parts, strict=True):
        expected = b"".join(line + b"\n" for lines in platform.lines(partition) for line in lines)
        assert path.read_bytes() == expected == gzip.decompress(small.read_bytes())
        assert small.read_bytes() == twin.read_bytes()
        assert (path.name, small.name) == (f"{partition}.jsonl", f"{partition}.jsonl.gz")
    assert [orjson.loads(line) for line in plain.truth.read_bytes().splitlines()] == platform.truth()
    assert plain.lines == sum(p.read_bytes().count(b"\n") for p in plain.parts)
    assert plain.lines == plain.events + plain.duplicates + sum(plain.bad.values())
    assert min(plain.bad.values()) > 0


def test_scramble_is_one_to_one() -> None:
    """Over a whole small range, for several salts; and it moves things."""
    for salt in (0, 1, 99):
        moved = scramble(np.arange(2**14, dtype=np.uint64), salt, 14)
        assert len(np.unique(moved)) == 2**14
        assert moved.max() == 2**14 - 1
        assert abs(np.corrcoef(moved.astype(float), np.arange(2**14))[0, 1]) < 0.05


def test_names_and_addresses_are_unique_and_public() -> None:
    """First octets 32 to 95 are neither private nor loopback nor multicast."""
    found = addresses(20_000, 5)
    assert len(set(found)) == len(found)
    assert all(32 <= int(a.split(".")[0]) < 96 for a in found)
    assert len({*names("u", 5000, 1), *names("d", 5000, 1)}) == 10_000
    assert not {n[1:] for n in names("u", 5000, 1)} & {n[1:] for n in names("d", 5000, 1)}
