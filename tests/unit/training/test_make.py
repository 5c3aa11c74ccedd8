"""Training sets: what a row says was known when its window closed, and whole or not there."""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

import driftnet
from flows.config import loads
from flows.drive.local import LocalDriver
from flows.operators.population.verdict import Verdict
from flows.operators.population.window_models import WindowModels
from flows.operators.rows import FeatureRows
from flows.sinks.parquet import ParquetWriter
from flows.training import LABELS, Recipe, as_frame, feature_table, write_training_set
from state.errors import SinkError, SourceError
from state.types import SECOND_US
from tests.engine.scenarios import SCENARIOS, lines_of

CONFIG = SCENARIOS["hot_card"].config.replace(
    "[calibration]",
    """[detectors.bins]
type = "binned_logistic"
windows = ["w10m"]
params = { ready = 1, rows_each = 2 }
[calibration]""",
)
BEGAN_S = 1_700_000_000
OUT_OF_ORDER_S = 20


def label_lines() -> Iterator[bytes]:
    """Of cards, every half minute; the hot one is fraud."""
    rng = random.Random(4)
    for i in range(400):
        card = "hot" if i % 9 == 0 else f"card{rng.randrange(40)}"
        yield json.dumps({"subject": card, "label": int(card == "hot"), "at": (BEGAN_S + i * 30) * 1000}).encode()


def recipe(place: Path, events: list[bytes], labels: list[bytes], **settings: Any) -> Recipe:
    place.mkdir(exist_ok=True)
    (place / "events.jsonl").write_bytes(b"\n".join(events))
    (place / "labels.jsonl").write_bytes(b"\n".join(labels))
    return Recipe(loads(CONFIG, "cards"), [str(place / "events.jsonl")], place / "labels.jsonl", **settings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    return feature_table(recipe(tmp_path_factory.mktemp("whole"), lines_of("hot_card"), list(label_lines())))


def up_to(table: pa.Table, at_s: int) -> list[dict[str, Any]]:
    """Rows of windows that had closed by then, without the labels that came later."""
    then = pa.scalar(at_s * SECOND_US, pa.int64()).cast(pa.timestamp("us", "UTC"))
    table = table.filter(pc.less_equal(table["end"], then))
    later = pc.fill_null(pc.greater(table["label_at"], then), True)
    for name in ("label", "label_at"):
        at = table.column_names.index(name)
        column = pc.if_else(later, pa.scalar(None, table[name].type), table[name])
        table = table.set_column(at, name, column)
    return sorted(table.to_pylist(), key=lambda row: (row["end"], row["window"], row["subject"]))


@pytest.mark.parametrize("lines", [1500, 3000, 4500])
def test_nothing_of_the_future_is_in_a_row(tmp_path: Path, whole: pa.Table, lines: int) -> None:
    """Cut off all events and labels after a moment: no value of a window that had closed by then changes.

    events  ----------------------------|. . . . . .
    labels  ----x-------x---------------|. x . . . .
    rows    [ same ][ same ][ same ]    |
    """
    events = lines_of("hot_card")[:lines]
    at_s = max(json.loads(line)["at"]["s"] for line in events) - OUT_OF_ORDER_S
    labels = [line for line in label_lines() if json.loads(line)["at"] <= at_s * 1000]
    assert 0 < len(labels) < 400
    expected = up_to(whole, at_s)
    found = up_to(feature_table(recipe(tmp_path, events, labels)), at_s)
    assert len(found) > 200
    assert found == expected
    assert {row["label"] for row in found} == {None, 0.0, 1.0}
    assert {row["known_label"] for row in found} == {None, 0.0, 1.0}
    assert any(row["score.bins"] is not None for row in found), "labels have a say in the scores"


def test_labels_of_the_past_count(tmp_path: Path, whole: pa.Table) -> None:
    """The test above can fail: without the labels that came in time the scores are others, and the features are not."""
    blind = feature_table(recipe(tmp_path, lines_of("hot_card"), []))
    features = ["subject", "window", "end", "count", "capped", "total", "shops", "score.trees"]
    assert blind.select(features).equals(whole.select(features))
    assert not blind["score.bins"].equals(whole["score.bins"])


def test_values_are_those_that_detectors_saw(tmp_path: Path, whole: pa.Table) -> None:
    """Row by row and feature by feature, as an observer of the rounds sees the matrix; the scores too."""
    seen: dict[tuple[str, str, int], tuple[Any, ...]] = {}

    def observe(rows: FeatureRows, verdict: Verdict, models: WindowModels) -> None:
        names = [feature.name for feature in models.features]
        for i, subject in enumerate(rows.name):
            values = dict(zip(names, rows.x[i], strict=True)) | {"tail_probability": verdict.p[i]}
            known = {name: value for name, value in values.items() if not np.isnan(value)}
            seen[subject, rows.window, rows.end_us] = known, rows.start_us[i], rows.stop_us[i]

    made = recipe(tmp_path, lines_of("hot_card"), list(label_lines()))
    partitions, reads = made.assembly().inputs()
    LocalDriver(made.job(), partitions, {}, observer=observe, reads=reads).run()
    for at in ("start", "stop", "end"):
        whole = whole.set_column(whole.column_names.index(at), at, whole[at].cast(pa.int64()))
    found = {}
    for row in whole.to_pylist():
        known = {n: row[n] for n in ("count", "capped", "total", "shops", "tail_probability") if row[n] is not None}
        found[row["subject"], row["window"], row["end"]] = known, row["start"], row["stop"]
    assert found == seen


def test_files_hold_what_the_table_holds(tmp_path: Path, whole: pa.Table) -> None:
    """The same rows in the same columns; a folder that has something in it is left alone."""
    made = write_training_set(recipe(tmp_path, lines_of("hot_card"), list(label_lines())), tmp_path / "a" / "set")
    found = ds.dataset(tmp_path / "a" / "set", partitioning="hive").to_table()
    assert found.column_names == [*whole.column_names, "day"]
    order = [(name, "ascending") for name in ("end", "window", "subject")]
    assert found.drop_columns("day").sort_by(order).equals(whole.sort_by(order))
    assert made.rows.total() == len(whole)
    assert made.labels == {"fraud": pc.sum(whole["label"]).as_py(), "genuine": 0, "unknown": 0} | {
        word: pc.sum(pc.equal(whole["label"], 0) if word == "genuine" else pc.is_null(whole["label"])).as_py()
        for word in ("genuine", "unknown")
    }
    assert [f.name for f in (tmp_path / "a").iterdir()] == ["set"]
    with pytest.raises(SinkError, match=r"set: is there, and not empty; name another folder"):
        write_training_set(recipe(tmp_path, [], []), tmp_path / "a" / "set")


def test_without_scores(tmp_path: Path, whole: pa.Table) -> None:
    """No detector runs, none has a column, and the features and labels are the same."""
    found = feature_table(recipe(tmp_path, lines_of("hot_card"), list(label_lines()), scores=False))
    assert [name for name in whole.column_names if name not in found.column_names] == [
        f"{what}.{name}" for what in ("score", "tail") for name in ("trees", "history", "bins")
    ]
    kept = [name for name in found.column_names if name != "tail_probability"]
    assert found.select(kept).equals(whole.select(kept))


def test_a_run_that_fails_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the one that was asked for nor the one that was being made."""
    events = recipe(tmp_path, lines_of("hot_card")[:500], [])
    with pytest.raises(SourceError, match="no such"):
        write_training_set(Recipe(events.config, [str(tmp_path / "nowhere.jsonl")]), tmp_path / "set")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ParquetWriter, "write", full)
    with pytest.raises(SinkError, match=r"set: cannot be written: .*No space left"):
        write_training_set(events, tmp_path / "set")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["events.jsonl", "labels.jsonl"]


def test_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow as it is; what is not installed is named."""
    table = feature_table(Recipe(loads(CONFIG), recipe(tmp_path, lines_of("hot_card")[:500], []).events))
    assert as_frame(table) is table
    assert not {field.name for field in LABELS} & set(table.column_names)
    for kind in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, kind, None)
        with pytest.raises(SinkError, match=f"needs {kind}: pip install {kind}"):
            as_frame(table, kind)  # type: ignore[arg-type]


def test_public_function(tmp_path: Path, whole: pa.Table) -> None:
    """`driftnet.feature_table` gives the same table, from one path or several."""
    recipe(tmp_path, lines_of("hot_card"), list(label_lines()))
    for events in (tmp_path / "events.jsonl", [str(tmp_path / "events.jsonl")]):
        found = driftnet.feature_table(events, loads(CONFIG), tmp_path / "labels.jsonl", scores=False)
        assert found.equals(
            whole.select(found.column_names).set_column(
                found.column_names.index("tail_probability"), "tail_probability", found["tail_probability"]
            )
        )
