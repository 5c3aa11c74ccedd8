"""The steps of the flow, by the operators that do them.

The names are part of saved state: Bytewax files snapshots under them, folders of chunks are called by them, and totals
say which of them may add to a counter.  A name never changes.
"""

from enum import StrEnum


class Step(StrEnum):
    """What an operator does; each stage of the flow is one of these at work on its keys (flows.job_stages)."""

    INGEST = "ingest"
    SUBJECT = "subject"
    POPULATION = "population"
    COACTION = "coaction"
    CAMPAIGNS = "campaigns"
    ALERTS = "alerts"
    SINKS = "sinks"


def stage_name(kind: str, step: Step) -> str:
    """What the stage of a kind of subjects, or of a column's objects, is called; kind "" for those that the stream is
    keyed by.
    """
    return f"{kind}_{step.value}" if kind else step.value


def step_of(stage: str) -> str:
    """The step of a stage, by the stage's name."""
    return stage.rpartition("_")[2]
