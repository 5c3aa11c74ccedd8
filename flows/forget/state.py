"""One subject out of a state directory that no run uses, or out of a savepoint."""

from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.config.models import Config
from flows.counters import ACCEPTED, VERSION
from flows.engine.lock import held_by_run
from flows.engine.recovery import chunk_folder, chunks_beside
from flows.engine.store import Checkpoint, discard_uncommitted, read_checkpoint, replace_states, sink_state, totals_in
from flows.evolution.fates import unsaid_in
from flows.evolution.saved_job import saved_job
from flows.forget.records import About, forget_in_lines
from flows.job_stages import JobStages
from flows.operators.ingest.told import forget_first
from flows.savepoint.look import place_of
from flows.savepoint.manifest import describe, is_savepoint, require_whole
from flows.steps import Step
from state.chunks import Saved
from state.segments import Segments
from state.snapshot import reading

State = dict[tuple[str, str], Any]


def about_of(subject: str, config: Config) -> About:
    """Whether records are about a subject, by its id as of `place_of`."""
    job = config.job()
    place = place_of(subject, job)
    return About(place.name, config.event.subject, place.kind, job.kinds_known.others)


def forget_in_state(directory: Path, name: str, own: Config) -> Counter[str]:
    """What was removed, by kind; from the files of records beside the state too.

    name: the id as events have it, of a further kind of subjects "KIND:ID".  own: as of `flows.savepoint.look.opened`.

    New files are written beside the old ones, rows that refer to them replace the old rows, then the old files go:
    where it was cut off in between, it can be done again.  A savepoint's manifest is written anew, with the same date.
    Raises SnapshotError when a run uses the directory, and what `opened` does.
    """
    store = directory / "store"
    manifest = require_whole(directory) if is_savepoint(directory) else None
    with nullcontext() if manifest else held_by_run(directory):
        discard_uncommitted(store)
        checkpoint = read_checkpoint(store)
        if checkpoint is None:
            return Counter()
        found = Counter[str]()
        with reading(str(directory)):
            states, old = _rewritten(directory, checkpoint, name, own, found)
        replace_states(store, checkpoint, states)
        for file in old:
            file.unlink()
        about = about_of(name, own)
        for file in sorted(directory.glob("*.jsonl")):
            found[f"lines of {file.name}"] += forget_in_lines(file, about)
        if manifest:
            fresh = describe(directory, checkpoint.epoch, totals_in(sink_state(checkpoint)))
            replace(fresh, created=manifest.created, versions=manifest.versions).write(directory)
    return found


def _rewritten(
    directory: Path, checkpoint: Checkpoint, name: str, own: Config, found: Counter[str]
) -> tuple[State, list[Path]]:
    """Rows that know nothing of the subject, and the files that only the old ones need."""
    job, shape = saved_job(directory, own)
    place = place_of(name, job)
    stages = JobStages(job, tuple(shape["partitions"]), unsaid=unsaid_in(shape))
    entries = {entry.name: entry for entry in stages.entries}
    chunks_of = chunks_beside(directory / "store")
    states: State = {}
    old: list[Path] = []
    waiting = 0
    for (step_id, key), state in checkpoint.states.items():
        step = step_id.rpartition(".")[2]
        if step == Step.INGEST and state:
            ingest, ahead = forget_first(job.stream, job.decoded, key, state["ingest"], place.subject, job.kinds_known)
            states[step_id, key] = state | {"ingest": ingest}
            found["ingest.rows"] += ahead
            waiting += ahead
            continue
        entry = entries.get(step)
        if entry is None or not state or entry.kind not in ("", place.kind):
            continue
        if place.kind and entry.step in (Step.COACTION, Step.CAMPAIGNS):  # accounts are of the stream's own kind
            continue
        if entry.step is Step.SUBJECT and (entry.kind != place.kind or state[0] != place.group):
            continue
        who, root = state
        operator: Any = stages.operator(entry, who, Saved(root, chunks_of(step, who)))
        if entry.step is Step.SUBJECT:
            found["users"] += operator.look_up(place.subject) is not None
        removed = operator.forget(place.subject)
        waiting += removed if entry.holds_lines else 0
        found[f"{step}.rows"] += removed
        folder = chunk_folder(directory / "store", step, who)
        old += folder.glob("*.seg")
        fresh = Segments(folder, deleting=lambda: nullcontext(False))
        with fresh.writing():
            states[step_id, key] = who, operator.snapshot(fresh)
    for where, state in checkpoint.states.items() if waiting else ():
        if where[0].rpartition(".")[2] == Step.SINKS:
            # They were accepted, and have come out of where they waited: the lines read still add up.
            counts = totals_in(state)
            counts[ACCEPTED.key()] = ACCEPTED.total(counts) + waiting
            states[where] = state | {"version": VERSION, "counts": counts}
    return states, old
