"""The dataflow: source partitions, the stages of the job, sinks.

Step names are part of saved state: Bytewax files every snapshot under its step, and starts afresh under a new name
without a word.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeGuard

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream

from flows.engine.context import Context
from flows.engine.logics import Address, Item, StageLogic, State
from flows.engine.names import key_name
from flows.engine.sink import Openers, OutputSink
from flows.engine.source import LineSource
from flows.operators.messages import Leaving
from flows.sources.base import Source
from flows.stages import Stage, Stages, addressed, destination
from flows.steps import Step


def dataflow(context: Context, sources: Mapping[str, Source], openers: Openers) -> Dataflow:
    """The job as Bytewax sees it.  sources: partition name -> source, of this process.  openers: the sinks."""
    stages = context.stages
    flow = Dataflow("driftnet")
    ingested = op.branch("ingest_outputs", op.input(Step.INGEST.value, flow, LineSource(context, sources)), _leaves)
    leaving: list[KeyedStream[Any]] = [ingested.trues]
    emitted: dict[str, KeyedStream[Any]] = {}
    """Stage -> the messages of its operators, each under the key of its sender."""
    fed = [stage for stage in stages.keyed if stage.is_fed]
    for stage in stages.keyed:
        incoming = [
            op.flat_map_batch(
                f"{sender.name}_to_{stage.name}", emitted[sender.name], partial(_sent, sender, stage.name)
            )
            for sender in stages.senders(stage.name)
        ]
        if stage in fed:
            name, ours = f"ingest_to_{stage.name}", partial(_is_for, stage.name)
            incoming.append(op.filter(name, ingested.falses, ours) if len(fed) > 1 else ingested.falses)
        arriving = incoming[0] if len(incoming) == 1 else op.merge(f"{stage.name}_inputs", *incoming)
        worked = op.stateful_batch(stage.name, arriving, partial(_logic, context, stage, _address(stages, stage)))
        if stage.sends:
            split = op.branch(f"{stage.name}_outputs", worked, _leaves)
            leaving.append(split.trues)
            emitted[stage.name] = split.falses
        else:
            leaving.append(worked)
    op.output(Step.SINKS.value, op.merge("outputs", *leaving), OutputSink(context, openers))
    return flow


def _logic(context: Context, stage: Stage, address: Address, resume: State | None) -> StageLogic:
    return StageLogic(
        stage,
        resume,
        report=context.report,
        durable=context.durable,
        chunks_of=context.chunks_of,
        address=address,
        open_rows=context.monitor.open_rows,
        observer=context.observer,
    )


def _address(stages: Stages, stage: Stage) -> Address:
    keys = {s.name: {who: key_name(number) for who, number in s.keys.items()} for s in stages.keyed}

    def address(item: Any) -> Item | None:
        to, who, message = addressed(stage, item)
        return None if to is None else (keys[to][who], (who, message))

    return address


def _leaves(item: Item) -> TypeGuard[tuple[str, Leaving]]:
    return isinstance(item[1], Leaving)


def _is_for(name: str, item: Item) -> bool:
    """Messages of source partitions say where they go."""
    return bool(item[1][1].stage == name)


def _sent(sender: Stage, to: str, items: list[tuple[str, Item]]) -> list[Item]:
    """Those that are for one stage, without the key of the stage that sent them."""
    return [item for _, item in items if destination(sender, item[1][1]) == to]
