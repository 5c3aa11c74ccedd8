"""How far time has come, as a co-action stage says it."""

from flows.config import loads
from flows.job_stages import JobStages
from flows.operators.coaction.operator import CoactionOperator
from flows.operators.messages import GroupInput
from state.types import END_OF_TIME_US, HOUR_US, MINUTE_US

JOB = loads("").job()


def told(pane_us: int | None, late_us: int = 0) -> list[int]:
    """The watermarks that follow from a partition's, which moves three minutes at a time for an hour, then ends."""
    assert JOB.campaigns is not None
    operator = CoactionOperator(JOB.campaigns, "track", 0, ["p"], late_us, pane_us=pane_us)
    steps = [*range(HOUR_US, 2 * HOUR_US + 1, 3 * MINUTE_US), END_OF_TIME_US]
    return [m.watermark_us for us in steps for m in operator.process(GroupInput("p", us))]


def test_time_passes_with_panes() -> None:
    """At the end of each pane, so that no alert waits for a bucket of half an hour; less what may come late."""
    panes = [*range(HOUR_US, 2 * HOUR_US + 1, 5 * MINUTE_US), END_OF_TIME_US]
    assert told(JOB.stream.pane_us) == panes
    assert told(JOB.stream.pane_us, 10 * MINUTE_US) == [us - 10 * MINUTE_US for us in panes[:-1]] + panes[-1:]
    assert told(None) == [HOUR_US, HOUR_US + 30 * MINUTE_US, 2 * HOUR_US, END_OF_TIME_US]


def test_its_stage_is_told_the_pane() -> None:
    """Of whatever size the job has them."""
    stages = JobStages(JOB, ("p",))
    entry = next(entry for entry in stages.entries if entry.column == "track")
    operator = stages.operator(entry, 0, None)
    told = [m for us in (HOUR_US, HOUR_US + 5 * MINUTE_US) for m in operator.process(GroupInput("p", us))]
    assert [m.watermark_us for m in told] == [HOUR_US, HOUR_US + 5 * MINUTE_US]
