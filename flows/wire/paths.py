"""The members of a line that are read: one msgspec type made from their paths, and the columns that come out of it."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, Final, Protocol

from msgspec import Raw, Struct, defstruct, structs

from flows.wire.path_text import format_path
from flows.wire.reject import describe
from flows.wire.spec import Path

Cells = Sequence[Any]
_UNNAMEABLE: Final = str.maketrans(dict.fromkeys([*map(chr, range(32)), '"', "\\"], "\ufffd"))
"""Characters that msgspec has in no name of a member."""


class Wanted(Protocol):
    """A member that is read.

    types: what msgspec takes it for: nothing else passes.  default: what it gives where the member is absent.
    """

    path: Path
    types: tuple[Any, ...]
    default: Any
    required: bool


class NotThere:
    """Stands for the value of a path that leads through something else than an object, or an array."""

    def __init__(self, found: str) -> None:
        self.found = found


class Shape:
    """A line's object with the members that are read.  `type` is what msgspec makes of it."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self._count = len(wanted)
        self._object: _Level = _Level([(column, member.path, member) for column, member in enumerate(wanted)])
        self.type = self._object.type

    def columns(self, read: Sequence[Struct]) -> list[Cells]:
        """One sequence of values per wanted member, in their order.  read: at least one instance of `type`."""
        out: list[Cells] = [()] * self._count
        self._object.spread(read, out)
        return out

    def build(self, values: Cells) -> Struct:
        """The instance of `type` that holds these values."""
        return self._object.build(values)


class _Nothing:
    """No value is of this type: msgspec refuses whatever it finds."""


class _Level:
    """One level of a Shape: an object, or an array where the paths have indices there."""

    def __init__(self, wanted: Sequence[tuple[int, Path, Wanted]]) -> None:
        """wanted: each with its column and the rest of its path."""
        self._members: list[tuple[list[int], _Level | None]] = []
        keys = list(dict.fromkeys(path[0] for _, path, _ in wanted))
        indices = [key for key in keys if isinstance(key, int)]
        if indices:  # paths that ask for keys here too clash with these, and are refused before
            keys = list(range(max(indices) + 1))
        declared = []
        for key in keys:
            plain = {column: member for column, path, member in wanted if path == (key,)}
            deeper = [(column, path[1:], member) for column, path, member in wanted if path[0] == key and path[1:]]
            inner = _Level(deeper) if deeper else None
            self._members.append((list(plain), inner))
            declared.append(_declared(list(plain.values()), inner, key) if plain or inner else _UNREAD)
        # What msgspec cannot read is not absent for it either: the whole line is for the other parser.
        needs: list[bool] = [inner.required for _, inner in self._members if inner is not None]
        self.required: bool = (_Nothing,) in declared or any(needs) or any(member.required for _, _, member in wanted)
        names = _names(keys)
        if indices:  # what stands before a value that is required stands there too
            needed = max((i for i, kind in enumerate(declared) if len(kind) == 1), default=-1)
            declared = [kind[:1] if i <= needed else kind for i, kind in enumerate(declared)]
        fields: list[Any] = [(f"m{i}", *kind) for i, kind in enumerate(declared)]
        self.type = defstruct(
            "Line", fields, rename=names, kw_only=not indices, array_like=bool(indices), eq=False, gc=False
        )

    @property
    def types(self) -> tuple[Any, ...]:
        return (self.type,) if self.required else (self.type, None)

    def spread(self, read: Sequence[Any], out: list[Cells]) -> None:
        columns = zip(*map(structs.astuple, read), strict=True)
        for (plain, inner), values in zip(self._members, columns, strict=True):
            for column in plain:
                out[column] = values
            if inner is not None:
                inner.spread(values if inner.required else [inner.type() if v is None else v for v in values], out)

    def build(self, values: Cells) -> Any:
        # A member that is wanted both as a value and as an object can only be null.
        given = (
            (values[plain[0]] if plain else Raw()) if inner is None else None if plain else inner.build(values)
            for plain, inner in self._members
        )
        return self.type(**dict(zip(self.type.__struct_fields__, given, strict=True)))


def _names(keys: Sequence[str | int]) -> dict[str, str]:
    """Field of the struct -> member of an object; names that msgspec cannot have stand for themselves, each once."""
    taken = set(keys)
    names = {}
    for i, key in enumerate(keys):
        if isinstance(key, str):
            name = key.translate(_UNNAMEABLE)
            while name != key and name in taken:
                name += "\ufffd"
            taken.add(name)
            names[f"m{i}"] = name
    return names


_UNREAD: Final = (Raw, Raw())
"""The type and the default of a place in an array that nobody looks at."""


def _declared(plain: list[Wanted], inner: _Level | None, key: str | int) -> tuple[Any, ...]:
    """The type of a member, and its default if it has one.  Where several want it, it has the types that all take."""
    wishes = [member.types for member in plain] + ([inner.types] if inner else [])
    types = [t for t in wishes[0] if all(t in wish for wish in wishes)]
    required = any(member.required for member in plain) or bool(inner and inner.required)
    if not types or (isinstance(key, str) and key.translate(_UNNAMEABLE) != key):
        return (_Nothing,)
    if required:
        return (reduce(or_, types),)
    return reduce(or_, types), (plain[0].default if len(wishes) == 1 and plain else None)


def walk(document: Any, path: Path, absent: Any) -> Any:
    """The value at the end of a path, `absent` if it is not there, NotThere if the path cannot be walked."""
    value = document
    for depth, key in enumerate(path):
        if value is None:
            return absent
        missing = absent if depth + 1 == len(path) else None
        if isinstance(key, int):
            if type(value) is not list:
                return NotThere(f"{format_path(path[:depth])}: found {describe(value)}, expected an array")
            value = value[key] if key < len(value) else missing
        else:
            if type(value) is not dict:
                return NotThere(f"{format_path(path[:depth])}: found {describe(value)}, expected an object")
            value = value.get(key, missing)
    return value
