"""A judgement of a table: there is no stream, so whatever is looked at has to be one of its columns."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from flows.scoring.judgement import table_judgement
from flows.scoring.prequential import score_table
from flows.scoring.table import Table
from state.errors import ConfigError

BRINGS = """
from dataclasses import dataclass
from typing import ClassVar
from detectors.ecod import EcodSpec
from detectors.features.declare import FeatureDecl, FeatureKind

@dataclass(frozen=True, slots=True)
class MineSpec(EcodSpec):
    type: ClassVar[str] = "mine"
    own_features = (FeatureDecl("events", FeatureKind.COUNT),)
"""


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A detector in a file, forgotten afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "brings_a_count.py"
    path.write_text(BRINGS)
    yield path
    sys.modules.pop(path.stem, None)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ('[features.c]\nkind = "count"\n', "own.toml:1: features.c: seen 'c', allowed: a column of the table: a, b"),
        ("[features.a]\nlow = 2\nhigh = 1\n", "own.toml:2: features.a.low: seen 2.0, allowed: a number below high (1)"),
        ('[job.cohorts]\ncolumn = "a"\n', "own.toml:2: job.cohorts.column: seen 'a', allowed: an enum column: nothing"),
        ('[detectors.x]\ntype = "ecot"\n', "own.toml:2: detectors.x.type: seen 'ecot'"),
        ("[calibration]\nready = 0\n[features.c]\nkind = 1\n", "features.c.kind: seen 1"),
    ],
)
def test_what_cannot_be_judged_is_said_before(tmp_path: Path, config: str, says: str) -> None:
    """With the place, and nothing of columns that are there."""
    file = tmp_path / "own.toml"
    file.write_text(config)
    with pytest.raises(ConfigError) as caught:
        table_judgement(("a", "b"), file, environ={})
    assert says in str(caught.value)
    assert "event.columns" not in str(caught.value)
    assert "features.a.column" not in str(caught.value)


def test_a_detector_that_brings_features_has_to_be_told_which_columns(tmp_path: Path, plug_in: Path) -> None:
    """A count of events is no column of a table."""
    use = f'[detectors.mine]\ntype = "{plug_in}"\n'
    file = tmp_path / "own.toml"
    file.write_text(use)
    with pytest.raises(ConfigError, match=r"detectors.mine.features: seen 'events', allowed: columns of the table"):
        table_judgement(("a", "b"), file, environ={})
    file.write_text(use + 'features = ["b"]\n')
    judgement, rows = table_judgement(("a", "b"), file, environ={})
    assert judgement.detectors[-1].features == ("b",)
    assert [f.name for f in rows.windows[0].features] == ["a", "b"]


def test_some_columns_in_an_order_of_ones_own(tmp_path: Path) -> None:
    """`windows.rows.features` is what is looked at, as if the table had these columns alone."""
    file = tmp_path / "own.toml"
    file.write_text('[windows.rows]\nfeatures = ["c", "a"]\n')
    x = np.random.default_rng(3).normal(size=(1500, 3))
    whole = score_table(*table_judgement(("a", "b", "c"), file, environ={}), Table(x, ("a", "b", "c")))
    part = score_table(*table_judgement(("c", "a"), environ={}), Table(np.ascontiguousarray(x[:, [2, 0]]), ("c", "a")))
    assert np.count_nonzero(~np.isnan(part.tail_probability)) > 500
    assert np.array_equal(whole.tail_probability, part.tail_probability, equal_nan=True)
