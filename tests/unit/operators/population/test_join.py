"""The label join against one written the slow obvious way."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Rows
from flows.operators.population.join import LabelJoin
from flows.wire.told import Label
from state.chunks import Bundle, Saved
from state.snapshot import pack, unpack

WAIT = 40


@dataclass
class Slow:
    """Rows as dicts, one by one."""

    rows_max: int
    rows: list[dict[str, float]] = field(default_factory=list)

    def add(self, end: int, subjects: list[int]) -> None:
        of_round = [{"end": end, "subject": s, "start": end - 10, "open": 1.0} for s in sorted(subjects)]
        self.rows += of_round[-self.rows_max :]
        while self.rows and (len(self.rows) > self.rows_max or self.rows[0]["end"] < end - WAIT):
            oldest = self.rows[0]["end"]
            self.rows = [row for row in self.rows if row["end"] != oldest]

    def match(self, labels: list[Label]) -> list[tuple[float, float, float]]:
        found = []
        for row in self.rows:
            about = sorted(
                (label.since_us, label.until_us, label.fraud)
                for label in labels
                if label.subject == row["subject"] and label.since_us < row["end"] and label.until_us > row["start"]
            )
            if about and row["open"]:
                row["open"] = 0.0
                found.append((row["end"], row["subject"], about[0][2]))
        return found


def rows(end: int, subjects: list[int]) -> Rows:
    """Feature 0 is the round's end, so that a lesson tells which row it is."""
    n = len(subjects)
    x = np.column_stack([np.full(n, float(end)), np.array(subjects, np.float64)]).reshape(n, 2)
    return Rows("w", end, x, np.array(subjects, np.uint64), np.full(n, end - 10), np.full(n, end))


def again(join: LabelJoin, rows_max: int, detectors: tuple[str, ...] = ("judge",)) -> LabelJoin:
    """What is restored from its snapshot."""
    chunks = Bundle()
    meta, arrays = join.snapshot(chunks)
    _, meta, arrays = unpack(pack("t", 1, meta, arrays), "t", (1,))
    fresh = LabelJoin("w", detectors, WAIT, rows_max)

    fresh.restore(Saved(b"", chunks), meta, arrays["blocks"], arrays["open"])
    return fresh


label = st.builds(
    lambda subject, fraud, since, length: Label(0, subject, float(fraud), since, since + length),
    st.integers(0, 5),
    st.booleans(),
    st.integers(-20, 120),
    st.integers(0, 60),
)
step = st.one_of(
    st.lists(st.integers(0, 5), unique=True, max_size=6), st.lists(label, min_size=1, max_size=3), st.just("save")
)


@given(st.lists(step, max_size=25), st.integers(1, 20))
def test_like_the_slow_one(steps: list[object], rows_max: int) -> None:
    """The same rows get the same labels, whatever is saved and restored between; each row once."""
    join, slow, end = LabelJoin("w", ("judge",), WAIT, rows_max), Slow(rows_max), 0
    for what in steps:
        if what == "save":
            join = again(join, rows_max)
        elif isinstance(what, list) and what and isinstance(what[0], Label):
            lesson = join.match(end, what)
            found = []
            if lesson is not None:
                assert lesson.rows.label is not None
                assert (lesson.score["judge"] == lesson.rows.x[:, 0] / 1000).all()
                assert (lesson.p == lesson.rows.x[:, 1]).all()
                found = list(zip(*lesson.rows.x.T.tolist(), lesson.rows.label.tolist(), strict=True))
            assert found == slow.match(what)
        else:
            end += 10
            part = rows(end, what)  # type: ignore[arg-type]
            join.add(part, {"judge": part.x[:, 0] / 1000}, part.x[:, 1])
            slow.add(end, what)  # type: ignore[arg-type]
        assert len(join) == len(slow.rows)
        assert join.oldest_us == (slow.rows[0]["end"] if slow.rows else None)


def test_scores_of_new_detectors_are_unknown() -> None:
    """A detector that was added since has no opinion of earlier rows; one that is gone leaves nothing behind."""
    join = LabelJoin("w", ("judge",), WAIT, 10)
    part = rows(10, [1, 2])
    join.add(part, {"judge": np.array([0.25, 0.5])}, part.x[:, 1])
    fresh = again(join, 10, ("other", "judge"))
    lesson = fresh.match(20, [Label(0, 2, 1.0, 0, 99)])
    assert lesson is not None
    assert lesson.score["judge"].tolist() == [0.5]
    assert np.isnan(lesson.score["other"]).all()
    none = again(fresh, 10, ())
    lesson = none.match(20, [Label(0, 1, 1.0, 0, 99)])
    assert lesson is not None
    assert lesson.score == {}
