"""[campaigns] -> Campaigns."""

from typing import TYPE_CHECKING

from detectors.alerting.campaigns import KIND
from flows.campaigns import Campaigns
from flows.config.compile.named import fits
from flows.config.problems import Problems
from flows.job import Job
from state.durations import format_duration
from state.errors import ConfigError
from state.schema import SYSTEM_COLUMNS, Kind, Schema

if TYPE_CHECKING:
    from flows.config.models import Config


def campaigns_of(config: "Config", schema: Schema, problems: Problems) -> Campaigns | None:
    """None where there are none, or problems with them.  schema: of the events."""
    mine, own = config.campaigns, config.event.kind
    if mine is None:
        return None
    before, inner = len(problems.lines), problems.within("campaigns")
    if own in SYSTEM_COLUMNS or own in schema:
        allowed = 'a word of your own, such as "user", that no event column has: with [campaigns] it becomes one'
        problems.add(("event", "kind"), own, allowed)
    taken = [("event", "kind")] * (own == KIND) + [("subjects", KIND)] * (KIND in config.subjects)
    for at in taken:
        problems.add(at, KIND, "another name: with [campaigns] alerts of this kind are campaigns'")
    ids = [column.name for column in schema.columns if column.kind is Kind.ID]
    for i, column in enumerate(mine.objects):
        if column not in ids and not problems.is_broken("event", "columns", column):
            inner.unknown(("objects", str(i)), column, ids, "a column of kind id")
        elif column in mine.objects[:i]:
            inner.add(("objects", str(i)), column, "each column once")
    for column, parent in mine.parents.items():
        if column not in mine.objects:
            inner.unknown(("parents", column), column, list(mine.objects), "one of campaigns.objects")
        if parent not in ids and not problems.is_broken("event", "columns", parent):
            inner.unknown(("parents", column), parent, ids, "a column of kind id")
    fits(schema, mine.where, ("where",), inner)
    try:
        spec = mine.spec()
    except ConfigError as error:
        inner.add((), "these settings", str(error))
        return None
    if len(problems.lines) > before:
        return None
    return Campaigns(tuple((column, mine.parents.get(column, "")) for column in mine.objects), mine.where, spec, own)


def check_bucket(job: Job, problems: Problems) -> None:
    """Whether buckets end where panes do: there all key groups hear how far time has come."""
    if job.campaigns is None:
        return
    bucket_us, pane_us = job.campaigns.spec.bucket_us, job.stream.pane_us
    if bucket_us % pane_us:
        allowed = f"a multiple of the pane that the windows have, {format_duration(pane_us)}"
        problems.add(("campaigns", "bucket"), format_duration(bucket_us), allowed)
