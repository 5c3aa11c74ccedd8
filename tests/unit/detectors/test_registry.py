"""Which detectors exist, and how configuration becomes a specification."""

import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from detectors import registry as registry_module
from detectors.base import Detector, DetectorSpec, FeatureInfo
from detectors.half_space.trees import HalfSpaceTreesSpec
from detectors.registry import BUILT_IN, GROUP, detector_types, load, spec_from, type_of
from detectors.river_model import RiverModelSpec
from detectors.rules import Bound, Rule, RulesSpec
from detectors.settings import parameters
from state.errors import ConfigError, PluginError


@dataclass(frozen=True, slots=True)
class StrangerSpec(DetectorSpec):
    type: ClassVar[str] = "stranger"
    pair: tuple[float, int] = (1.0, 2)
    level: int | float | None = None

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> Detector:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class SquatterSpec(StrangerSpec):
    type: ClassVar[str] = "ecod"


@dataclass(slots=True)
class SoftSpec(DetectorSpec):
    type: ClassVar[str] = "soft"

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> Detector:
        raise NotImplementedError


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that entry points can name."""
    module = ModuleType("stranger_plugin")
    module.StrangerSpec, module.SquatterSpec, module.SoftSpec = StrangerSpec, SquatterSpec, SoftSpec  # type: ignore[attr-defined]
    module.number = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stranger_plugin", module)
    return module


def point(value: str) -> EntryPoint:
    return EntryPoint(name=value.rpartition(":")[2] or value, value=value, group=GROUP)


def test_built_in_detectors_are_there() -> None:
    """By the words of the configuration."""
    assert set(detector_types()) >= {"half_space_trees", "ecod", "history_baseline", "rules", "river"}


@pytest.mark.usefixtures("plugin")
def test_a_plug_in_is_found() -> None:
    """One entry point is all it takes."""
    found = load((point("stranger_plugin:StrangerSpec"),))
    assert found.types["stranger"] is StrangerSpec
    assert found.problems == ()


@pytest.mark.usefixtures("plugin")
def test_broken_plug_ins_are_reported_and_do_not_stop_the_others() -> None:
    """Each with its name and what went wrong; the built-in words cannot be taken."""
    bad = [
        "absent_package.module:Spec",
        "stranger_plugin:Absent",
        "stranger_plugin:number",
        "stranger_plugin:SquatterSpec",
    ]
    found = load(tuple(map(point, [*bad, "stranger_plugin:SoftSpec", "stranger_plugin:StrangerSpec"])))
    assert set(found.types) == {spec.type for spec in BUILT_IN} | {"stranger"}
    told = {problem.name: problem.error for problem in found.problems}
    assert "absent_package" in told["Spec"]
    assert "Absent" in told["Absent"]
    assert "not a subclass" in told["number"]
    assert "taken by detectors.ecod.EcodSpec" in told["SquatterSpec"]
    assert "frozen" in told["SoftSpec"]


def test_a_plug_in_that_panics_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rust panics are BaseExceptions; an interrupt still gets through."""

    class Panic(BaseException):
        pass

    def raising(error: BaseException) -> Any:
        def fail(_: EntryPoint) -> object:
            raise error

        return fail

    monkeypatch.setattr(EntryPoint, "load", raising(Panic("unwrap on None")))
    assert "unwrap on None" in load((point("a:b"),)).problems[0].error
    monkeypatch.setattr(EntryPoint, "load", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        load((point("a:b"),))


def test_tables_become_specifications() -> None:
    """Integers where numbers are asked for, lists for tuples, tables for nested specifications and pairs."""
    assert spec_from("half_space_trees", {"n_trees": 50}) == HalfSpaceTreesSpec(n_trees=50)
    rule = {"name": "fast", "feature": "ratio", "above": 2, "unless": [{"feature": "offline", "above": 0.1}]}
    assert spec_from("rules", {"rules": [rule]}) == RulesSpec(
        (Rule("fast", "ratio", above=2.0, unless=(Bound("offline", above=0.1),)),)
    )
    river = spec_from("river", {"path": "river.anomaly.LODA", "params": {"seed": 1, "n_bins": 5}})
    assert river == RiverModelSpec("river.anomaly.LODA", (("n_bins", 5), ("seed", 1)))


@pytest.mark.parametrize(
    ("type_", "params", "says"),
    [
        ("nonsense", {}, r"d\.x\.type: unknown detector 'nonsense'; known are .*ecod"),
        (
            "ecod",
            {"remembr": 1},
            r"remembr: seen the key 'remembr', allowed: the keys remember, ready, .*; did you mean 'remember'",
        ),
        ("ecod", {"remember": "many"}, r"d\.x\.params\.remember: seen 'many', allowed: an integer"),
        ("ecod", {"remember": True}, r"remember: seen True, allowed: an integer"),
        ("ecod", {"remember": 1.5}, r"remember: seen 1\.5, allowed: an integer"),
        ("ecod", {"ready": 9999}, r"d\.x\.params\.ready: seen 9999, allowed: 2 to remember \(2048\)"),
        (
            "rules",
            {"rules": [{"feature": "a"}]},
            r"d\.x\.params\.rules\.0\.name: seen nothing, allowed: a value; this key is needed",
        ),
        ("rules", {"rules": [{"name": "r", "feature": "a"}]}, r"rules\.0: .*exactly one of above and below"),
        ("rules", {"rules": 3}, r"rules: seen 3, allowed: a list, each item a table of name, feature"),
        ("river", {"params": {"seed": [1]}}, r"params\.0\.1: seen \[1\], allowed: a text or an integer"),
    ],
)
def test_a_wrong_table_is_named_with_what_is_allowed(type_: str, params: dict[str, Any], says: str) -> None:
    """Dotted path, value seen, what would do."""
    with pytest.raises(ConfigError, match=says):
        spec_from(type_, params, "d.x")


def test_parameters_are_described() -> None:
    """For `driftnet detectors list`: the type in words, and the default."""
    assert parameters(HalfSpaceTreesSpec)["n_trees"] == ("an integer", 25)
    assert parameters(StrangerSpec)["level"] == ("an integer or a number or absent", None)
    assert parameters(StrangerSpec)["pair"][0] == "a list of a number, an integer"


FILE = """
from dataclasses import dataclass
from typing import ClassVar
from detectors.ecod import EcodSpec

@dataclass(frozen=True, slots=True)
class {name}(EcodSpec):
    type: ClassVar[str] = "{word}"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for detector files; what was imported from it is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_is_a_detector(place: Path) -> None:
    """By its path, with the class where there are several; processes of a run find its class again."""
    (place / "one_detector.py").write_text(FILE.format(name="OneSpec", word="one"))
    spec = spec_from("one_detector.py", {"remember": 64, "ready": 8})
    assert spec.type == "one"
    assert pickle.loads(pickle.dumps(spec)) == spec
    both = FILE.format(name="ASpec", word="a") + FILE.format(name="BSpec", word="b")
    (place / "two_detectors.py").write_text(both)
    assert type_of("two_detectors.py:BSpec").type == "b"
    with pytest.raises(PluginError, match="seen ASpec, BSpec, expected one subclass of DetectorSpec"):
        type_of("two_detectors.py")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("raises_here.py", "raise RuntimeError('no library')", r"raises_here\.py: RuntimeError: no library"),
        ("is_empty.py", "", "seen none, expected one subclass"),
        ("not-a-name.py", "", "a module cannot be called 'not-a-name'; rename the file"),
        ("json.py", "", r"the module name 'json' is taken by .*json.__init__\.py; rename the file"),
        (
            "not_frozen.py",
            "from detectors.base import DetectorSpec\nclass LooseSpec(DetectorSpec):\n    pass\n",
            "must be a frozen dataclass",
        ),
    ],
)
def test_files_that_cannot_be_used(place: Path, name: str, text: str, message: str) -> None:
    """The message names the file, and what it raised or lacks."""
    (place / name).write_text(text)
    with pytest.raises(PluginError, match=message):
        type_of(name)


def test_a_file_that_is_not_there_is_a_mistake_of_the_configuration(place: Path) -> None:
    """Not a broken plug-in: a run does not go on without it."""
    with pytest.raises(ConfigError, match=r"no such file: .*absent\.py") as caught:
        type_of("absent.py")
    assert not isinstance(caught.value, PluginError)
    assert place.is_dir()


@pytest.mark.usefixtures("plugin")
def test_a_broken_plug_in_is_told_by_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that names it learns whose it is and what went wrong."""
    broken = load((point("stranger_plugin:Absent"),))
    monkeypatch.setattr(registry_module, "registry", lambda: broken)
    with pytest.raises(PluginError, match=r"plug-in 'Absent' of the distribution '\?': AttributeError"):
        type_of("Absent")
