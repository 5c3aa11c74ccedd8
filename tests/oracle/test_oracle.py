"""The oracle against examples small enough to work out by hand."""

import math
from pathlib import Path
from typing import Any

import pytest

from detectors.features.declare import Condition, FeatureDecl, FeatureKind, SequenceDecl, SequenceKind
from state.windows import Fire, WindowKind, WindowSpec
from tests.oracle.features import feature
from tests.oracle.sequences import Row, derive
from tests.oracle.stream import Declared, run
from tests.oracle.windows import pane_width, spans

MINUTE = 60_000_000
PLAYS = (Condition("type", words=("play",)),)


def rows(*minutes: float, **columns: list[Any]) -> list[Row]:
    """Rows at these minutes, with event keys 1, 2, ...; one value per row in each column."""
    return [
        {"event_time_us": int(m * MINUTE), "event_key": i + 1, "subject": 7, "type": "play"}
        | {"capped": False, "again": 0, "only_dropped": False}
        | {name: values[i] for name, values in columns.items()}
        for i, m in enumerate(minutes)
    ]


def minutes(spec: WindowSpec, pane: int, *at: float) -> list[tuple[float, float, float, int]]:
    """(end, start, stop, number of rows) of each window, in minutes."""
    return [
        (s.end_us / MINUTE, s.start_us / MINUTE, s.stop_us / MINUTE, len(s.rows))
        for s in spans(spec, pane * MINUTE, rows(*at))
    ]


def test_tumbling() -> None:
    """A row belongs to the one tumbling window that starts at or before it and ends after it.

    minute  0         10        20        30
    rows    x        xx              x
            [--- 2 --)[-- 1 ---)[--- 1 ---)
    """
    spec = WindowSpec("w", WindowKind.TUMBLING, size_us=10 * MINUTE)
    assert minutes(spec, 10, 0, 9, 10, 26) == [(10, 0, 10, 2), (20, 10, 20, 1), (30, 20, 30, 1)]


def test_sliding() -> None:
    """A row belongs to size / slide sliding windows.

    minute  0    5    10   15   20
    rows       x      x
       [-- 1 ---)
            [--- 1 --)
                 [--- 1 --)
                      [--- 1 --)
    """
    spec = WindowSpec("w", WindowKind.SLIDING, size_us=10 * MINUTE, slide_us=5 * MINUTE)
    assert minutes(spec, 5, 3, 10) == [(5, -5, 5, 1), (10, 0, 10, 1), (15, 5, 15, 1), (20, 10, 20, 1)]


def test_sliding_for_the_active() -> None:
    """A slide without a row of its own is not told, unless it ends at a multiple of the size.

    minute  0    5    10   15   20   25   30
    rows       x
       [-- 1 ---)
            [--- 1 --)                     ends at 10 without a row after 5: told, for 10 is a multiple of the size
    rows                        x
                           [-- 1 ---)      ends at 25 and has it in its last slide
                                [- 1 ----) ends at 30: a multiple
    """
    spec = WindowSpec("w", WindowKind.SLIDING, size_us=10 * MINUTE, slide_us=5 * MINUTE, fire=Fire.ACTIVE)
    assert minutes(spec, 5, 3, 21) == [(5, -5, 5, 1), (10, 0, 10, 1), (25, 15, 25, 1), (30, 20, 30, 1)]
    wide = WindowSpec("w", WindowKind.SLIDING, size_us=20 * MINUTE, slide_us=5 * MINUTE, fire=Fire.ACTIVE)
    assert minutes(wide, 5, 3) == [(5, -15, 5, 1), (20, 0, 20, 1)]


def test_session_closes_at_the_first_boundary_after_the_gap() -> None:
    """A session ends at the first pane boundary more than the gap after its last row.

    minute  0    5    10   15   20   25   30   35
    rows    x       x           x
    gap             |---------|          (10 minutes after 8: closes at 20; a boundary at 18 + 0 would not do)
    gap                         |---------|          closes at 40
    """
    spec = WindowSpec("s", WindowKind.SESSION, gap_us=10 * MINUTE, max_us=60 * MINUTE)
    assert minutes(spec, 5, 0, 8, 20) == [(20, 0, 8, 2), (35, 20, 20, 1)]


def test_session_boundary_exactly_at_the_gap_does_not_close() -> None:
    """A row exactly the gap after the last one still belongs to the session, so the boundary there keeps it open."""
    spec = WindowSpec("s", WindowKind.SESSION, gap_us=10 * MINUTE, max_us=60 * MINUTE)
    assert minutes(spec, 5, 0, 10) == [(25, 0, 10, 2)]


def test_session_after_a_gap_inside_one_pane() -> None:
    """A row of the pane in which the old session closes starts a new one.

    minute  0                   10                  20                  30
    rows     x                            x
    gap      |------------------|                     closes at 20, with the new session's row already there
    """
    spec = WindowSpec("s", WindowKind.SESSION, gap_us=10 * MINUTE, max_us=60 * MINUTE)
    assert minutes(spec, 10, 1, 15) == [(20, 1, 1, 1), (30, 15, 15, 1)]


def test_session_is_cut_at_its_maximum() -> None:
    """A session that never pauses is cut at the first boundary at least max after its first row.

    minute  0    5    10   15   20   25
    rows     x  x  x  x  x  x  x
             |-- max = 12 -|              1 + 12 = 13: cut at 15
    """
    spec = WindowSpec("s", WindowKind.SESSION, gap_us=10 * MINUTE, max_us=12 * MINUTE)
    assert minutes(spec, 5, 1, 4, 7, 10, 13, 16, 19) == [(15, 1, 13, 5), (30, 16, 19, 2)]


def test_pane_width() -> None:
    """Panes divide all sizes and slides, and are no wider than a session gap."""
    grid = (
        WindowSpec("a", WindowKind.TUMBLING, size_us=12 * MINUTE),
        WindowSpec("b", WindowKind.SLIDING, size_us=40 * MINUTE, slide_us=20 * MINUTE),
    )
    assert pane_width(grid) == 4 * MINUTE
    assert pane_width((*grid, WindowSpec("s", WindowKind.SESSION, gap_us=3 * MINUTE, max_us=9 * MINUTE))) == 2 * MINUTE


def derived(d: SequenceDecl, given: list[Row]) -> list[Any]:
    """The sequence's column."""
    derive((d,), given)
    return [row[d.name] for row in given]


def test_gap() -> None:
    """A gap spans rows that do not qualify, has no value at the first row and none beyond its cap."""
    given = rows(0, 1, 2, 40, type=["play", "skip", "play", "play"])
    d = SequenceDecl("g", SequenceKind.GAP, where=PLAYS, cap_us=30 * MINUTE)
    assert derived(d, given) == [None, None, 120.0, None]


def test_previous_and_transition() -> None:
    """Both look one qualifying row back; a missing value there is a missing value here."""
    given = rows(0, 1, 2, 3, track=[4, 5, None, 6])
    assert derived(SequenceDecl("p", SequenceKind.PREVIOUS, "track"), given) == [None, 4, 5, None]
    assert derived(SequenceDecl("t", SequenceKind.TRANSITION, "track"), given) == [None, (4, 5), None, None]


def test_overlap() -> None:
    """What lies before the end of an earlier row overlaps, at most the whole row.

    minute    0    1    2    3    4
    1st            |----|              ends at 2, 60 s long
    2nd               |------|         ends at 3, 90 s long: 30 s overlap
    3rd              |-------|         ends at 3, 100 s long: overlaps with all of the 2nd's span
    """
    given = rows(2, 3, 3, 9, ms_played=[60_000.0, 90_000.0, 100_000.0, None])
    assert derived(SequenceDecl("o", SequenceKind.OVERLAP, "ms_played"), given) == [0.0, 30_000.0, 100_000.0, None]


def test_age() -> None:
    """Age counts from the creation time, or from the sign-up, whichever the subject's rows gave last; never below 0."""
    day = 1440
    created, types = [None, None, None, 4.0 * day * MINUTE], ["play", "sign_up", "play", "play"]
    given = rows(0, day, 2 * day, 3 * day, created=created, type=types)
    d = SequenceDecl("a", SequenceKind.AGE, "created", sign_up=(Condition("type", words=("sign_up",)),))
    assert derived(d, given) == [None, 0.0, 1.0, 0.0]


def test_novel() -> None:
    """A value is novel if it is none of the last distinct ones; the first value ever is not."""
    given = rows(*range(7), ip=[1, 1, 2, None, 1, 3, 1])
    d = SequenceDecl("n", SequenceKind.NOVEL, "ip", remember=2)
    # The ring holds 1, then 1 2, then 2 3: 1 was put in first, so it leaves first, and comes back as a novelty.
    assert derived(d, given) == [0.0, 0.0, 1.0, None, 0.0, 1.0, 1.0]


LOOP = rows(
    *(0, 1, 2, 63),
    track=[1, 1, 2, None],
    ms_played=[30_500.0, 30_900.0, 200_000.0, None],
    type=["play", "play", "play", "skip"],
    gap=[None, 60.0, 60.0, 3660.0],
    age=[0.5, 0.5, 0.5, 0.6],
    again=[0, 2, 0, 0],
)
"""One track twice, cut at 30 s, the second time sent three times; another one; a skip an hour later."""


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (FeatureDecl("f", FeatureKind.COUNT, where=PLAYS), 3.0),
        (FeatureDecl("f", FeatureKind.COUNT, where=(Condition("type", excluded=("play", "like")),)), 1.0),
        (FeatureDecl("f", FeatureKind.CAPPED), 0.0),
        (FeatureDecl("f", FeatureKind.DUPLICATES), 2.0),
        (FeatureDecl("f", FeatureKind.REJECTS), 0.0),
        (FeatureDecl("f", FeatureKind.SUM, "ms_played"), 261_400.0),
        (FeatureDecl("f", FeatureKind.MEAN, "ms_played"), 261_400 / 3),
        (FeatureDecl("f", FeatureKind.MIN, "ms_played"), 30_500.0),
        (FeatureDecl("f", FeatureKind.MAX, "ms_played"), 200_000.0),
        (FeatureDecl("f", FeatureKind.MAX, "ms_played", where=(Condition("type", words=("skip",)),)), math.nan),
        (FeatureDecl("f", FeatureKind.SHARE, where=(Condition("ms_played", high=45_000.0),), of=PLAYS), 2 / 3),
        (FeatureDecl("f", FeatureKind.SHARE, where=PLAYS, of=(Condition("type", words=("like",)),)), math.nan),
        (FeatureDecl("f", FeatureKind.SHARE, where=PLAYS, min_rows=4), 3 / 4),
        (FeatureDecl("f", FeatureKind.SHARE, where=PLAYS, min_rows=5), math.nan),
        (FeatureDecl("f", FeatureKind.MEAN, "ms_played", where=PLAYS, min_rows=4), math.nan),
        (FeatureDecl("f", FeatureKind.RATIO, where=(Condition("type", words=("skip",)),), of=PLAYS), 1 / 3),
        (FeatureDecl("f", FeatureKind.NUNIQUE, "track"), 2.0),
        (FeatureDecl("f", FeatureKind.NUNIQUE, "ms_played", resolution=1000.0), 2.0),
        (FeatureDecl("f", FeatureKind.DISTINCT_SHARE, "track"), 2 / 3),
        (FeatureDecl("f", FeatureKind.REPEAT_SHARE, "track"), 1 / 3),
        (FeatureDecl("f", FeatureKind.TOP_SHARE, "type"), 3 / 4),
        (FeatureDecl("f", FeatureKind.ENTROPY, "track"), math.log2(3) - 2 / 3),
        (FeatureDecl("f", FeatureKind.GAP_MEAN, sequence="gap", where=PLAYS), 60.0),
        (FeatureDecl("f", FeatureKind.GAP_CV, sequence="gap", where=PLAYS), 0.0),
        (FeatureDecl("f", FeatureKind.GAP_CV, sequence="gap"), math.sqrt(2) * 1200 / 1260),
        (FeatureDecl("f", FeatureKind.GAP_TOP_SHARE, sequence="gap"), 2 / 3),
        (FeatureDecl("f", FeatureKind.ACTIVE_HOURS), 2.0),
        (FeatureDecl("f", FeatureKind.PER_ACTIVE_HOUR), 4 / 2),
        (FeatureDecl("f", FeatureKind.TIME_RATIO, "ms_played"), 261.4 / 7200),
        (FeatureDecl("f", FeatureKind.AGE_MIN, sequence="age"), 0.5),
        (FeatureDecl("f", FeatureKind.PER_AGE_DAY, sequence="age", where=PLAYS), 3.0),
    ],
    ids=lambda x: x.kind.value if isinstance(x, FeatureDecl) else f"{x:.3f}",
)
def test_feature(declared: FeatureDecl, expected: float) -> None:
    """Each feature has the value worked out by hand for a loop of one track."""
    assert feature(declared, LOOP, 120 * MINUTE) == pytest.approx(expected, rel=1e-12, nan_ok=True)


COUNT = FeatureDecl("n", FeatureKind.COUNT)
TEN = Declared((), (COUNT,), ((WindowSpec("w", WindowKind.TUMBLING, size_us=10 * MINUTE), ("n",)),))


def test_every_kind_has_an_example() -> None:
    """What nobody worked out by hand, oracle and implementation could both get wrong."""
    here = Path(__file__).read_text()
    for beside in ("test_company.py", "test_verdicts.py"):  # features that are made of others
        here += Path(__file__).with_name(beside).read_text()
    kinds = [kind for known in (FeatureKind, SequenceKind, WindowKind) for kind in known]
    assert [kind.value for kind in kinds if f"{type(kind).__name__}.{kind.name}" not in here] == []


def test_lateness_is_judged_in_the_row_s_own_partition() -> None:
    """A row is late when its pane closed for its own partition; the other partition's clock does not matter.

    partition 1   9  10  21  9     the pane [0, 10) closes when 10 was seen: the second 9 is late
    partition 2   9                on time
    """
    first, second = rows(9, 10, 21, 9), rows(9)
    second[0]["event_key"] = 99
    outcome = run(TEN, [first, second])
    assert (outcome.accepted, outcome.late, outcome.duplicate) == (4, 1, 0)
    assert outcome.rows[("w", 10 * MINUTE, 7)]["n"] == 2


def test_duplicates_leave_the_earliest() -> None:
    """Of rows with one key, the earliest stays, in whatever order they arrive; after the horizon a key is new again."""
    again, first, later = rows(12, 3, 90)
    for row in (again, first, later):
        row["event_key"] = 1
    outcome = run(Declared(**{**TEN.__dict__, "out_of_orderness_us": 60 * MINUTE}), [[again, first, later]])
    assert (outcome.accepted, outcome.late, outcome.duplicate) == (2, 0, 1)
    assert sorted(end / MINUTE for _, end, _ in outcome.rows) == [10, 100]


def test_budget_keeps_the_smallest_keys_and_counts_the_rest() -> None:
    """Rows beyond the budget are counted, but not looked at closely."""
    tracks = FeatureDecl("tracks", FeatureKind.NUNIQUE, "track")
    declared = Declared((), (COUNT, tracks), ((TEN.windows[0][0], ("n", "tracks")),), rows_per_pane_max=2)
    outcome = run(declared, [rows(1, 2, 3, track=[1, 2, 3])])
    assert outcome.rows[("w", 10 * MINUTE, 7)] == {"start": 0, "stop": 10 * MINUTE, "n": 3.0, "tracks": 2.0}
