"""Key names: spread evenly, routed as predicted, never changed."""

import hashlib
from collections import Counter

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, cluster_main

from flows.engine.names import BALANCED, key_name

_MASK = 2**64 - 1


def siphash13(data: bytes) -> int:
    """SipHash-1-3 with key 0, as plainly as possible.  Source: Aumasson & Bernstein 2012."""
    v0, v1, v2, v3 = 0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573

    def rotate(x: int, bits: int) -> int:
        return (x << bits | x >> 64 - bits) & _MASK

    def sip_round() -> None:
        nonlocal v0, v1, v2, v3
        v0 = v0 + v1 & _MASK
        v1 = rotate(v1, 13) ^ v0
        v0 = rotate(v0, 32)
        v2 = v2 + v3 & _MASK
        v3 = rotate(v3, 16) ^ v2
        v0 = v0 + v3 & _MASK
        v3 = rotate(v3, 21) ^ v0
        v2 = v2 + v1 & _MASK
        v1 = rotate(v1, 17) ^ v2
        v2 = rotate(v2, 32)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v3 ^= word
        sip_round()
        v0 ^= word
    v2 ^= 0xFF
    for _ in range(3):
        sip_round()
    return v0 ^ v1 ^ v2 ^ v3


def worker_of(name: str, workers: int) -> int:
    """Where Bytewax routes a key."""
    return siphash13(name.encode() + b"\xff") % workers


@pytest.mark.parametrize("keys", [8, 16, 32, 64, 128])
def test_names_balance(keys: int) -> None:
    """Any usual number of key groups is spread over 1 to 16 workers with a difference of at most one."""
    for workers in range(1, 17):
        load = Counter(worker_of(key_name(i), workers) for i in range(keys))
        shares = [load[w] for w in range(workers)]
        assert max(shares) - min(shares) <= 1, (keys, workers, shares)


def test_names_are_different_and_sorted() -> None:
    """Every index has a name of its own, beyond the table too; Bytewax then visits groups in their order."""
    names = [key_name(i) for i in range(BALANCED + 100)]
    assert len(set(names)) == len(names)
    assert names == sorted(names)


def test_names_never_change() -> None:
    """The names are part of saved state: a changed one would silently lose its group."""
    names = "\n".join(key_name(i) for i in range(256))
    assert hashlib.sha256(names.encode()).hexdigest().startswith("19d8681148c44f59e80244277784f902")


def test_bytewax_routes_as_predicted() -> None:
    """On two workers, each key is handled by the worker that the hash names."""
    handled: list[tuple[str, int]] = []

    class Count(op.StatefulBatchLogic[int, int, int]):
        def on_batch(self, values: list[int]) -> tuple[list[int], bool]:
            return values, self.RETAIN

        def snapshot(self) -> int:
            return 0

    names = [key_name(i) for i in range(64)]
    flow = Dataflow("names")
    keyed = op.input("input", flow, TestingSource([(name, 0) for name in names]))
    counted = op.stateful_batch("count", keyed, lambda _: Count())
    seen = op.inspect_debug("see", counted, lambda _step, item, _epoch, worker: handled.append((item[0], worker)))
    op.output("output", seen, TestingSink([]))
    cluster_main(flow, [], 0, worker_count_per_proc=2)  # type: ignore[no-untyped-call]
    assert sorted(handled) == sorted((name, worker_of(name, 2)) for name in names)
