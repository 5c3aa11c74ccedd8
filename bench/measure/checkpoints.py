"""Checkpoints as a durable run takes them: every operator's snapshot, its chunks in files, batch after batch."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.measure.memory import live_users, operators, rebuilt, whole
from bench.pipeline import Memory
from flows.drive.local import LocalDriver, Progress
from flows.job import Job
from flows.operators.ingest.operator import Ingest
from flows.operators.ingest.told import Told
from state.chunks import Saved
from state.segments import Segments

_NAME: Final = "memory"


@dataclass(slots=True)
class Checkpoints:
    """What the checkpoints cost that count, one after each batch.

    events, epochs: lines and checkpoints that count.  written_bytes: chunks and roots.  cpu_s: of all of them.
    pause_s_max: the longest, of one operator; epoch_s_max: of all operators, one after the other.  After the last line:
    disk_bytes, of all files; state_bytes, of all operators' state in one piece; restore_s, until all operators are
    built again; users, live ones.
    """

    events: int = 0
    epochs: int = 0
    written_bytes: int = 0
    cpu_s: float = 0.0
    pause_s_max: float = 0.0
    epoch_s_max: float = 0.0
    disk_bytes: int = 0
    state_bytes: int = 0
    restore_s: float = 0.0
    users: int = 0


def checkpointed(job: Job, lines: list[bytes], skip: int, batch_lines: int, folder: Path) -> Checkpoints:
    """Runs the job, and takes a checkpoint after each batch.  skip: lines at the beginning that do not count.

    Raises AssertionError when what is restored is not what was saved.
    """
    told, seen = Checkpoints(), 0
    driver = LocalDriver(job, [Memory(lines, _NAME)], {}, batch_lines=batch_lines)
    stages = {name: op for name, op in operators(driver).items() if not isinstance(op, Ingest | Told)}

    def opened(name: str) -> Segments:
        return Segments(folder / name.replace("/", "-"))

    stores = {name: opened(name) for name in stages}
    roots: dict[str, bytes] = {}

    def save() -> list[tuple[int, float]]:
        """Bytes and seconds of each operator."""
        costs = []
        for name, operator in stages.items():
            before, start_s = stores[name].written_bytes, time.perf_counter()
            with stores[name].writing():
                roots[name] = operator.snapshot(stores[name])
            costs.append((stores[name].written_bytes - before + len(roots[name]), time.perf_counter() - start_s))
        return costs

    def after_batch(progress: Progress) -> None:
        nonlocal seen
        if progress.read == seen:
            return
        cpu_s = time.process_time()
        costs = save()
        if progress.read > skip:
            told.epochs += 1
            told.events += progress.read - seen
            told.cpu_s += time.process_time() - cpu_s
            told.written_bytes += sum(size for size, _ in costs)
            told.pause_s_max = max(told.pause_s_max, *(pause_s for _, pause_s in costs))
            told.epoch_s_max = max(told.epoch_s_max, sum(pause_s for _, pause_s in costs))
        seen = progress.read
        if seen == len(lines):
            finish()

    def finish() -> None:
        told.users = live_users(driver)
        told.disk_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        start_s = time.perf_counter()
        again = {
            name: rebuilt(job, name, Saved(root, Segments(folder / name.replace("/", "-"))))
            for name, root in roots.items()
        }
        told.restore_s = time.perf_counter() - start_s
        for name, operator in stages.items():
            blob = whole(operator)
            told.state_bytes += len(blob)
            assert whole(again[name]) == blob, f"{name}: restored state differs"

    driver.run(after_batch)
    return told
