"""The co-action stage: one key group of objects; visits in, coincidences of accounts on rare objects out."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from detectors.campaigns.coincidence import Coincidences, Visits, coincide
from flows.campaigns import Campaigns
from flows.metrics import catalogue as c
from flows.metrics.catalogue import Numbers, seconds
from flows.operators.coaction.buckets import (
    ACCOUNT,
    ACCOUNT_NAME,
    OBJECT,
    OBJECT_NAME,
    PARENT,
    Bucket,
    arrived,
    first_names,
)
from flows.operators.coaction.popularity import Popularity
from flows.operators.messages import CoactionInput, GroupInput, coaction_name
from flows.steps import Step, stage_name
from state.batch import MicroBatch
from state.cells import run_starts
from state.chunks import Chunks, Saved
from state.order import distinct
from state.schema import name_column
from state.snapshot import pack, pack_frames, unpack, unpack_frames
from state.types import END_OF_TIME_US, START_OF_TIME_US
from state.watermark import WatermarkMerger

_VERSION: Final = 1


class CoactionOperator:
    """Objects of one column and key group.

    A visit is an account on an object in a bucket, however often: so an event that comes twice changes nothing, and
    what a flood costs is bounded.  One that goes on from the bucket before does not make the object more popular: a few
    accounts that play nothing else are no crowd.  Buckets close in the order of time, when the watermark of all
    partitions of events has passed them.
    """

    def __init__(
        self,
        campaigns: Campaigns,
        column: str,
        group: int,
        partitions: Sequence[str],
        allowed_lateness_us: int = 0,
        resume: Saved | None = None,
        pane_us: int | None = None,
    ) -> None:
        """column: of the objects.  partitions: those of events.  allowed_lateness_us: buckets wait so much longer.
        pane_us: as often it says how far time has come, which the alert policy waits for; a part of the bucket, and the
        whole of it where it is None.
        """
        self._campaigns = campaigns
        self._spec = campaigns.spec
        self._column = column
        self._parent = campaigns.parent_of(column)
        self._sender = coaction_name(column, group)
        self._allowed_us = allowed_lateness_us
        self._pane_us = pane_us or self._spec.bucket_us
        self._watermarks = WatermarkMerger(partitions)
        self._closed_us = START_OF_TIME_US
        self._buckets: dict[int, Bucket] = {}
        """By number; the last one that closed is kept for the next."""
        self._popularity = Popularity(self._spec.popularity_half_us)
        if resume is not None:
            self._restore(resume)

    @property
    def rows_waiting(self) -> int:
        """Visits that wait; their lines have their fate elsewhere."""
        return sum(bucket.rows for bucket in self._buckets.values())

    def observe(self, numbers: Numbers) -> None:
        """Its part of what a run tells of itself."""
        stage = stage_name(self._column, Step.COACTION)
        c.add(numbers, c.SUBJECTS, len(self._popularity.object), stage)
        c.add(numbers, c.STAGE_BOUNDARY, seconds(self._closed_us), stage)

    def process(self, message: GroupInput) -> list[CoactionInput]:
        """Files the visits; one message when time has come further, with what the buckets that closed hold."""
        if message.batch is not None and len(message.batch):
            self._file(message.batch)
        watermark_us = self._watermarks.update(message.sender, message.watermark_us, at_rest=message.at_rest)
        width = self._spec.bucket_us
        limit_us = END_OF_TIME_US
        if watermark_us < END_OF_TIME_US:
            limit_us = (watermark_us - self._allowed_us) // self._pane_us * self._pane_us
        if limit_us <= self._closed_us:
            return []
        due = sorted(n for n in self._buckets if self._closed_us < (n + 1) * width <= limit_us)
        told = [self._close(number) for number in due]
        self._closed_us = limit_us
        for number in [n for n in self._buckets if (n + 2) * width <= limit_us]:
            del self._buckets[number]
        return [CoactionInput(self._sender, limit_us, [found for found in told if len(found.object)])]

    def _file(self, batch: MicroBatch) -> None:
        """Rows that an idle clock has closed are late; the stage in which lines have their fate says so."""
        own = self._campaigns.own_kind
        columns = {
            OBJECT: batch.subject,
            ACCOUNT: batch[own],
            PARENT: batch[self._parent] if self._parent else batch.subject,
            OBJECT_NAME: batch.subject_name,
            ACCOUNT_NAME: batch[name_column(own)],
        }
        number = batch.event_time_us // self._spec.bucket_us
        for n in distinct(number).tolist():
            if (n + 1) * self._spec.bucket_us > self._closed_us:
                mine = number == n
                part = columns if mine.all() else {name: values[mine] for name, values in columns.items()}
                self._buckets.setdefault(n, Bucket()).add(part)

    def _close(self, number: int) -> Coincidences:
        end_us = (number + 1) * self._spec.bucket_us
        bucket, before = self._buckets[number], self._buckets.get(number - 1)
        now = bucket.visits()
        then = before.visits() if before is not None else Visits(now.object[:0], now.account[:0])
        start = run_starts(now.object)
        objects, visits = now.object[start], np.add.reduceat(arrived(now, then).astype(np.float64), start)
        a_day, a_day_before = self._popularity.visit(end_us, objects, visits)
        most = self._spec.visits_max
        rare = objects[a_day <= most]
        pairs = coincide(now.of(rare), then.of(rare), self._spec.accounts_max)
        too_popular = objects[(a_day > most) & (a_day_before <= most)]
        told = np.sort(np.concatenate([pairs.object, too_popular]))
        parts = [b.parts[0] for b in (bucket, before) if b is not None]
        of_told = np.searchsorted(objects, told)
        at = start[of_told]
        return Coincidences(
            end_us,
            self._sender,
            self._column,
            pairs.account,
            first_names([(part[ACCOUNT], part[ACCOUNT_NAME]) for part in parts], pairs.account),
            told,
            bucket.parts[0][OBJECT_NAME][at],
            bucket.parts[0][PARENT][at],
            a_day[of_told],
            pairs.low,
            pairs.high,
            np.searchsorted(told, pairs.object).astype(np.int32)[pairs.on],
        )

    def describe(self) -> dict[str, Any]:
        """What there is, as JSON values."""
        return {
            "watermark_us": self._watermarks.watermark_us,
            "buckets": len(self._buckets),
            "visits": self.rows_waiting,
            "objects": len(self._popularity.object),
        }

    def forget(self, subject: int) -> int:
        """Drops the visits of one account, and returns how many there were."""
        before = self.rows_waiting
        self._buckets = {number: bucket.without(subject) for number, bucket in self._buckets.items()}
        self._buckets = {number: bucket for number, bucket in self._buckets.items() if bucket.parts}
        return before - self.rows_waiting

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame of the state."""
        numbers = sorted(self._buckets)
        tables = {f"bucket{number}": self._buckets[number].save(chunks) for number in numbers}
        known = {"object": self._popularity.object, "visits": self._popularity.visits}
        meta = {
            "meaning": self._campaigns.meaning,
            "closed_us": self._closed_us,
            "watermarks": self._watermarks.state(),
            "buckets": numbers,
            "popularity_us": self._popularity.end_us,
        }
        return pack_frames("coaction", _VERSION, meta, {"tables": pack("tables", _VERSION, {}, tables | known)})

    def _restore(self, saved: Saved) -> None:
        meta, frames = unpack_frames(saved.root, "coaction", (_VERSION,))
        self._watermarks.restore(meta["watermarks"])
        if meta["meaning"] != self._campaigns.meaning:
            self._closed_us = meta["closed_us"] // self._spec.bucket_us * self._spec.bucket_us
            return
        self._closed_us = meta["closed_us"]
        _, _, arrays = unpack(frames["tables"], "tables", (_VERSION,))
        self._popularity.end_us = meta["popularity_us"]
        self._popularity.object, self._popularity.visits = arrays["object"], arrays["visits"]
        for number in meta["buckets"]:
            self._buckets[number] = Bucket.restored(saved.chunks, arrays[f"bucket{number}"])
