"""The one place where pickles are read: never more than plain values, or objects of what a caller allows.

A pickle is a program: a reader that resolves every name in it runs whatever its writer wanted.  So names are resolved
only where a list has them, and rows that Bytewax stored, which it reads itself with no such list, are looked through
first: their instructions may make plain values and nothing else.
"""

import io
import pickle
import pickletools
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final, NamedTuple

from state.errors import SnapshotError


class Allowed(NamedTuple):
    """What a pickle may name.

    names: "module.name" of single things.  homes: module -> whether it is one whose own classes and functions may be
    named; asked before anything is imported.
    """

    names: AbstractSet[str]
    homes: Callable[[str], bool]


_PLAIN: Final = frozenset(
    """
    PROTO FRAME STOP MARK MEMOIZE BINGET LONG_BINGET NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT
    SHORT_BINBYTES BINBYTES BINBYTES8 SHORT_BINUNICODE BINUNICODE BINUNICODE8 EMPTY_LIST APPEND APPENDS EMPTY_TUPLE
    TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT SETITEM SETITEMS
    """.split()  # noqa: SIM905 - names of pickletools
)
"""Instructions that make numbers, texts, bytes, None, lists, tuples and dicts."""


def dump(what: object) -> bytes:
    """A pickle, for `load`."""
    return pickle.dumps(what, protocol=5)


def copied(what: Any) -> Any:
    """What another process is given of an object of this one."""
    return pickle.loads(dump(what))  # noqa: S301 - written in this line


def dump_plain(what: object) -> bytes:
    """A pickle of plain values, as Bytewax writes it, for `load_plain`."""
    return pickle.dumps(what, protocol=4)


def load_plain(blob: bytes, where: str) -> Any:
    """Numbers, texts, bytes, lists, tuples and dicts.  Raises SnapshotError for a pickle of anything else."""
    try:
        for code, _, _ in pickletools.genops(blob):
            if code.name not in _PLAIN:
                raise SnapshotError(f"{where}: holds {code.name}, expected plain values only; no run saved this")
        return pickle.loads(blob)  # noqa: S301 - made of _PLAIN alone
    except SnapshotError:
        raise
    except Exception as error:  # damaged bytes may raise anything
        raise SnapshotError(f"{where}: damaged: {type(error).__name__}: {error}") from error


def load(blob: bytes, allowed: Allowed, where: str) -> Any:
    """What `dump` gave.  Raises SnapshotError for a name that is not allowed, and for damaged bytes."""
    try:
        return _Reader(blob, allowed, where).load()
    except (SnapshotError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # objects in Rust raise PanicException
        raise SnapshotError(f"{where}: damaged: {type(error).__name__}: {error}") from error


class _Reader(pickle.Unpickler):
    def __init__(self, blob: bytes, allowed: Allowed, where: str) -> None:
        super().__init__(io.BytesIO(blob))
        self._allowed = allowed
        self._where = where

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" in self._allowed.names:
            return super().find_class(module, name)
        if (module, name) == ("builtins", "getattr"):
            return self._method
        if self._allowed.homes(module):
            found = super().find_class(module, name)
            # What a module imports is not its own, and a name with dots may lead out of it.
            if isinstance(found, type | FunctionType | BuiltinFunctionType) and self._allowed.homes(found.__module__):
                return found
        raise SnapshotError(f"{self._where}: names {module}.{name}, which saved state may not name; it was not loaded")

    def _method(self, of: object, name: str) -> Any:
        """What a pickle writes for an object's own method: getattr, which could lead anywhere, with these two."""
        found = getattr(of, name) if self._allowed.homes(type(of).__module__) and not name.startswith("__") else None
        if isinstance(found, MethodType) and found.__self__ is of:
            return found
        raise SnapshotError(f"{self._where}: names {name} of a {type(of).__name__}, which saved state may not name")
