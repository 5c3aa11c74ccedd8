"""A configuration that is quick to run: one window, one detector, and a line so high that an hour of events gives
alerts.
"""

BASE = """
[job]
name = "small"
extends = "none"
key_groups = 2
[event]
id = "event_id"
time = { path = "event_time", unit = "ms" }
[event.columns]
type = { kind = "enum", required = true, values = ["play", "skip"] }
track = { path = "track_id", kind = "id" }
[features]
plays = { kind = "count", where = { type = "play" }, log = true }
tracks = { kind = "nunique", column = "track", log = true }
[windows]
w5m = { kind = "tumbling", size = "5m" }
[detectors]
extremes = { type = "ecod", params = { ready = 8 } }
[alerts]
line = 0.3
candidate_line = 0.5
[sources.main]
kind = "simulator"
tracks = 2000
"""
"""Ends inside of the source: how many users it has, for how long, is still to be said."""

SMALL = (
    BASE
    + """
users = 600
duration = "2h"
campaigns = ["loop_bot"]
[calibration]
ready = 64
[drift]
monitors = {}
[sinks]
alerts = [{ kind = "sqlite", path = "driftnet.db" }]
"""
)
