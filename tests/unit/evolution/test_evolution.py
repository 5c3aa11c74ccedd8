"""What becomes of saved state, change by change: the subject stage's values, and what others remember of features."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson
import pytest

from detectors.alerting.alert import Candidate
from detectors.alerting.policy import PolicySpec
from detectors.base import FeatureInfo, Rows
from detectors.drift.monitors import DriftMonitors
from detectors.drift.spec import DriftSpec
from detectors.profile import PopulationProfile
from flows.config import loads
from flows.evolution.fates import FateKind, fates, shape_of
from flows.evolution.layout import form_of
from flows.operators.ingest.operator import Ingest
from flows.operators.population.join import LabelJoin
from flows.operators.subject.operator import SubjectOperator
from flows.sources.base import Lines
from flows.wire.told import Label
from state.chunks import Bundle, Saved
from state.types import MINUTE_US
from state.windows import WindowKind, WindowSpec

T0_S = 1_772_409_600
BASE = """
[job]
extends = "none"
key_groups = 1
[event]
subject = "user"
time = { path = "at", unit = "s" }
[event.columns]
amount = { kind = "number", unit = "EUR" }
what = { kind = "enum", values = ["buy", "sell"] }
[time]
out_of_orderness = "1m"
ahead_max = "0s"
[features]
events = { kind = "count" }
spent = { kind = "sum", column = "amount", where = { what = "buy" } }
kinds = { kind = "nunique", column = "what" }
[windows]
hour = { kind = "sliding", size = "60m", slide = "10m" }
"""
Told = list[dict[str, Any]]


def told_by(config: str, lines: Iterable[dict[str, Any]], resume: Any = None, *, end: bool = False) -> tuple[Told, Any]:
    """What the job tells of windows, and its state afterwards, which goes on with the next configuration."""
    job = loads(config).job()
    ingest = Ingest(job.stream, job.columns, "p", resume and resume[0])
    subjects = SubjectOperator(
        job.stream, job.judgement.audience, form_of(job), 0, ("p",), resume and Bundle.open(resume[1])
    )
    raw = [orjson.dumps(line) for line in lines]
    emitted = ingest.process(Lines(raw, range(len(raw)), "events"))
    emitted += ingest.finish() if end else []
    told: Told = []
    names = {w.window.name: w.features for w in job.stream.windows}
    for _, message in (e for e in emitted if isinstance(e, tuple)):
        for cohort, found in (f for f in subjects.process(message) if isinstance(f, tuple)):
            for rows in found.rows:
                for i, subject in enumerate(rows.subject.tolist()):
                    values = dict(zip(names[rows.window], rows.x[i].tolist(), strict=True))
                    told.append(values | {"cohort": cohort, "window": rows.window, "subject": subject})
    return told, (ingest.snapshot(), Bundle.of(subjects))


def buys(first: int, last: int, user: str = "ann") -> list[dict[str, Any]]:
    """One each minute, of as much money as minutes have passed."""
    return [
        {"user": user, "at": T0_S + 60 * i + k / 10, "amount": i, "what": "buy"}
        for k, i in enumerate(range(first, last))
    ]


def evolved(after: str, before: str = BASE) -> Told:
    """What is told by the changed job of ann, who has bought for 35 minutes before."""
    _, state = told_by(before, buys(0, 35))
    told, _ = told_by(after, buys(35, 72), state)
    return told


def same(one: Any, other: Any) -> None:
    np.testing.assert_equal(one, other)


def quiet(config: str = BASE) -> Told:
    """As `evolved`, with one job all the time."""
    return evolved(config, config)


def test_nothing_changed_nothing_happens() -> None:
    """State that fits is taken as it is."""
    assert [t["events"] for t in quiet()] == [40, 50, 60, 60]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (("spent = {", "paid = {"), "paid"),
        (('events = { kind = "count" }', 'events = { kind = "count", log = true, min_rows = 3 }'), "events"),
        (("kinds = {", 'buys = { kind = "share", where = {}, of = {} }\nkinds = {'), "buys"),
        (('values = ["buy", "sell"]', 'values = ["gift", "sell", "buy"]'), "spent"),
    ],
    ids=["renamed", "other limits", "made of what is there", "words that move"],
)
def test_values_that_follow_from_what_is_there(change: tuple[str, str], name: str) -> None:
    """They are right at once, in windows that began long before."""
    after = BASE.replace(*change)
    assert after != BASE
    same([t[name] for t in evolved(after)], [t[name] for t in quiet(after)])


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (("kinds = {", 'large = { kind = "max", column = "amount" }\nkinds = {'), "large"),
        (('unit = "EUR"', 'unit = "USD"'), "spent"),
        (('where = { what = "buy" }', 'where = { what = ["buy", "sell"] }'), "spent"),
        (('values = ["buy", "sell"]', 'values = ["sell", "buy"]'), "kinds"),
    ],
    ids=["new", "other unit", "other rows", "other codes in a table"],
)
def test_values_that_nobody_counted(change: tuple[str, str], name: str) -> None:
    """There are none in windows of which a part is not known; others are not touched."""
    after = BASE.replace(*change)
    found, truth = evolved(after), quiet(after)
    assert all(math.isnan(t[name]) for t in found)
    same([t["events"] for t in found], [t["events"] for t in truth])


def test_whom_a_window_tells_of_is_no_part_of_state() -> None:
    """State goes on where that changes, in the middle of a window; whoever is silent is then told of once per size."""
    active = BASE.replace('slide = "10m"', 'slide = "10m", fire = "active"')
    before, now = (shape_of(loads(config).job()) for config in (BASE, active))
    assert {fate.kind for fate in fates(before, now)} == {FateKind.KEPT}
    _, saved = told_by(BASE, [*buys(0, 25), *buys(25, 26, "ben")])
    told, _ = told_by(active, buys(31, 75, "ben"), saved, end=True)
    of_ann = [row["events"] for row in told if row["subject"] != told[-1]["subject"]]
    assert of_ann == [25.0, 25.0]


def test_it_counts_as_soon_as_it_can() -> None:
    """The first window that began after all rows of before is the one from minute 40 to 100."""
    after = BASE.replace("kinds = {", 'large = { kind = "max", column = "amount" }\nkinds = {')
    _, state = told_by(BASE, buys(0, 35))
    told, _ = told_by(after, buys(35, 130), state)
    same([t["large"] for t in told], [*[math.nan] * 6, 99, 109, 119])


def test_a_flood_is_not_half_counted() -> None:
    """Rows that were folded before there was a feature are not missing in its first value."""
    budget = BASE + "[state]\nrows_per_pane_max = 16\n"
    after = budget.replace("kinds = {", 'large = { kind = "sum", column = "amount" }\nkinds = {')
    flood = [{"user": "ann", "at": T0_S + 60 * 31 + i / 10, "amount": 1, "what": "buy"} for i in range(400)]
    _, state = told_by(budget, [*buys(0, 31), *flood])
    told, _ = told_by(after, buys(32, 72), state)
    truth, _ = told_by(after, [*buys(0, 31), *flood, *buys(32, 72)])
    assert all(math.isnan(t["large"]) for t in told)
    same([t["spent"] for t in told], [t["spent"] for t in truth[-len(told) :]])


@pytest.mark.parametrize("cut", [257, 290])
def test_when_a_flood_was_folded_does_not_matter(cut: int) -> None:
    """Panes that become narrower hold the sample that the wide ones would have kept, however far they had come."""
    before = BASE.replace("[windows]", 'capped = { kind = "capped" }\n[windows]') + "[state]\nrows_per_pane_max = 16\n"
    after = before.replace("[windows]", '[windows]\nfive = { kind = "tumbling", size = "5m" }')
    flood = [{"user": "ann", "at": T0_S + 2 * i, "amount": i, "what": "buy"} for i in range(300)]
    _, state = told_by(before, flood[:cut])
    _, state = told_by(before, flood[cut:], state)
    told, _ = told_by(after, buys(10, 22), state)
    _, state = told_by(before, flood)
    other, _ = told_by(after, buys(10, 22), state)
    assert told
    same(told, other)


@pytest.mark.parametrize("width", ["5m", "2m", "30m", ""])
def test_what_does_not_count_is_not_forgotten(width: str) -> None:
    """Duplicates and rejected lines of open panes, whatever panes become; of subjects that have nothing else, too."""
    before = BASE.replace('subject = "user"', 'id = "id"\nsubject = "user"').replace('"10m"', '"5m"')
    before = before.replace("[windows]", 'again = { kind = "duplicates" }\nbad = { kind = "rejects" }\n[windows]')
    before += "[state]\nrows_per_pane_max = 16\n"
    after = before.replace("[windows]", 'busy = { kind = "count", min_rows = 3 }\n[windows]')
    if width:
        after = after.replace("[windows]", f'[windows]\nother = {{ kind = "tumbling", size = "{width}" }}')
    lines = [line | {"id": i} for i, line in enumerate(buys(0, 72))]
    flood = [
        {"user": "bot", "at": T0_S + 60 * 31 + i / 4, "id": i % 20, "amount": 1, "what": "buy"} for i in range(200)
    ]
    nonsense = [{"user": user, "at": T0_S, "id": 1, "amount": "much"} for user in ("ann", "eve", "eve")]
    first = [*lines[:31], *flood, *nonsense, lines[34]]
    _, state = told_by(before, first)
    told, _ = told_by(after, lines[35:], state, end=True)
    truth = told_by(after, [*first, *lines[35:]], end=True)[0]
    found, expected = ([t for t in of if t["window"] == "hour"] for of in (told, truth))
    assert {t["again"] for t in found} == {0, 180}
    assert {t["bad"] for t in found} == {0, 1, 2}
    same(found, expected[-len(found) :])


@pytest.mark.parametrize(
    ("cohorts", "expected"),
    [("north south", "north"), ("east south north", "north"), ("south", "other"), ("", "all")],
    ids=["as it was", "one more", "hers is gone", "none"],
)
def test_a_subject_stays_in_its_cohort(cohorts: str, expected: str) -> None:
    """Ann has said where she lives long ago, and says it no more."""

    def config(words: str) -> str:
        column = f'region = {{ kind = "enum", values = {words.split()} }}\n[time]'
        head = '[job]\ncohorts = { column = "region" }' if words else "[job]"
        return BASE.replace("[job]", head).replace("[time]", column if words else "[time]")

    _, state = told_by(config("north south"), [line | {"region": "north"} for line in buys(0, 35)])
    told, _ = told_by(config(cohorts), buys(35, 72), state)
    assert [t["cohort"] for t in told] == [expected] * 4


def test_a_removed_window_is_no_evidence() -> None:
    """It would count as a declared rule otherwise: windows without learned detectors come on top."""
    spec = PolicySpec(line=1e-3, candidate_line=1e-2)
    policy = spec.build("job", "digest", {"": {"old": 1.0, "new": 1.0}})
    assert not policy.round(10, [candidate("old", 5e-3)])
    policy = spec.build("job", "digest", {"": {"new": 1.0}}, policy.snapshot())
    policy.forget_windows("", {"old"})
    (alert,) = policy.round(20, [candidate("new", 5e-4)])
    assert [e.window for e in alert.evidence] == ["new"]


def candidate(window: str, p: float) -> Candidate:
    return Candidate(1, "ann", "all", 0, window, 0, 9, 10, 0, 1000, p, (), (), ())


INFOS = tuple(FeatureInfo(name) for name in "abc")


def test_what_is_usual_is_kept_by_feature() -> None:
    """The profile of a feature that moved is that of before, a new one has none."""
    profile = PopulationProfile(INFOS[:2])
    profile.learn(np.array([[1.0, 5.0], [3.0, 7.0], [5.0, 9.0]]))
    again = PopulationProfile((INFOS[1], INFOS[2], INFOS[0]), resume=profile.snapshot(), columns=np.array([1, -1, 0]))
    same(again.typical(), [7.0, np.nan, 3.0])
    again.learn(np.array([[7.0, 2.0, 3.0]] * 3))
    same(again.typical(), [7.0, 2.0, 3.0])


def test_monitors_of_a_feature_that_means_something_else_start_over() -> None:
    """The other ones go on."""
    window = WindowSpec("w", WindowKind.TUMBLING, size_us=5 * MINUTE_US)
    spec = DriftSpec()
    monitors = DriftMonitors(spec, "all", window, INFOS[:2], ())
    for i in range(40):
        monitors.update((i + 1) * window.size_us, np.full((100, 2), 4.0), {}, 0)
    again = DriftMonitors(spec, "all", window, INFOS[:2], ())
    again.restore(monitors.snapshot(), frozenset(), frozenset({"b"}))
    seen = dict(zip([s.key for s in again._series], again._reference.seen.tolist(), strict=True))
    assert {key.split("/")[1]: n > 0 for key, n in seen.items() if key.startswith("feature")} == {"a": True, "b": False}


def test_monitors_go_on_under_another_name() -> None:
    """Of features and of detectors: what is expected of them is what was seen of them."""
    window = WindowSpec("w", WindowKind.TUMBLING, size_us=5 * MINUTE_US)
    spec = DriftSpec()
    monitors = DriftMonitors(spec, "all", window, INFOS[:2], ("trees",))
    for i in range(40):
        monitors.update((i + 1) * window.size_us, np.full((100, 2), 4.0), {"trees": np.full(100, 0.5)}, 0)
    again = DriftMonitors(spec, "all", window, (INFOS[0], INFOS[2]), ("wood",))
    again.restore(monitors.snapshot(), was={"c": "b"}, detector_was={"wood": "trees"})
    seen = {s.key.split("/")[1]: n for s, n in zip(again._series, again._reference.seen.tolist(), strict=True)}
    assert seen.keys() == {"a", "c", "wood", "alert_rate"}
    assert min(seen.values()) > 0


def test_rows_that_wait_for_labels_have_the_features_of_now() -> None:
    """Those of before keep their values, new ones have none there."""
    join = LabelJoin("w", (), 10**12, 100)
    subject, span = np.array([7], np.uint64), np.array([5])
    join.add(Rows("w", 10, np.array([[1.0, 2.0]]), subject, span, span + 5), {}, np.array([0.5]))
    chunks = Bundle()
    meta, arrays = join.snapshot(chunks)

    def fit(x: Any) -> Any:
        return np.column_stack([x[:, 1], np.full(len(x), np.nan)])

    again = LabelJoin("w", (), 10**12, 100)
    again.restore(Saved(b"", chunks), meta, arrays["blocks"], arrays["open"], fit)
    lesson = again.match(20, [Label(20, 7, 1.0, 0, 20)])
    assert lesson is not None
    same(lesson.rows.x, [[2.0, np.nan]])
