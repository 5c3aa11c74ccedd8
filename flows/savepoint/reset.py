"""A source partition whose time is ahead of what is true, set back in saved state."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.engine.lock import held_by_run
from flows.engine.store import Checkpoint, read_checkpoint, replace_states
from flows.operators.ingest.told import describe_first, set_back
from flows.savepoint.manifest import is_savepoint
from flows.steps import Step, step_of
from state.errors import SnapshotError
from state.snapshot import pack_frames, reading, unpack_frames
from state.times import iso


@dataclass(frozen=True, slots=True)
class Reset:
    """How far a partition had come, and where it is now, in microseconds."""

    partition: str
    before_us: int
    after_us: int


def reset_time(state_dir: Path, partition: str, to_us: int | None = None) -> Reset:
    """Sets a partition's watermark back; no run may be using the directory.

    to_us: None for as far as makes sense: to where windows have been closed, which nothing opens again.  Raises
    SnapshotError, and changes nothing, when there is nothing to set back, or when windows are closed beyond to_us: what
    came before their end would be late all the same.
    """
    if is_savepoint(state_dir):
        raise SnapshotError(
            f"{state_dir} is a savepoint, which stays as it was written; start a run from it, and set its state back"
        )
    if not (state_dir / "store").is_dir():
        raise SnapshotError(f"{state_dir} is no state directory: it has no store/; name the --state-dir of a run")
    with held_by_run(state_dir), reading(str(state_dir)):
        checkpoint = read_checkpoint(state_dir / "store")
        if checkpoint is None:
            raise SnapshotError(f"{state_dir}: nothing is saved there yet")
        ingest = checkpoint.of_step(Step.INGEST)
        if partition not in ingest:
            raise SnapshotError(
                f"{state_dir}: no source partition {partition!r}; there are {', '.join(sorted(ingest))}"
            )
        before_us: int = describe_first(ingest[partition]["ingest"])["watermark_us"]
        roots = _roots(checkpoint)
        closed_us = max((meta["closed_us"] for _, _, meta, _ in roots), default=before_us)
        after_us = closed_us if to_us is None else to_us
        if after_us < closed_us:
            raise SnapshotError(
                f"{state_dir}: windows are closed up to {iso(closed_us)}, so that what is older is late whatever its"
                f" partition says; set {partition} back to that or later, or start from a savepoint of before it"
            )
        if after_us >= before_us:
            raise SnapshotError(f"{state_dir}: {partition} is at {iso(before_us)}, which is not after {iso(after_us)}")
        changed: dict[tuple[str, str], Any] = {}
        for name, state in checkpoint.states.items():
            if name[0].split(".")[-1] == Step.INGEST and name[1] == partition:
                changed[name] = state | {"ingest": set_back(state["ingest"], after_us), "done": False}
        for name, who, meta, frames in roots:
            for sender in meta["watermarks"]["senders"]:
                if sender[0] == partition:
                    sender[1] = min(sender[1], after_us)
            changed[name] = who, pack_frames(step_of(name[0].split(".")[-1]), 1, meta, frames)
        replace_states(state_dir / "store", checkpoint, changed)
    return Reset(partition, before_us, after_us)


def _roots(checkpoint: Checkpoint) -> list[tuple[tuple[str, str], Any, dict[str, Any], dict[str, bytes]]]:
    """Of the key groups that hear partitions: name in the store, who it is, and its root frame, opened."""
    found = []
    for name, state in checkpoint.states.items():
        step = step_of(name[0].split(".")[-1])
        if step in (Step.SUBJECT, Step.COACTION) and state is not None:
            who, root = state
            meta, frames = unpack_frames(root, step, (1,))
            found.append((name, who, meta, frames))
    return found
