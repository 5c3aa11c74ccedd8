"""Which objects of River come back from bytes, and what does not."""

import inspect
from collections.abc import Iterator
from importlib import import_module

import pytest
from river.base import AnomalyDetector, Classifier, DriftDetector, Transformer
from river.preprocessing import GapEncoder

from detectors.river_objects import from_bytes, is_river, to_bytes
from state.errors import SnapshotError
from tests.unit.state.test_pickles import named

MODULES = (
    "anomaly",
    "drift",
    "ensemble",
    "forest",
    "linear_model",
    "naive_bayes",
    "neighbors",
    "preprocessing",
    "tree",
)


def models() -> Iterator[type]:
    """Models of River that need no arguments, and take numbers."""
    for module in MODULES:
        for _, kind in inspect.getmembers(import_module(f"river.{module}"), inspect.isclass):
            required = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
            fits = issubclass(kind, AnomalyDetector | Classifier | DriftDetector | Transformer)
            if (
                fits
                and kind is not GapEncoder
                and not inspect.isabstract(kind)
                and all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in required)
            ):
                yield kind


@pytest.mark.parametrize("kind", list(models()), ids=lambda kind: kind.__name__)
def test_models_come_back(kind: type) -> None:
    """After some rows, with what they have grown."""
    model = kind()
    for i in range(40):
        x = {"a": i % 7 / 7, "b": i % 5 / 5}
        match model:
            case DriftDetector():
                model.update(i % 2)
            case Classifier():
                model.learn_one(x, bool(i % 2))
            case _:
                model.learn_one(x)
    assert type(from_bytes(to_bytes(model), "model")) is kind


def test_there_are_many() -> None:
    """The test above has something to do."""
    assert len(list(models())) > 40


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("river.datasets", "Phishing"),
        ("river.stream", "iter_csv"),
        ("river.utils.pandas", "importlib.util"),
        ("river.bandit.datasets.news", "NewsArticles"),
        ("numpy", "load"),
        ("numpy.f2py", "compile"),
        ("operator", "attrgetter"),
        ("functools", "reduce"),
    ],
)
def test_other_names_are_refused(module: str, name: str) -> None:
    """Before they are imported, where they are not River's."""
    with pytest.raises(SnapshotError, match=f"model: names {module}.{name}, which saved state may not name"):
        from_bytes(named(module, name), "model")


def test_what_the_configuration_names() -> None:
    """A class of somebody else's comes back where it is named, and its neighbours; other modules do not."""
    blob = named("json.decoder", "JSONDecoder")
    assert from_bytes(blob, "model", ("json.decoder.JSONDecodeError",)).__name__ == "JSONDecoder"
    with pytest.raises(SnapshotError, match=r"json\.decoder\.JSONDecoder"):
        from_bytes(blob, "model", ("json.encoder.JSONEncoder",))


def test_what_is_rivers() -> None:
    """Models, and not the parts that open files."""
    assert is_river("river.anomaly.LODA")
    assert is_river("river.anomaly")
    assert not any(map(is_river, ("river", "river.datasets.Phishing", "river.stream.iter_csv", "riverx.anomaly", "os")))
