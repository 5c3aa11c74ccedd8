"""Detectors that bring features and windows along, and plug-ins that are left out."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.config import loads
from flows.job import Job
from state.errors import ConfigError

BASE = """
[job]
extends = "none"
[event]
id = ""
[event.columns]
type = { kind = "enum", values = ["play", "skip"] }
track = { kind = "id" }
[features]
plays = { kind = "count", where = { type = "play" }, log = true }
[windows]
day = { kind = "sliding", size = "24h", slide = "1h" }
hour = { kind = "tumbling", size = "1h" }
[detectors.all]
type = "ecod"
"""
FILE = """
from dataclasses import dataclass
from typing import ClassVar
from detectors.ecod import EcodSpec
from detectors.features.declare import Condition, FeatureDecl, FeatureKind
from state.types import HOUR_US
from state.windows import WindowKind, WindowSpec

@dataclass(frozen=True, slots=True)
class BringsSpec(EcodSpec):
    type: ClassVar[str] = "brings"
    own_windows = (WindowSpec("w24h", WindowKind.SLIDING, 24 * HOUR_US, HOUR_US),)
    own_features = (
        FeatureDecl("plays", FeatureKind.COUNT, where=(Condition("type", words=("play",)),), log=LOG),
        FeatureDecl("tracks", FeatureKind.NUNIQUE, column="track"),
    )
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A detector in a file, forgotten afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    path = tmp_path / "brings_along.py"
    path.write_text(FILE.replace("LOG", "True"))
    yield path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def job(text: str) -> Job:
    return loads(BASE + text).job()


def test_what_a_detector_brings_is_computed_once(file: Path) -> None:
    """An equal window under another name, and an equal feature, are the configured ones; a new feature joins the window
    that it is for, and nobody else is shown it.
    """
    found = job(f'[detectors.mine]\ntype = "{file}"')
    assert {w.window.name: w.features for w in found.stream.windows} == {"day": ("plays", "tracks"), "hour": ("plays",)}
    uses = {use.name: (use.windows, use.features) for use in found.judgement.detectors}
    assert uses == {"all": (("day", "hour"), ("plays",)), "mine": (("day",), ("plays", "tracks"))}
    assert [f.name for f in found.stream.features] == ["plays", "tracks"]


def test_a_configuration_can_say_otherwise(file: Path) -> None:
    """What it names is what the detector looks at; nothing is brought."""
    found = job(f'[detectors.mine]\ntype = "{file}"\nwindows = ["hour"]\nfeatures = ["plays"]')
    assert found.judgement.detectors[1].windows == ("hour",)
    assert [f.name for f in found.stream.features] == ["plays"]
    assert found.judgement.detectors[0].features == ()


def test_another_thing_of_that_name_is_refused(file: Path) -> None:
    """With the name, and what to do."""
    file.write_text(FILE.replace("LOG", "False"))
    with pytest.raises(ConfigError, match=r"detectors\.mine: brings a feature 'plays' that is another one"):
        job(f'[detectors.mine]\ntype = "{file}"')


def test_a_broken_plug_in_is_left_out_and_the_others_work(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is told, by the job and in the log; what alerts depend on is what is left."""
    file.write_text("import no_such_library")
    found = job(f'[detectors.mine]\ntype = "{file}"')
    assert [use.name for use in found.judgement.detectors] == ["all"]
    ((name, why),) = found.judgement.left_out
    assert name == "mine"
    assert "ModuleNotFoundError: No module named 'no_such_library'" in why
    assert "detector mine is left out, the others do their work" in caplog.text
    assert found.digest == job("").digest
