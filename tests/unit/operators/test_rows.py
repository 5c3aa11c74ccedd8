"""Feature rows: taken, put together, left out, saved, with what own history says of them."""

from dataclasses import replace

import numpy as np
import pytest

from flows.operators import rows as module
from flows.operators.population.verdict import Verdict
from flows.operators.rows import FeatureRows, OwnVerdict, rounds
from state.windows import WindowKind, WindowSpec

SLIDING = WindowSpec("w", WindowKind.SLIDING, 40, 20)


def rows(group: int, *subjects: int, label: bool = False) -> FeatureRows:
    """Every number says whose it is."""
    who = np.array(subjects, np.float64)
    x = np.stack([who, 10 * who], axis=1)
    return FeatureRows(
        "w",
        40,
        group,
        np.array(subjects, np.uint64),
        np.array([f"s{s}" for s in subjects], object),
        np.array(subjects) + 1,
        np.array(subjects) + 2,
        x,
        {"past": OwnVerdict(-who, x + 0.5, x / 100)},
        who if label else None,
    )


def same(a: FeatureRows, b: FeatureRows) -> bool:
    names = ("subject", "name", "start_us", "stop_us", "x")
    verdicts = ((a.own[n], b.own[n]) for n in a.own)
    return (
        (a.window, a.end_us, a.own.keys()) == (b.window, b.end_us, b.own.keys())
        and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)
        and all(
            np.array_equal(getattr(v, n), getattr(w, n)) for v, w in verdicts for n in ("score", "typical", "share")
        )
        and (a.label is None) == (b.label is None)
        and (a.label is None or b.label is None or np.array_equal(a.label, b.label))
    )


@pytest.mark.parametrize("label", [False, True])
def test_parts_together_are_the_whole(label: bool) -> None:
    """In their order, with verdicts and labels; what is taken from it is what there was."""
    whole = FeatureRows.concat([rows(0, 2, 5, label=label), rows(1, 1, label=label), rows(2, 9, 3, label=label)])
    assert same(whole, rows(-1, 2, 5, 1, 9, 3, label=label))
    assert whole.group == -1
    assert same(whole.take(np.array([1, 4])), rows(-1, 5, 3, label=label))


def test_one_part_stays_what_it_is() -> None:
    """With its group."""
    one = rows(3, 2, 5)
    assert FeatureRows.concat([one]) is one


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("label", [False, True])
def test_rounds_lie_side_by_side(own: bool, label: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its groups' rows in their order, and is told where it lies: what follows is that of later rounds."""
    monkeypatch.setattr(module, "_SIDE_BY_SIDE", 5)
    parts = [
        replace(rows(group, *subjects, label=label), end_us=end_us, own=found.own if own else {})
        for end_us, group, subjects in ((20, 0, (2, 5)), (20, 3, (1,)), (40, 1, (4, 6)), (60, 2, (7,)), (80, 0, (8, 9)))
        for found in (rows(group, *subjects),)
    ]
    found = list(rounds(parts))
    expected = [FeatureRows.concat([p for p in parts if p.end_us == end_us]) for end_us in (20, 40, 60, 80)]
    assert [each.end_us for each, _ in found] == [20, 40, 60, 80]
    assert all(same(each, wanted) for (each, _), wanted in zip(found, expected, strict=True))
    places = [None if ahead is None else (len(ahead[0]), ahead[1]) for _, ahead in found]
    assert places == ([None] * 4 if own or label else [(5, 0), (5, 3), (3, 0), (3, 1)])
    for each, ahead in found:
        assert ahead is None or np.array_equal(ahead[0][ahead[1] : ahead[1] + len(each)], each.x)


def test_rows_without_a_subject() -> None:
    """The others stay; nothing is left of rows that are all of one."""
    assert same(rows(0, 2, 5, 9).without(5) or rows(0), rows(0, 2, 9))
    assert rows(0, 5, 5).without(5) is None
    kept = rows(0, 2)
    assert kept.without(5) is kept


def test_a_frame_gives_the_rows_back() -> None:
    """With group and verdicts."""
    saved = FeatureRows.unpack(rows(4, 2, 5).pack())
    assert same(saved, rows(4, 2, 5))
    assert saved.group == 4


def test_a_detector_that_is_new_has_said_nothing() -> None:
    """What others said stays."""
    fitted = rows(0, 2, 5).fitted(None, ("past", "new"))
    assert np.isnan(fitted.own["new"].score).all()
    assert np.isnan(fitted.own["new"].typical).all()
    assert (fitted.own["new"].share == 0).all()
    assert fitted.own["past"].score.tolist() == [-2, -5]


def test_a_detector_of_some_features_says_nothing_of_the_others() -> None:
    """Usual values and parts stand in its columns, also where groups that saw other columns are put together."""
    few = OwnVerdict(np.array([1.0, 2.0]), np.array([[5.0], [6.0]]), np.array([[0.5], [0.6]]), np.array([1]), 2)
    assert np.array_equal(few.typical, [[np.nan, 5], [np.nan, 6]], equal_nan=True)
    assert np.array_equal(few.share, [[0, 0.5], [0, 0.6]])
    whole = OwnVerdict(np.array([3.0]), np.array([[7.0, 8.0]]), np.array([[0.7, 0.8]]))
    both = OwnVerdict.concat([few, whole])
    taken = both.take(np.array([2, 0]))
    assert taken.score.tolist() == [3, 1]
    assert np.array_equal(taken.typical, [[7, 8], [np.nan, 5]], equal_nan=True)
    assert np.array_equal(taken.share, [[0.7, 0.8], [0, 0.5]])
    assert np.array_equal(both.share, [[0, 0.5], [0, 0.6], [0.7, 0.8]])


def test_view() -> None:
    """Detectors are told whether rows replace others."""
    view = rows(0, 2, 5, label=True).view(SLIDING, np.array([7, 8], np.int32))
    assert view.slides
    assert (view.window, view.end_us, view.x.shape) == ("w", 40, (2, 2))
    assert view.slot is not None
    assert view.slot.tolist() == [7, 8]
    assert view.label is not None


def test_verdict_of_some_rows() -> None:
    """Of each detector the same ones."""
    score, tail = {"a": np.array([1.0, 2, 3])}, {"a": np.array([0.5, 0.6, 0.7])}
    all_of_it = Verdict(np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.8, 0.9]), score, tail)
    some = all_of_it.take(np.array([2, 0]))
    assert (some.p.tolist(), some.learned.tolist()) == ([0.3, 0.1], [0.9, 0.1])
    assert (some.score["a"].tolist(), some.tail["a"].tolist()) == ([3, 1], [0.7, 0.5])
