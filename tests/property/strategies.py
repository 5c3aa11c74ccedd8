"""Random disordered input: few subjects, ties, gaps, duplicates, missing values, late rows; 1 to 3 partitions."""

import random
from typing import Any

from hypothesis import strategies as st

from detectors.features.declare import Condition, FeatureDecl, FeatureKind, SequenceDecl, SequenceKind
from state.schema import Column, Kind, Schema
from state.windows import Fire, WindowKind, WindowSpec
from tests.oracle.stream import Declared, Event

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START_US = 1_704_063_600 * SECOND
"""2023-12-31 23:00 UTC: an hour before a new day."""

Turn = tuple[int, int, bool]
"""A partition, how many events it delivers at once, and whether everything is restored from snapshots afterwards."""

SCHEMA = Schema(
    (
        Column("type", Kind.ENUM, values=("play", "skip", "login", "sign_up")),
        Column("plan", Kind.ENUM, values=("free", "premium")),
        Column("track", Kind.ID),
        Column("ip", Kind.ID),
        Column("ms_played", Kind.NUMBER, unit="ms"),
        Column("created", Kind.TIME),
    )
)

PLAYS = (Condition("type", words=("play",)),)
SKIPS_LOGINS = (Condition("type", words=("skip", "login")),)
CUT_SHORT = (Condition("ms_played", low=30_000.0, high=45_000.0),)
NOT_PREMIUM = (Condition("plan", excluded=("premium",)),)
WITH_IP = (Condition("ip", present=True),)

SEQUENCES = (
    SequenceDecl("gap_s", SequenceKind.GAP, where=PLAYS, cap_us=30 * MINUTE),
    SequenceDecl("any_gap_s", SequenceKind.GAP, cap_us=HOUR),
    SequenceDecl("track_before", SequenceKind.PREVIOUS, "track", where=PLAYS),
    SequenceDecl("step", SequenceKind.TRANSITION, "track", where=PLAYS),
    SequenceDecl("overlap_ms", SequenceKind.OVERLAP, "ms_played", where=PLAYS),
    SequenceDecl("age_days", SequenceKind.AGE, "created", sign_up=(Condition("type", words=("sign_up",)),)),
    SequenceDecl("new_ip", SequenceKind.NOVEL, "ip", remember=2),
)

FEATURES = (
    FeatureDecl("events", FeatureKind.COUNT),
    FeatureDecl("plays", FeatureKind.COUNT, where=PLAYS),
    FeatureDecl("not_premium", FeatureKind.COUNT, where=NOT_PREMIUM),
    FeatureDecl("capped", FeatureKind.CAPPED),
    FeatureDecl("again", FeatureKind.DUPLICATES),
    FeatureDecl("bad", FeatureKind.REJECTS),
    FeatureDecl("ms", FeatureKind.SUM, "ms_played"),
    FeatureDecl("new_ips", FeatureKind.SUM, sequence="new_ip"),
    FeatureDecl("overlap", FeatureKind.SUM, sequence="overlap_ms", where=WITH_IP),
    FeatureDecl("ms_mean", FeatureKind.MEAN, "ms_played", where=PLAYS),
    FeatureDecl("ms_min", FeatureKind.MIN, "ms_played", where=WITH_IP),
    FeatureDecl("ms_max", FeatureKind.MAX, "ms_played"),
    FeatureDecl("created_max", FeatureKind.MAX, "created"),
    FeatureDecl("cut_share", FeatureKind.SHARE, where=CUT_SHORT, of=PLAYS),
    FeatureDecl("play_share", FeatureKind.SHARE, where=PLAYS, min_rows=2),
    FeatureDecl("skips_per_play", FeatureKind.RATIO, where=SKIPS_LOGINS, of=PLAYS),
    FeatureDecl("tracks", FeatureKind.NUNIQUE, "track", where=PLAYS),
    FeatureDecl("types", FeatureKind.NUNIQUE, "type"),
    FeatureDecl("durations", FeatureKind.DISTINCT_SHARE, "ms_played", resolution=1_000.0),
    FeatureDecl("repeats", FeatureKind.REPEAT_SHARE, "track"),
    FeatureDecl("steps_again", FeatureKind.REPEAT_SHARE, sequence="step"),
    FeatureDecl("top_track", FeatureKind.TOP_SHARE, "track", where=PLAYS, min_rows=3),
    FeatureDecl("top_before", FeatureKind.TOP_SHARE, sequence="track_before"),
    FeatureDecl("track_bits", FeatureKind.ENTROPY, "track"),
    FeatureDecl("plan_bits", FeatureKind.ENTROPY, "plan"),
    FeatureDecl("gap", FeatureKind.GAP_MEAN, sequence="gap_s"),
    FeatureDecl("gap_var", FeatureKind.GAP_CV, sequence="any_gap_s"),
    FeatureDecl("gap_top", FeatureKind.GAP_TOP_SHARE, sequence="any_gap_s", bins_per_octave=2),
    FeatureDecl("hours", FeatureKind.ACTIVE_HOURS, where=PLAYS),
    FeatureDecl("by_hour", FeatureKind.PER_ACTIVE_HOUR, where=PLAYS),
    FeatureDecl("play_time", FeatureKind.TIME_RATIO, "ms_played", where=PLAYS),
    FeatureDecl("age", FeatureKind.AGE_MIN, sequence="age_days", where=PLAYS),
    FeatureDecl("plays_by_age", FeatureKind.PER_AGE_DAY, sequence="age_days", where=PLAYS),
)

# Hashes as the decoder makes them: tables look at their upper bits only.
_HASHES = random.Random(17)
IDS = [_HASHES.getrandbits(64) | 1 for _ in range(5)]
SUBJECTS = [_HASHES.getrandbits(64) | 1 for _ in range(4)]
EVENT_KEYS = [_HASHES.getrandbits(64) | 1 for _ in range(200)]

STEPS_US = [0, 0, 1, 10 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 11 * MINUTE, 35 * MINUTE, 70 * MINUTE]
DELAYS_US = [0, 0, 0, 0, 20 * SECOND, 2 * MINUTE, 12 * MINUTE, 2 * HOUR]
HORIZON_US = HOUR


@st.composite
def window(draw: st.DrawFn, name: str, kind: WindowKind) -> WindowSpec:
    """A window of this kind."""
    match kind:
        case WindowKind.TUMBLING:
            return WindowSpec(name, kind, draw(st.sampled_from([2, 5, 6, 60])) * MINUTE)
        case WindowKind.SLIDING:
            slide_us = draw(st.sampled_from([2, 3, 10, 60])) * MINUTE
            fire = draw(st.sampled_from(Fire))
            return WindowSpec(name, kind, slide_us * draw(st.integers(1, 4)), slide_us, fire=fire)
        case WindowKind.SESSION:
            gap_us = draw(st.sampled_from([4, 7, 30])) * MINUTE
            max_us = gap_us * draw(st.sampled_from([3, 4, 9])) // 2
            return WindowSpec(name, kind, gap_us=gap_us, max_us=max_us)
    raise AssertionError(f"no windows of kind {kind} are drawn")


@st.composite
def windows(draw: st.DrawFn) -> tuple[WindowSpec, ...]:
    """One to four windows of any kind."""
    kinds = draw(st.lists(st.sampled_from(WindowKind), min_size=1, max_size=4))
    return tuple(draw(window(f"w{i}", kind)) for i, kind in enumerate(kinds))


@st.composite
def declarations(draw: st.DrawFn, rows_per_pane_max: int = 1_000_000) -> Declared:
    """All sequences and all features on random windows, with random patience."""
    names = tuple(f.name for f in FEATURES)
    return Declared(
        SEQUENCES,
        FEATURES,
        tuple((spec, names) for spec in draw(windows())),
        out_of_orderness_us=draw(st.sampled_from([0, 30 * SECOND, 15 * MINUTE])),
        allowed_lateness_us=draw(st.sampled_from([0, 0, 90 * SECOND, 10 * MINUTE])),
        dedup_horizon_us=HORIZON_US,
        rows_per_pane_max=rows_per_pane_max,
        cohort_column="plan",
    )


_COLUMNS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "subject": st.integers(0, 3),
        "type": st.sampled_from(["play", "play", "play", "skip", "login", "sign_up", None]),
        "plan": st.sampled_from([None, "free", "premium"]),
        "track": st.sampled_from([None, *IDS]),
        "ip": st.sampled_from([None, *IDS]),
        # Dyadic fractions: sums are exact in any order, so that a wrong row cannot hide behind a tolerance.
        "ms_played": st.sampled_from([None, 0.0, 0.25, 30_000.0, 30_500.5, 45_000.0, 200_000.0, 3_600_000.0]),
        "created": st.sampled_from([None, None, None, float(START_US - 50 * HOUR), float(START_US + MINUTE)]),
    }
)


@st.composite
def partitions(draw: st.DrawFn, restamped: bool = True) -> list[list[Event]]:
    """Up to 40 events and their repeats, in the order of arrival.

    A repeat has its original's key and values; restamped: perhaps another time, within the horizon.
    """
    count = draw(st.integers(1, 3))
    places = st.tuples(st.integers(0, count - 1), st.sampled_from(DELAYS_US))
    shifts = st.sampled_from([0, 0, 1, 3 * MINUTE, 50 * MINUTE, HORIZON_US] if restamped else [0])
    repeats = st.lists(st.tuples(shifts, places), max_size=2)
    event = st.tuples(st.sampled_from(STEPS_US), _COLUMNS, places, st.one_of(st.just([]), st.just([]), repeats))
    drawn = draw(st.one_of(st.lists(event, min_size=1, max_size=12), st.lists(event, min_size=12, max_size=40)))
    subjects = SUBJECTS[: draw(st.integers(1, 4))]
    steady_us = draw(st.sampled_from([0, 0, 2 * MINUTE, 5 * MINUTE]))
    pause_before = draw(st.integers(0, 40))
    arriving: list[tuple[int, int, Event]] = []
    time_us = START_US
    for i, (step_us, columns, place, again) in enumerate(drawn):
        time_us += (steady_us or step_us) + (26 * HOUR if i == pause_before else 0)
        for shift_us, (partition, delay_us) in [(0, place), *again]:
            own = {"event_time_us": time_us + shift_us, "event_key": EVENT_KEYS[i]}
            own["subject"] = subjects[columns["subject"] % len(subjects)]
            arriving.append((time_us + shift_us + delay_us, partition, columns | own))
    arriving.sort(key=lambda item: item[0])
    return [[event for _, p, event in arriving if p == partition] for partition in range(count)]


turns: st.SearchStrategy[list[Turn]] = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 20), st.booleans()), max_size=12
)
"""How the input is cut and interleaved; what is left over afterwards comes partition by partition."""
