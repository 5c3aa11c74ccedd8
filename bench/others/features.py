"""One user's events of one window to the twelve features of SPECIFICATION.md.  Plain Python: shared by all systems but
Driftnet, and the oracle for Driftnet.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import orjson

SIZE_MS: Final = 300_000
"""Length of the tumbling windows."""
BEHIND_MS: Final = 30_000
"""How far event time may be out of order."""
GAP_MAX_MS: Final = 1_800_000
"""A longer pause is no gap."""
NAMES: Final = (
    "events",
    "plays",
    "paid_plays",
    "play_time",
    "mean_ms",
    "just_paid_share",
    "skip_rate",
    "tracks",
    "artist_top_share",
    "holder_entropy",
    "gap_mean",
    "gap_cv",
)

Event = tuple[int, str, int, str, str, str]
"""event_time, type, ms_played, track_id, artist_id, rights_holder_id."""
Values = list[float | None]
"""One value per feature, in the order of NAMES; None for no value."""


def event_of(document: dict[str, Any]) -> Event:
    """What the features read of a parsed line."""
    return (
        document["event_time"],
        document["type"],
        document["ms_played"],
        document["track_id"],
        document["artist_id"],
        document["rights_holder_id"],
    )


def window_features(events: Sequence[Event], last_play_ms: int | None) -> tuple[Values, int | None]:
    """The features, and the time of the last play so far.

    events: of one user and window, at least one, in any order.  last_play_ms: of the user's last play in the windows
    before.
    """
    plays = [event for event in events if event[1] == "play"]
    if not plays:
        return [len(events), 0, 0, 0.0, None, None, None, 0, None, None, None, None], last_play_ms
    n = len(plays)
    played = [event[2] for event in plays]
    times = sorted(event[0] for event in plays)
    before = times if last_play_ms is None else [last_play_ms, *times]
    gaps = [gap for a, b in pairwise(before) if (gap := b - a) <= GAP_MAX_MS]
    values: Values = [
        len(events),
        n,
        sum(ms >= 30_000 for ms in played),
        sum(played) / SIZE_MS,
        sum(played) / n,
        sum(30_000 <= ms < 45_000 for ms in played) / n,
        sum(event[1] == "skip" for event in events) / n,
        len({event[3] for event in plays}),
        max(Counter(event[4] for event in plays).values()) / n,
        entropy(list(Counter(event[5] for event in plays).values())),
        sum(gaps) / len(gaps) / 1000 if gaps else None,
        variation(gaps),
    ]
    return values, times[-1]


def entropy(counts: Sequence[int]) -> float:
    """Shannon's, in bits."""
    n = sum(counts)
    return math.log2(n) - sum(c * math.log2(c) for c in counts) / n


def variation(gaps: Sequence[int]) -> float | None:
    """Population standard deviation over mean.  Sums of integers: exact up to the last step."""
    n, total = len(gaps), sum(gaps)
    if n < 2 or not total:
        return None
    return math.sqrt(n * sum(gap * gap for gap in gaps) - total * total) / total


def row(user: str, window_end_ms: int, values: Values, score: float | None = None, *, scored: bool = False) -> bytes:
    """One line of output."""
    record: dict[str, Any] = {"user_id": user, "window_end": window_end_ms, "features": values}
    if scored:
        record["score"] = score
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
