"""driftnet detectors: check and new."""

from pathlib import Path

import orjson

from tests.unit.cli.conftest import Cli


def test_a_good_detector_passes(cli: Cli) -> None:
    """Each check has its line."""
    done = cli("detectors", "check", "ecod", "--set", "ready=100", "--untimed")
    assert done.code == 0
    assert done.out.count("ok    ") == 15
    assert "FAIL" not in done.out


def test_a_bad_one_does_not(cli: Cli) -> None:
    """What failed, and what was seen: with a model window of 200,000 rows it has no opinion after 24 rounds."""
    done = cli("detectors", "check", "half_space_trees", "--set", "window_size=200000", "--untimed", "--json")
    assert done.code == 1
    broken = {c["check"]: c["broken"] for c in orjson.loads(done.out) if c["broken"]}
    assert "planted anomalies rank above normal rows" in broken


def test_what_is_not_there_is_told(cli: Cli) -> None:
    """A word nobody knows, a file that is not there, a parameter that it has not."""
    assert "unknown detector 'nobody'" in cli("detectors", "check", "nobody").err
    assert "no such file" in cli("detectors", "check", "nobody.py").err
    assert (
        "detectors.params.n_bees: seen the key 'n_bees', allowed: the keys remember"
        in cli("detectors", "check", "ecod", "--set", "n_bees=3").err
    )


def test_a_new_package_is_written_once(cli: Cli, tmp_path: Path) -> None:
    """All of its files, with the names put in; nothing is overwritten."""
    done = cli("detectors", "new", "night_owl", "--into", str(tmp_path))
    assert done.code == 0
    root = tmp_path / "driftnet-night-owl"
    texts = {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}
    assert set(texts) == {
        "pyproject.toml", "README.md", "fraud.toml", "driftnet_night_owl/__init__.py",
        "driftnet_night_owl/detector.py", "tests/test_contract.py", "bench/test_speed.py",
    }  # fmt: skip
    assert not [name for name, text in texts.items() if "$" in text]
    assert 'night_owl = "driftnet_night_owl.detector:NightOwlSpec"' in texts["pyproject.toml"]
    again = cli("detectors", "new", "night_owl", "--into", str(tmp_path))
    assert again.code == 2
    assert "there is something already" in again.err
    assert "allowed: lower-case letters" in cli("detectors", "new", "Night-Owl").err
