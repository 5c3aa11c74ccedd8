"""`driftnet plugins`: what there is, the contract of one, a new one."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli import main
from flows.config.endpoints import BUILT_IN_SINKS, BUILT_IN_SOURCES
from flows.config.formats import BUILT_IN
from flows.contract.load import trial_of
from state.errors import ConfigError, PluginError

KILLS = "what was flushed is there after a kill", "a reader that was killed is followed by one that goes on"
"""Of the checks that kill something, the shortest ones."""


@pytest.fixture
def own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is imported from a test's folder is forgotten after it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("driftnet_mine", "trial_")):
            del sys.modules[name]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind with whose it is, what it is and its keys."""
    assert run("plugins", "list", "--json") == 0
    found = {(told["of"], told["kind"]): told for told in json.loads(capsys.readouterr().out)}
    assert len(found) == len(BUILT_IN_SINKS) + len(BUILT_IN_SOURCES) + len(BUILT_IN)
    told = found["sink", "jsonl"]
    assert (told["distribution"], told["summary"]) == ("driftnet", "A JSON Lines file for one stream.")
    assert [param["key"] for param in told["params"]] == ["path", "overwrite"]
    assert found["format", "avro"]["params"][0]["default"] == "needed"


@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize("what", ["sink", "source", "format"])
def test_a_new_one_works(tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is written keeps the contract, and its entry point names what is there; nothing is overwritten."""
    name = f"mine_{what}"
    assert run("plugins", "new", what, name, "--into", str(tmp_path)) == 0
    root = tmp_path / f"driftnet-mine-{what}"
    assert f"cd {root}; pip install -e .; driftnet plugins check driftnet_{name}/trial.py" in capsys.readouterr().out
    place = tmp_path / "places"
    place.mkdir()
    checks = {str(check): check for check in trial_of(str(root / f"driftnet_{name}/trial.py"), place, 0.5)}
    for said, check in checks.items():
        if "kill" not in said or said in KILLS:
            check.run()
    assert len(checks) >= 7
    assert not any("$" in file.read_text() for file in root.rglob("*.toml"))
    assert f'{name} = "driftnet_{name}.{what}:Mine{what.capitalize()}Settings"' in (root / "pyproject.toml").read_text()
    assert run("plugins", "new", what, name, "--into", str(tmp_path)) == 2


FORMAT = """
from driftnet.checks import FormatTrial
from driftnet.kit import format_kinds

def trial(folder):
    return FormatTrial(format_kinds()["json"](kind="json"), [(b'{"a": 1}', {"a": VALUE})])
"""


@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize(("value", "code", "said"), [("1", 0, "ok"), ("2", 1, "expected {'a': 2}")])
def test_check(tmp_path: Path, value: str, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line per check, with what is broken; the exit code says whether anything is."""
    file = tmp_path / f"trial_{value}.py"
    file.write_text(FORMAT.replace("VALUE", value))
    assert run("plugins", "check", str(file)) == code
    out = capsys.readouterr().out
    assert said in out
    assert ("FAIL" in out) is bool(code)
    assert run("plugins", "check", str(file), "--json") == code
    assert {check["broken"] is None for check in json.loads(capsys.readouterr().out)} == {True, not code}


@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("trial = 3", "TypeError: 'int' object is not callable"),
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("def trial(folder): return folder", "expected a trial of driftnet.checks"),
    ],
)
def test_files_that_give_no_trial(tmp_path: Path, code: str, said: str) -> None:
    """The file is named, and what it did."""
    file = tmp_path / f"trial_{abs(hash(code))}.py"
    file.write_text(code)
    with pytest.raises(PluginError, match=said):
        trial_of(str(file), tmp_path, None)
    with pytest.raises(ConfigError, match="no such file"):
        trial_of(str(tmp_path / "none.py"), tmp_path, None)
