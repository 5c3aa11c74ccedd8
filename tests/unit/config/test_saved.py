"""A configuration beside saved state, or in a store, loads and opens nothing that the operator's own does not name."""

import sys
from pathlib import Path
from typing import Any

import pytest

from flows.config import load, loads
from flows.config.declarations import DetectorConfig
from flows.config.kafka import KafkaConfig
from flows.config.models import Config
from flows.config.saved import load_saved
from state.errors import ConfigError

DETECTOR = """
from pathlib import Path
Path("imported").touch()
"""
KAFKA = (
    '[sources.main]\nkind = "kafka"\nbrokers = "evil:9092"\ntopics = ["t"]\nclient = {"sasl.password" = "${HOME}"}\n'
)


@pytest.fixture
def own() -> Config:
    return load(environ={})


def saved(detector: str) -> str:
    return f"[detectors.mine]\n{detector}\n"


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ('type = "./evil_detector.py"', "evil_detector.py"),
        ('type = "./evil_detector.py:Evil"', "evil_detector.py:Evil"),
        ('type = "river"\nparams = { path = "evil_detector.Evil" }', "evil_detector.Evil"),
        ('type = "river"\nparams = { path = "subprocess.Popen", params = { args = "id" } }', "subprocess.Popen"),
        ('type = "river"\nparams = { path = "river.datasets.Phishing" }', "river.datasets.Phishing"),
        (
            'type = "river"\nparams = { path = "river.anomaly.X", params = { a = { path = "evil_detector.Evil" } } }',
            "evil_detector.Evil",
        ),
        ('type = "river"\nparams = { steps = [{ path = "evil_detector.Evil" }] }', "evil_detector.Evil"),
        ('type = "somebodys_plugin"\nparams = { model = "/home/me/.ssh/id" }', "with model = '/home/me/.ssh/id'"),
    ],
)
def test_code_is_not_imported(
    toml: str, named: str, own: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and what to do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil_detector.py").write_text(DETECTOR)
    with pytest.raises(ConfigError, match=r"names code that your own configuration does not.*--config FILE") as error:
        load_saved(saved(toml), "x/config.toml", own)
    assert named in str(error.value)
    assert not (tmp_path / "imported").exists()
    assert "evil_detector" not in sys.modules


def test_what_the_own_configuration_names_is_loaded(own: Config) -> None:
    """The same code, with other numbers."""
    toml = saved('type = "river"\nparams = { path = "collections.Counter", warmup = %d }')
    with pytest.raises(ConfigError, match="names code"):
        load_saved(toml % 100, "saved", own)
    ours = loads(toml % 200)
    assert "mine" in load_saved(toml % 100, "saved", ours).detectors


def test_files_are_the_same_wherever_one_stands(own: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path in the own configuration names the file that a run wrote down in full."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no_detector.py").write_text("")
    ours = own.model_copy(update={"detectors": {"mine": DetectorConfig(type="no_detector.py")}})
    found = load_saved(saved(f'type = "{tmp_path}/no_detector.py"'), "saved", ours)
    assert "mine" in found.detectors


def test_the_shipped_one_needs_nobody(own: Config) -> None:
    """What Driftnet itself wrote down of the shipped configuration is read, its simulator too."""
    assert load_saved(own.to_toml(), "saved", own, ()).to_table() == own.to_table()


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (KAFKA, "sources.main is not a source of your own configuration; nothing was opened"),
        ('[sources.main]\nkind = "files"\npaths = ["/etc/passwd"]\n', r"sources.main names input.*--input /etc/passwd"),
        ('[sources.main]\nkind = "files"\npaths = ["/a b/*.jsonl"]\n', r"--input '/a b/\*.jsonl'"),
        ('[sources.main]\nkind = "files"\npaths = "/etc"\n', "--input /etc"),
        ("sources = 3\n", "sources: seen 3"),
        ("[sources]\nmain = 3\n", "sources.main"),
    ],
)
def test_inputs_are_not_opened(toml: str, message: str, own: Config) -> None:
    """Neither files nor brokers, to which secrets of the environment would go."""
    with pytest.raises(ConfigError, match=message):
        load_saved(toml, "saved", own, ())


@pytest.mark.parametrize("where", ["same", "with other offsets", "another broker"])
def test_inputs_of_the_own_configuration(where: str) -> None:
    """A source is the same wherever it begins; another address, or another secret, is another one."""
    ours = loads(KAFKA)
    changed: dict[str, Any] = {"with other offsets": {"start": {"t/0": 7}}, "another broker": {"brokers": "x:1"}}
    source = ours.sources["main"].model_copy(update=changed.get(where, {}))
    toml = ours.model_copy(update={"sources": {"main": source}}).to_toml()
    if where == "another broker":
        with pytest.raises(ConfigError, match="is not a source of your own"):
            load_saved(toml, "saved", ours, ())
    else:
        assert load_saved(toml, "saved", ours, ()).sources["main"] == source


def test_named_files(own: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to where the operator is, as on any command line."""
    monkeypatch.chdir(tmp_path)
    toml = f'[sources.main]\nkind = "files"\npaths = ["{tmp_path}/a.jsonl"]\n'
    assert load_saved(toml, "saved", own, ["a.jsonl"]).sources["main"].kind == "files"


def test_keys_of_earlier_versions(own: Config) -> None:
    """They mean nothing any more, and excuse nothing."""
    earlier = "[learning]\nquarantine = '1h'\n"
    with pytest.raises(ConfigError, match="quarantine"):
        loads(earlier)
    assert load_saved(earlier, "saved", own).to_table() == own.to_table()
    with pytest.raises(ConfigError, match="names code"):
        load_saved(earlier + saved('type = "somebodys_plugin"'), "saved", own)


OLD_FORMAT = """
[sources.main]
kind = "kafka"
topics = ["plays"]
format = "{format}"
registry = {{ url = "http://h:1" }}
descriptor = "d"
message = "M"
framed = true
"""


@pytest.mark.parametrize(
    ("kind", "now"),
    [
        ("json", {"kind": "json"}),
        ("avro", {"kind": "avro", "registry": {"url": "http://h:1"}}),
        ("protobuf", {"kind": "protobuf", "descriptor": "d", "message": "M", "framed": True}),
    ],
)
def test_formats_of_before_are_read(kind: str, now: dict[str, Any], own: Config) -> None:
    """Their keys stood beside `format`, all of them, whichever it was."""
    found = load_saved(OLD_FORMAT.format(format=kind), "saved", own).sources["main"]
    assert isinstance(found, KafkaConfig)
    assert found.format.model_dump() == now


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ('[sinks]\nalerts = [{ kind = "somebodys", path = "/home/me/.ssh/id" }]', "somebodys with path = '/home/me"),
        ('[sinks]\nalerts = { kind = "somebodys" }', "does not: somebodys;"),
        ('[sources.main]\nkind = "somebodys"', "does not: somebodys;"),
        ('[sources.main]\nkind = "files"\npaths = ["x"]\nformat = "somebodys"', "does not: somebodys;"),
        ('[sources.main]\nkind = "files"\npaths = ["x"]\nformat = { kind = "somebodys" }', "does not: somebodys;"),
    ],
)
def test_sinks_sources_and_formats_of_others_are_not_used(toml: str, named: str, own: Config) -> None:
    """A text beside saved state has nothing to give to code that the operator's configuration does not name."""
    with pytest.raises(ConfigError) as error:
        load_saved(f"{toml}\n", "saved", own)
    assert named in str(error.value)
