"""Promise P4: with an endless supply of new users, memory and disk level off."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from bench.measure.memory import footprint, operators
from bench.pipeline import Memory
from flows.config import loads
from flows.counters import EVICTED, EXPIRED
from flows.drive.local import LocalDriver, Progress
from flows.operators.ingest.operator import Ingest
from state.segments import Segments
from tests.engine.scenarios import SCENARIOS

PER_DAY = 4_000
DAYS = (3, 6, 12)
BATCH = 1_000


def endless(days: int) -> Iterator[bytes]:
    """Every card is new, pays a few times within minutes, and never comes back."""
    rng = random.Random(4)
    for i in range(days * PER_DAY):
        second = 1_700_000_000 + i * 86_400 // PER_DAY
        amount = round(rng.lognormvariate(3, 1), 2)
        event = {"tx": i, "at": {"s": second}, "card": f"card{i // 4}", "amount": amount, "shop": rng.randrange(50)}
        yield json.dumps(event).encode()


def test_memory_and_disk_level_off(tmp_path: Path) -> None:
    """Four times as many users as after three days, when all horizons are full, take no more memory, and no more disk
    with a checkpoint after every batch.
    """
    config = SCENARIOS["hot_card"].config.replace("[time]", '[time]\ndedup_horizon = "6h"')
    job = loads(config.replace("capacity = 24", "capacity = 500"), "soak").job()
    lines = list(endless(DAYS[-1]))
    driver = LocalDriver(job, [Memory(lines)], {}, batch_lines=BATCH)
    stages = {name: op for name, op in operators(driver).items() if not isinstance(op, Ingest)}
    stores = {name: Segments(tmp_path / name.replace("/", "-"), segment_bytes=20_000) for name in stages}
    wanted = {day * PER_DAY: day for day in DAYS}
    memory: dict[int, int] = {}
    disk: dict[int, int] = {}

    def look(progress: Progress) -> None:
        for name, operator in stages.items():
            with stores[name].writing():
                operator.snapshot(stores[name])
        day = wanted.pop(progress.read, None)
        if day is not None:
            memory[day], _ = footprint(stages.values(), shared=(job, job.stream.plan, *stores.values()))
            disk[day] = sum(file.stat().st_size for file in tmp_path.rglob("*.seg"))

    summary = driver.run(look)
    assert summary.balanced
    assert summary.total(EXPIRED) + summary.total(EVICTED) > 0.9 * len(lines) / 4
    assert set(memory) == set(DAYS)
    assert memory[12] < 1.1 * memory[3], memory
    assert disk[12] < 1.3 * disk[3], disk
