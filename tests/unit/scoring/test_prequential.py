"""A table through the flow's models: in rounds, with nothing known in advance."""

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from flows.scoring.evaluate import ALL, evaluation, evaluation_of_stream
from flows.scoring.judgement import table_judgement
from flows.scoring.prequential import Scores, score_table
from flows.scoring.table import Table
from state.errors import ConfigError, SourceError

NAMES = ("a", "b", "c")
CONFIG = """
[detectors.judge]
type = "river"
params = { path = "river.linear_model.LogisticRegression", params = {}, warmup = 64, directed = false }
[calibration]
ready = 64
[detectors.own]
type = "history_baseline"
params = { warmup = 4 }
"""


def made(n: int = 3000, seed: int = 1) -> Table:
    """Every hundredth row is far out on all columns; five subjects take turns."""
    rng = np.random.default_rng(seed)
    x, label = rng.normal(size=(n, 3)), np.zeros(n)
    x[::100] += 6.0
    label[::100] = 1.0
    return Table(x, NAMES, label, np.arange(n) % 5)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scoring") / "c.toml"
    path.write_text(CONFIG)
    return path


def scored(table: Table, config: Path | None = None, rows: int = 32) -> Scores:
    return score_table(*table_judgement(table.features, config, environ={}), table, rows)


def equal(one: Scores, other: Scores, rows: int) -> None:
    pairs = [(one.tail_probability, other.tail_probability)]
    pairs += [(one.score[name], other.score[name]) for name in one.score]
    for a, b in pairs:
        assert np.array_equal(a[:rows], b[:rows], equal_nan=True)


def test_the_shipped_detectors_find_what_is_far_out() -> None:
    """Without a configuration, each alone and together, with what they cost."""
    table = made()
    found = evaluation(table, scored(table))
    assert list(found.rankings) == ["extremes", "isolation", "population", ALL]
    for ranking in found.rankings.values():
        assert ranking.roc_auc is not None
        assert ranking.roc_auc > 0.97
    assert set(found.us_per_row) == {"extremes", "isolation", "population"}


def test_what_comes_later_changes_nothing(config: Path) -> None:
    """Rows, and labels, of a round and of all later ones are unknown when it is scored."""
    table, other = made(), made()
    other.x[1500:] = 99.0
    assert other.label is not None
    other.label[1500 - 5 :] = 1.0
    equal(scored(table, config, 5), scored(other, config, 5), 1500)


def test_a_subjects_own_past_and_labels_are_used(config: Path) -> None:
    """A row is compared with its subject's earlier ones; a classifier knows nothing without labels."""
    table = made()
    scores = scored(table, config, 5)
    assert np.isnan(scores.score["own"][:20]).all()
    assert not np.isnan(scores.score["own"][25:]).any()
    blind = scored(Table(table.x, table.features, None, table.subject), config, 5)
    assert np.isnan(blind.score["judge"]).all()
    assert not np.isnan(scores.score["judge"][300:]).any()


def test_a_detector_of_own_history_needs_subjects(config: Path) -> None:
    """The message names it, and the options that help."""
    table = made(100)
    with pytest.raises(ConfigError, match="detectors own compare a row with its subject's past; say whose rows"):
        scored(Table(table.x, table.features), config)


def test_subjects_are_ranked_by_their_oddest_row() -> None:
    """Subject 0 has all odd rows."""
    table = made()
    found = evaluation(table, scored(table), by_subject=True)
    assert found.unit == "subjects"
    assert found.rankings[ALL].rows == 5
    assert found.rankings[ALL].positives == 1
    assert found.rankings[ALL].roc_auc == 1.0


def test_the_scores_of_a_run_against_a_truth_by_subject(tmp_path: Path) -> None:
    """Each subject counts with its oddest window; strangers are left out; a column that is not there is named."""
    (tmp_path / "scores.jsonl").write_text(
        '{"subject":"u1","window":"w","scores":{"d":1.5},"tail_probability":0.5}\n'
        '{"subject":"u1","window":"w","scores":{"d":3.0},"tail_probability":0.01}\n'
        '{"subject":"u2","window":"w","scores":{"d":2.0},"tail_probability":null}\n'
        '{"subject":"stranger","window":"w","scores":{"d":9.0},"tail_probability":0.001}\n'
    )
    schema = json.loads((Path(__file__).parents[3] / "docs/schemas/score.json").read_text())
    for line in (tmp_path / "scores.jsonl").read_text().splitlines():
        assert json.loads(line).keys() <= schema["properties"].keys()  # as a run writes them
    (tmp_path / "truth.csv").write_text("u1,-1\nu2,1\n")
    found = evaluation_of_stream(tmp_path / "scores.jsonl", tmp_path / "truth.csv", "0", "1", "-1")
    assert found.rankings["d on w"].roc_auc == 1.0
    assert found.rankings[ALL].rows == 1
    with pytest.raises(SourceError, match="expected who and 1"):
        evaluation_of_stream(tmp_path / "scores.jsonl", tmp_path / "truth.csv", "who", "1")


def test_tables_name_detectors_and_monitors() -> None:
    """People see every figure with its name."""
    from rich.console import Console

    table = made(600)
    console = Console(width=120, file=StringIO())
    for part in evaluation(table, scored(table), [300]).tables():
        console.print(part)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for word in ("population", "ROC-AUC", "drift in", "not found", "false alarms"):
        assert word in text


def test_what_a_detector_does_wrong_is_told(tmp_path: Path) -> None:
    """As in the flow: it is off after three rounds, the others score on, and each fault is a dead letter."""
    (tmp_path / "breaks_down.py").write_text(
        "from dataclasses import dataclass\n"
        "from typing import ClassVar\n"
        "from detectors.base import Rows\n"
        "from detectors.rolling import RollingDeviation, RollingDeviationSpec\n"
        "class Broken(RollingDeviation):\n"
        "    def score(self, rows):\n"
        "        raise RuntimeError('no idea')\n"
        "@dataclass(frozen=True, slots=True)\n"
        "class BrokenSpec(RollingDeviationSpec):\n"
        "    type: ClassVar[str] = 'breaks_down'\n"
        "    def build(self, features, resume=None):\n"
        "        return Broken(self, features)\n"
    )
    (tmp_path / "c.toml").write_text(f'[detectors.bad]\ntype = "{tmp_path / "breaks_down.py"}"\n')
    scores = scored(made(600), tmp_path / "c.toml", 5)
    assert [fault["reason"] for fault in scores.faults] == ["detector_fault", "detector_fault", "detector_off"]
    assert "RuntimeError: no idea" in scores.faults[0]["detail"]
    assert np.isnan(scores.score["bad"]).all()
    assert not np.isnan(scores.score["extremes"][300:]).any()
