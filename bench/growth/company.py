"""Streams and jobs of which entities grow: further kinds of subjects, and campaigns."""

from typing import Final

import numpy as np
import orjson

from bench.scenarios import SCENARIOS
from flows.config.models import Config
from flows.job import Job
from flows.simulate.config import MONDAY_US
from state.types import HOUR_US, I64, MINUTE_US, MS_US

_BUCKET_US: Final = 30 * MINUTE_US
_PLAYS: Final = 4
"""Of a member in a bucket."""
_TOGETHER: Final = 8
"""Members that are on one track in a bucket."""
_KINDS: Final = {"net": "ip", "phone": "device", "musician": "artist", "label": "rights_holder"}
KINDS: Final = len(_KINDS)


def shipped_with_kinds(count: int, *settings: str) -> Config:
    """What Driftnet ships without campaigns, and so many further kinds.  Each lends how many users it has to its users'
    hours.
    """
    shipped = SCENARIOS["shipped"].config()
    more = ["campaigns=false", 'event.kind="user"', *settings]
    borrowed = []
    for name, key in list(_KINDS.items())[:count]:
        where = 'type="play"' if key in ("artist", "rights_holder") else ""
        more += [
            (
                f'subjects.{name}={{key="{key}",where={{{where}}},lends=["users"],'
                'features={users={kind="nunique",column="user",log=true},events={kind="count",log=true}},'
                'windows={hour={kind="sliding",size="1h",slide="5m",fire="active"}}}'
            ),
            f'features.{name}_crowd={{kind="max",column="{name}_users",log=true}}',
        ]
        borrowed.append(f"{name}_crowd")
    of_hour = [*map(str, shipped.windows["w1h"].features or ()), *borrowed]
    more.append(f"windows.w1h.features={orjson.dumps(of_hour).decode()}")
    return SCENARIOS["shipped"].config(*more)


def with_devices() -> Job:
    """The canonical job, and devices as a further kind."""
    return (
        SCENARIOS["uniform"]
        .config(
            'event.kind="user"',
            'event.columns.device={path="device_id",kind="id"}',
            'subjects.phone={key="device",features={users={kind="nunique",column="user"},events={kind="count"}},'
            'windows={w5m={kind="tumbling",size="5m"}}}',
        )
        .job()
    )


def on_devices(lines: list[bytes], device: I64) -> list[bytes]:
    """The events, each on one of these devices."""
    return [b'%s,"device_id":"d%d"}' % (line[:-1], d) for line, d in zip(lines, device.tolist(), strict=True)]


def campaign(members: int, hours: int) -> list[bytes]:
    """Plays of the members of one campaign, in a shuffled order in each half hour.

    Its tracks grow with its members, so that as many are on one of them in a bucket; each ten are of one artist.
    """
    rng = np.random.default_rng(members)
    tracks, plays = max(_PLAYS * members // _TOGETHER, 2 * _PLAYS), members * _PLAYS
    turns = [rng.permutation(np.repeat(np.arange(members), _PLAYS)) for _ in range(hours * HOUR_US // _BUCKET_US)]
    user = np.concatenate(turns)
    time_ms = (MONDAY_US + np.arange(len(user)) * _BUCKET_US // plays) // MS_US
    track = rng.integers(0, tracks, len(user))
    return [
        b'{"event_id":"%x","event_time":%d,"type":"play","user_id":"u%d","track_id":"t%d","artist_id":"a%d"}'
        % (i, at, u, one, one // 10)
        for i, (at, u, one) in enumerate(zip(time_ms.tolist(), user.tolist(), track.tolist(), strict=True))
    ]


def with_campaigns() -> Job:
    """The canonical job, which looks for campaigns."""
    looking = 'campaigns={objects=["track"],parents={track="artist"},where={type="play"}}'
    return SCENARIOS["uniform"].config('event.kind="user"', looking).job()
