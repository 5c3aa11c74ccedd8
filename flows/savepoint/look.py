"""A look into saved state: what each operator holds, and what is known of one user."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from flows.config.load import load
from flows.config.models import Config
from flows.engine.lock import copying
from flows.engine.recovery import chunks_beside
from flows.engine.store import Checkpoint, read_checkpoint, sink_state, totals_in
from flows.fates import unsaid_in
from flows.job import Job
from flows.operators.alerts import AlertOperator
from flows.operators.population import PopulationOperator
from flows.operators.subject import SubjectOperator
from flows.operators.told import describe_first
from flows.report import Summary
from flows.saved_job import saved_job
from flows.savepoint.manifest import is_savepoint, require_whole
from flows.worker import JobStages
from state.chunks import Saved
from state.errors import SnapshotError
from state.keygroup import key_group
from state.snapshot import reading


@dataclass
class Look:
    """State, built up again from a savepoint or a state directory.  shape: as noted beside it."""

    job: Job
    checkpoint: Checkpoint
    shape: dict[str, Any]
    subjects: dict[int, SubjectOperator] = field(default_factory=dict)
    cohorts: dict[str, PopulationOperator] = field(default_factory=dict)
    alerts: AlertOperator | None = None
    bytes: dict[str, int] = field(default_factory=dict)
    """On the disk, by operator."""

    def describe(self) -> dict[str, Any]:
        """All of it as JSON values."""
        so_far = Summary(totals_in(sink_state(self.checkpoint)))
        groups = {group: operator.describe() for group, operator in sorted(self.subjects.items())}
        return {
            "epoch": self.checkpoint.epoch,
            "read": so_far.read,
            "alerts": so_far.alerts,
            "users": sum(group["users"] for group in groups.values()),
            "bytes": sum(self.bytes.values()),
            "groups": {
                str(group): told | {"bytes": self.bytes.get(f"subject-{group}", 0)} for group, told in groups.items()
            },
            "cohorts": {
                name: operator.describe() | {"bytes": self.bytes.get(f"population-{name}", 0)}
                for name, operator in sorted(self.cohorts.items())
            },
            "policy": self.alerts.describe() if self.alerts else {},
            "partitions": {
                name: describe_first(state["ingest"]) | {"done": state["done"]}
                for name, state in sorted(self.checkpoint.of_step("ingest").items())
            },
        }

    def look_up(self, user: str) -> dict[str, Any] | None:
        """What is known of one user, by the id as events have it; None when nothing is."""
        subject, group = place_of(user, self.job)
        operator = self.subjects.get(group)
        found = operator.look_up(subject) if operator else None
        exempt = self.alerts.exempt(subject) if self.alerts else []
        if found is None and not exempt:
            return None
        return {"user": user, "key_group": group, "exempt": exempt} | (found or {})


@contextmanager
def opened(directory: Path, own: Config | None = None) -> Iterator[Look]:
    """A savepoint, or a state directory, also of a run that goes on.  Reads everything, so that damage is found.

    own: the operator's configuration, the shipped one if None: what is saved may load no code but what that names.
    Raises SnapshotError for what cannot be read, ConfigError for a saved configuration that names other code.
    """
    is_copy = is_savepoint(directory)
    if is_copy:
        require_whole(directory)
    with nullcontext() if is_copy else copying(_existing(directory)):
        checkpoint = read_checkpoint(directory / "store", frozen=is_copy)
        if checkpoint is None:
            raise SnapshotError(f"{directory}: nothing is saved there yet")
        with reading(str(directory)):
            look = _built(directory, checkpoint, own or load(environ={}))
        yield look


def _existing(directory: Path) -> Path:
    if not (directory / "store").is_dir():
        raise SnapshotError(f"{directory} is neither a savepoint nor a state directory: it has no store/")
    return directory


def place_of(user: str, job: Job) -> tuple[int, int]:
    """The hash of a user's id, as events have it, and its key group."""
    subject = xxh3_64_intdigest(user.encode()) or 1
    return subject, int(key_group(np.array([subject], np.uint64), job.key_groups)[0])


def _built(directory: Path, checkpoint: Checkpoint, own: Config) -> Look:
    job, shape = saved_job(directory, own)
    look = Look(job, checkpoint, shape)
    stages = JobStages(look.job, tuple(shape["partitions"]), unsaid=unsaid_in(shape))
    chunks_of = chunks_beside(directory / "store")
    for step, states in ((s, checkpoint.of_step(s)) for s in ("subject", "population", "alerts")):
        for who, root in filter(None, states.values()):
            saved = Saved(root, chunks_of(step, who))
            match step:
                case "subject":
                    look.subjects[who] = stages.subject(who, resume=saved)
                case "population":
                    look.cohorts[who] = stages.population(who, resume=saved)
                case _:
                    look.alerts = stages.alerts(who, resume=saved)
    for folder in (directory / "chunks").glob("*/"):
        look.bytes[folder.name] = sum(file.stat().st_size for file in folder.glob("*.seg"))
    return look
