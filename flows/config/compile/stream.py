"""What is known of events: [event], [time], [state] and what is computed of them -> EventStream."""

from typing import TYPE_CHECKING

from detectors.features.declare import FeatureDecl, SequenceDecl
from flows.config.layers import Key
from flows.config.problems import Problems
from flows.event_stream import EventStream, StateSpec, TimeSpec, WindowFeatures
from flows.wire.spec import WireSpec
from state.durations import format_duration

if TYPE_CHECKING:
    from flows.config.models import Config


def stream_of(
    config: "Config",
    wire: WireSpec,
    sequences: tuple[SequenceDecl, ...],
    features: tuple[FeatureDecl, ...],
    windows: tuple[WindowFeatures, ...],
) -> EventStream:
    """The stream."""
    time, state = config.time, config.state
    return EventStream(
        key_groups=config.about.key_groups,
        schema=wire.schema(),
        wire=wire,
        time=TimeSpec(
            time.out_of_orderness, time.allowed_lateness, time.idle_timeout, time.dedup_horizon, time.ahead_max
        ),
        state=StateSpec(state.capacity, state.ttl, state.rows_per_pane_max),
        sequences=sequences,
        features=features,
        windows=windows,
    )


def check_state(config: "Config", windows: tuple[WindowFeatures, ...], problems: Problems) -> None:
    """Whether enough is remembered."""
    check_ttl(("state", "ttl"), config.state.ttl, windows, problems)
    held_us = config.time.out_of_orderness + config.time.allowed_lateness
    if 0 < config.time.dedup_horizon < held_us:
        allowed = f"at least out_of_orderness + allowed_lateness ({format_duration(held_us)})"
        problems.add(("time", "dedup_horizon"), format_duration(config.time.dedup_horizon), allowed)


def check_ttl(key: Key, ttl_us: int, windows: tuple[WindowFeatures, ...], problems: Problems) -> None:
    """Whether subjects are remembered for as long as their windows reach.  key: that says so."""
    longest = max((w.window for w in windows), key=lambda w: w.span_us, default=None)
    if longest is not None and ttl_us < longest.span_us and not problems.is_broken(*key):
        allowed = f"at least {format_duration(longest.span_us)}, the reach of the window {longest.name!r}"
        problems.add(key, format_duration(ttl_us), allowed)
