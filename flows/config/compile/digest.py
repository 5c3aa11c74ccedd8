"""The digest of a configuration: whether two give the same alerts."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from flows.campaigns import Campaigns
from flows.event_stream import EventStream
from flows.job import SubjectKind
from flows.judgement import Judgement
from state.plain import plain, told

_BESIDE: Final = ("digest", "asked", "exempt", "left_out", "own_kind")
"""Of a judgement, what its digest does not tell."""


def digest(
    stream: EventStream, judgement: Judgement, kinds: Sequence[SubjectKind] = (), campaigns: Campaigns | None = None
) -> str:
    """16 hexadecimal digits: a hash of everything that alerts depend on beside the events.

    Where events come from, where records go and how long a live run waits are left out, and so is what people tell:
    labels, commands, the list of who is exempt.
    """
    known = dict(told(stream)) | {name: value for name, value in told(judgement) if name not in _BESIDE}
    known["time"] = replace(stream.time, idle_timeout_us=0)
    if kinds:
        known["subjects"] = {
            kind.name: [kind.key, kind.where, kind.alerts, digest(kind.job.stream, kind.job.judgement)]
            for kind in kinds
        }
    if campaigns is not None:
        known["campaigns"] = [campaigns.objects, campaigns.where, campaigns.spec]
    text = json.dumps(plain(known), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
