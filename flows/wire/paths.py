"""Reading many paths out of many parsed lines, column by column."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from flows.wire.reject import describe
from flows.wire.spec import Path

Cells = Sequence[Any]
Document = dict[str, Any]


class NotAnObject:
    """Stands for the value of a path that leads through something that is not an object."""

    def __init__(self, found: str) -> None:
        self.found = found


class PathReader:
    """Reads a fixed list of paths.

    Keys that every line has so far are taken in one sweep, the others one by one; which is which is learned
    from the data and changes the speed alone.
    """

    def __init__(self, paths: Sequence[tuple[Path, Any]]) -> None:
        """paths: each with the value that an absent key reads as."""
        self._count = len(paths)
        self._objects: dict[Path, _Keys] = {}
        for index, (path, default) in enumerate(paths):
            for depth in range(len(path)):
                self._objects.setdefault(path[:depth], _Keys())
            self._objects[path[:-1]].dense.append((index, path[-1], default))

    def read(self, documents: Sequence[Document]) -> list[Cells]:
        """One sequence of values per path, in the order of the paths.  documents: at least one parsed line."""
        out: list[Cells] = [()] * self._count
        inside: dict[Path, Sequence[Document]] = {(): documents}
        for path, keys in self._objects.items():  # parents were entered before their children
            if path:
                inside[path] = _walk(inside[path[:-1]], path)
            keys.read(inside[path], out)
        return out


@dataclass(slots=True)
class _Keys:
    """What is read from one object: (position in the result, key, default)."""

    dense: list[tuple[int, str, Any]] = field(default_factory=list)
    sparse: list[tuple[int, str, Any]] = field(default_factory=list)

    def read(self, objects: Sequence[Document], out: list[Cells]) -> None:
        while self.dense:
            get = itemgetter(*(key for _, key, _ in self.dense))
            try:
                columns = [list(map(get, objects))] if len(self.dense) == 1 else zip(*map(get, objects), strict=True)
                for (index, _, _), values in zip(self.dense, columns, strict=True):
                    out[index] = values
                break
            except KeyError as absent:
                key = absent.args[0]
                self.sparse += [entry for entry in self.dense if entry[1] == key]
                self.dense = [entry for entry in self.dense if entry[1] != key]
        for index, key, default in self.sparse:
            out[index] = [one.get(key, default) for one in objects]


class _Broken(Document):
    """Has no key, and says so with a value that no column accepts."""

    def __init__(self, found: str) -> None:
        super().__init__()
        self._value = NotAnObject(found)

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ARG002 - as in dict.get
        return self._value


def _walk(objects: Sequence[Document], path: Path) -> Sequence[Document]:
    found = [one.get(path[-1]) for one in objects]
    if set(map(type, found)) == {dict}:
        return found  # type: ignore[return-value]
    return [_as_object(value, path) for value in found]


def _as_object(value: Any, path: Path) -> Document:
    match value:
        case dict():
            return value
        case None:
            return {}
        case NotAnObject():
            return _Broken(value.found)
        case _:
            return _Broken(f"{'.'.join(path)}: found {describe(value)}, expected an object")
