"""A pickle may be anybody's: what it names is not loaded, and what it would run does not run."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from state.errors import SnapshotError
from state.pickles import Allowed, dump, dump_plain, load, load_plain

PLAIN: Any = (3, {"a": [1, 2.5, None, True, "text", b"bytes"], "b": (-1, 1 << 70)}, ())
NOTHING = Allowed(frozenset(), lambda _: False)


class Touches:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


def named(module: str, name: str) -> bytes:
    """A pickle that names one thing."""
    return b"\x80\x04" + b"".join(b"\x8c" + bytes([len(t)]) + t.encode() for t in (module, name)) + b"\x93."


def test_plain_values_come_back() -> None:
    """As Bytewax writes them, and as `dump_plain` does."""
    assert load_plain(dump_plain(PLAIN), "row") == PLAIN
    assert load_plain(pickle.dumps(PLAIN), "row") == PLAIN


def test_nothing_runs(tmp_path: Path) -> None:
    """The control: an ordinary reader does what the bytes say."""
    file = tmp_path / "made"
    for protocol in range(6):
        blob = pickle.dumps([Touches(file)], protocol=protocol)
        with pytest.raises(SnapshotError, match="expected plain values only"):
            load_plain(blob, "row")
        with pytest.raises(SnapshotError, match="which saved state may not name"):
            load(blob, NOTHING, "model")
        assert not file.exists()
        pickle.loads(blob)
        assert file.exists()
        file.unlink()


def test_memory_is_not_asked_for() -> None:
    """One instruction could make the reader's memory as large as it likes."""
    with pytest.raises(SnapshotError, match="holds LONG_BINPUT"):
        load_plain(b"\x80\x04Nr\xff\xff\xff\x7f.", "row")


@pytest.mark.parametrize("blob", [b"", b"\x80", b"\x80\x04.", b"\x80\x04K", b"\x80\x04(t", b"\xff" * 20])
def test_damage_is_an_error_of_ours(blob: bytes) -> None:
    """Whatever the bytes."""
    with pytest.raises(SnapshotError, match="row: damaged"):
        load_plain(blob, "row")
    with pytest.raises(SnapshotError, match="model: damaged"):
        load(blob, NOTHING, "model")


def test_a_module_gives_what_is_its_own() -> None:
    """Not what it imports, and not what lies behind a dot."""
    json = Allowed(frozenset(), lambda module: module.partition(".")[0] == "json")
    assert load(named("json.decoder", "JSONDecoder"), json, "model").__name__ == "JSONDecoder"
    for module, name in (("json.decoder", "re"), ("json", "codecs.open"), ("json.decoder", "scanner.re.compile")):
        with pytest.raises(SnapshotError, match=f"names {module}.{name}"):
            load(named(module, name), json, "model")


def test_a_method_is_of_an_allowed_object() -> None:
    """What a bound method is written as could lead anywhere."""
    here = Allowed(frozenset(), lambda module: module == "json.encoder")
    encoder = __import__("json").JSONEncoder()
    assert load(dump(encoder.iterencode), here, "model").__func__ is type(encoder).iterencode
    getattr_of = b"\x80\x04\x8c\x08builtins\x94\x8c\x07getattr\x94\x93"
    for of, name in ((b"]", b"append"), (named("json.encoder", "JSONEncoder")[2:-1], b"__subclasses__")):
        with pytest.raises(SnapshotError, match=f"names {name.decode()}"):
            load(getattr_of + of + b"\x8c" + bytes([len(name)]) + name + b"\x86R.", here, "model")
