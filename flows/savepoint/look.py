"""A look into saved state: what each operator holds, and what is known of one user."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detectors.alerting.campaigns import KIND
from flows.config.load import load
from flows.config.models import Config
from flows.engine.lock import copying
from flows.engine.recovery import chunks_beside, folder_name
from flows.engine.store import Checkpoint, read_checkpoint, sink_state, totals_in
from flows.evolution.fates import unsaid_in
from flows.evolution.saved_job import saved_job
from flows.job import Job
from flows.job_stages import Entry, JobStages
from flows.operators.alerts.operator import AlertOperator
from flows.operators.campaigns.operator import CampaignOperator
from flows.operators.ingest.told import describe_first
from flows.operators.subject.operator import SubjectOperator
from flows.savepoint.manifest import is_savepoint, require_whole
from flows.steps import Step, stage_name
from flows.summary import Summary
from flows.wire.hashing import id_hash
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
    entries: tuple[Entry, ...]
    operators: dict[str, dict[Any, Any]] = field(default_factory=dict)
    """Stage -> whom an operator is for -> the operator."""
    bytes: dict[str, int] = field(default_factory=dict)
    """On the disk, by operator."""

    @property
    def subjects(self) -> dict[int, SubjectOperator]:
        """Of the stream's own subjects, by key group."""
        return self.operators.get(Step.SUBJECT, {})

    @property
    def policy(self) -> AlertOperator | None:
        """The alert policy; None where it has not said anything yet."""
        return self.operators.get(Step.ALERTS, {}).get(None)

    def describe(self) -> dict[str, Any]:
        """All of it as JSON values."""
        so_far = Summary(totals_in(sink_state(self.checkpoint)))
        return {
            "epoch": self.checkpoint.epoch,
            "read": so_far.read,
            "alerts": so_far.alerts,
            "users": sum(operator.users for operator in self.subjects.values()),
            "bytes": sum(self.bytes.values()),
            **{entry.called: self._described(entry.name) for entry in self.entries},
            "partitions": {
                name: describe_first(state["ingest"]) | {"done": state["done"]}
                for name, state in sorted(self.checkpoint.of_step(Step.INGEST).items())
            },
        }

    def _described(self, stage: str) -> dict[str, Any]:
        """The operators of a stage by whom they are for; where there is but one, it alone."""
        operators = self.operators.get(stage, {})
        if operators.keys() <= {None}:
            return operators[None].describe() if operators else {}
        return {
            str(who): operator.describe() | {"bytes": self.bytes.get(folder_name(stage, who), 0)}
            for who, operator in sorted(operators.items())
        }

    def look_up(self, subject: str) -> dict[str, Any] | None:
        """What is known of one subject, by its id as events have it, of a further kind with "KIND:" before it; of a
        campaign, "campaign:" and its id.  None when nothing is.
        """
        campaigns: CampaignOperator | None = self.operators.get(Step.CAMPAIGNS, {}).get(None)
        if campaigns is not None and subject.startswith(f"{KIND}:"):
            known = campaigns.look_up(subject.removeprefix(f"{KIND}:"))
            alerted = self.policy.alerted(known["campaign_id"]) if self.policy and known else {}
            return known and known | alerted
        place = place_of(subject, self.job)
        operator = self.operators.get(stage_name(place.kind, Step.SUBJECT), {}).get(place.group)
        found = operator.look_up(place.subject) if operator else None
        exempt = self.policy.exempt(place.subject) if self.policy else []
        if found is None and not exempt:
            return None
        kind = place.kind or self.job.judgement.own_kind
        member = {} if campaigns is None or place.kind else {"campaigns": campaigns.campaigns_of(place.subject)}
        head = {"user": place.name, "kind": kind, "key_group": place.group, "exempt": exempt}
        return head | member | (found or {})


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


class Place(NamedTuple):
    """Where a subject's state is.  kind: "" for those that the stream is keyed by.  subject: the hash of its id."""

    kind: str
    name: str
    subject: int
    group: int


def place_of(subject: str, job: Job) -> Place:
    """Of a subject that people name, see Job.typed."""
    kind, name = job.typed(subject)
    hashed = id_hash(name, kind)
    return Place(kind, name, hashed, int(key_group(np.array([hashed], np.uint64), job.stream.key_groups)[0]))


def _built(directory: Path, checkpoint: Checkpoint, own: Config) -> Look:
    job, shape = saved_job(directory, own)
    stages = JobStages(job, tuple(shape["partitions"]), unsaid=unsaid_in(shape))
    look = Look(job, checkpoint, shape, stages.entries)
    chunks_of = chunks_beside(directory / "store")
    for entry in stages.entries:
        look.operators[entry.name] = {
            who: stages.operator(entry, who, Saved(root, chunks_of(entry.name, who)))
            for who, root in filter(None, checkpoint.of_step(entry.name).values())
        }
    for folder in (directory / "chunks").glob("*/"):
        look.bytes[folder.name] = sum(file.stat().st_size for file in folder.glob("*.seg"))
    return look
