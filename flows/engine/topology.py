"""The dataflow: ingest, subject stage, population stage, alert policy, sinks.

Step names are part of saved state: Bytewax files every snapshot under its step, and starts afresh under a new name
without a word.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic

from flows.engine.context import Context
from flows.engine.logics import StageLogic, State
from flows.engine.names import key_name
from flows.engine.sink import Openers, OutputSink
from flows.engine.source import LineSource
from flows.engine.stages import Item, SubjectStage
from flows.operators.messages import CohortInput, Leaving, PolicyInput
from flows.sources.base import Source


def dataflow(context: Context, sources: Mapping[str, Source], openers: Openers) -> Dataflow:
    """The job as Bytewax sees it.  sources: partition name -> source.  openers: the sinks."""
    stages = context.stages
    common: Any = {"report": context.report, "durable": context.durable, "chunks_of": context.chunks_of}
    cohort_key = {name: key_name(stages.cohort_number(name)) for name in stages.cohorts}
    policy_key = key_name(0)

    def to_cohort(item: tuple[str, CohortInput]) -> Item:
        return cohort_key[item[0]], item

    def to_policy(message: PolicyInput) -> Item:
        return policy_key, (None, message)

    def at_eof(group: int, operator: SubjectStage) -> None:
        context.monitor.open_rows(group, operator.rows_waiting)

    def subject(resume: State | None) -> StatefulBatchLogic[Any, Any, Any]:
        return StageLogic("subject", stages.subject, resume, address=to_cohort, at_eof=at_eof, **common)

    def population(resume: State | None) -> StatefulBatchLogic[Any, Any, Any]:
        return StageLogic("population", stages.population, resume, address=to_policy, **common)

    def alerts(resume: State | None) -> StatefulBatchLogic[Any, Any, Any]:
        return StageLogic("alerts", stages.alerts, resume, **common)

    flow = Dataflow("driftnet")
    ingested = op.branch("ingest_outputs", op.input("ingest", flow, LineSource(context, sources)), _leaves)
    subjects = op.branch("subject_outputs", op.stateful_batch("subject", ingested.falses, subject), _leaves)
    to_cohorts = op.flat_map_batch("to_cohorts", subjects.falses, _next_stage)
    cohorts = op.branch("population_outputs", op.stateful_batch("population", to_cohorts, population), _leaves)
    to_alerts = op.flat_map_batch("to_alerts", cohorts.falses, _next_stage)
    alerted = op.stateful_batch("alerts", to_alerts, alerts)
    outputs = op.merge("outputs", ingested.trues, subjects.trues, cohorts.trues, alerted)
    op.output("sinks", outputs, OutputSink(context, openers))
    return flow


def _leaves(item: Item) -> TypeGuard[tuple[str, Leaving]]:
    return isinstance(item[1], Leaving)


def _next_stage(items: list[tuple[str, Any]]) -> list[Item]:
    """Drops the key of the stage that sent the items; each is addressed to the next one."""
    return [item for _, item in items]
