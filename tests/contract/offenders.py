"""A sink, a source and a format that break what the checks hold, one thing at a time, by their settings."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import ConfigDict, Field

from flows.config.plugged import FormatSettings, SinkSettings, SourceSettings
from flows.formats.base import UndecodableError
from flows.sinks.base import Delivery, Opening, Record
from flows.sources.base import Asked, Lines, Unwatched
from state.errors import SinkError


class FaultySink(SinkSettings):
    """A file of JSON Lines that is cut to the position on resume."""

    kind: Literal["faulty"] = Field(description="faulty")
    path: str = Field(description="the file")
    fault: str = Field("", description="what is wrong")
    password: str = Field("", description="shown as it is, where that is the fault", repr=True)

    @property
    def delivery(self) -> Delivery:
        return Delivery.UPSERT if self.fault == "adds" else Delivery.POSITION

    def sink(self) -> "FaultySpec":
        return FaultySpec(self.path, self.fault)


class Careless(FaultySink):
    """Takes all keys."""

    model_config = ConfigDict(extra="allow")

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Any:
        return cls.model_construct(**obj)


class Silent(FaultySink):
    """Has a key that nobody explains."""

    more: int = 1


@dataclass(frozen=True)
class FaultySpec:
    path: str
    fault: str

    @property
    def name(self) -> str:
        return f"faulty.{id(self)}" if self.fault == "renames" else f"faulty.{self.path}"

    def open(self, opening: Opening) -> "FaultyWriter":
        return FaultyWriter(self, opening)


class FaultyWriter:
    def __init__(self, spec: FaultySpec, opening: Opening) -> None:
        self._fault = spec.fault
        self._file = Path(spec.path)
        self._held: list[bytes] = []
        self._closed = False
        self._file.touch()
        if opening.position is not None and self._fault not in ("forgets", "adds"):
            os.truncate(self._file, opening.position["bytes"])

    def write(self, records: list[Record]) -> None:
        if self._fault == "disorders":
            records = sorted(records, key=lambda record: record["raised"], reverse=True)
        if self._fault == "ascii":
            records = [r | {"subject": r["subject"].encode("ascii", "replace").decode()} for r in records]
        lines = [orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records]
        if self._fault == "loses":
            lines = [line for n, line in enumerate(lines) if n % 5 != 4]
        if self._fault == "impatient" and not self._file.parent.is_dir():
            raise OSError("gone")
        self._held += lines

    def flush(self) -> Any:
        if self._fault != "holds":
            self._append()
        size = self._file.stat().st_size
        return {1: 2} if self._fault == "odd_position" else {"bytes": size}

    def close(self) -> None:
        if self._closed:
            if self._fault == "closes_once":
                raise ValueError("closed")
            return
        self._closed = True
        self._append()

    def _append(self) -> None:
        try:
            with self._file.open("ab") as file:
                file.write(b"".join(self._held))
        except OSError as error:
            raise SinkError(f"the folder is gone: {error}") from error
        self._held = []


def records(settings: FaultySink) -> list[Any]:
    return [json.loads(line) for line in Path(settings.path).read_bytes().splitlines()]


class FaultySource(SourceSettings):
    """Lines of a file."""

    kind: Literal["faulty"] = Field(description="faulty")
    path: str = Field(description="the file")
    fault: str = Field("", description="what is wrong")

    def source(self, name: str, asked: Asked) -> "FaultyInput":
        return FaultyInput(name, self.path, self.fault)


@dataclass
class FaultyInput:
    name: str
    path: str
    fault: str

    def partition_names(self) -> list[str]:
        return [self.name, self.name] if self.fault == "one_name" else [self.name]

    def open(self, name: str) -> "FaultyPartition":
        return FaultyPartition(name, self.path, self.fault)


class FaultyPartition(Unwatched):
    open_files: list[int] = []  # noqa: RUF012 - left open, by all of them

    def __init__(self, name: str, path: str, fault: str) -> None:
        self.name = name
        self._path = path
        self._fault = fault
        self._lines = Path(path).read_bytes().splitlines()
        self._at = 0
        if fault == "leaves_open":
            self.open_files.append(os.open(path, os.O_RDONLY))

    @property
    def size_bytes(self) -> int:
        return len(self._lines)

    @property
    def done_bytes(self) -> int:
        return self._at + (1 if self._fault == "overdone" else 0)

    def read(self, max_lines: int) -> Lines | None:
        if self._fault == "generous":
            max_lines += 1
        found = self._lines[self._at : self._at + max_lines]
        first, self._at = self._at, self._at + len(found)
        if self._fault == "skips":
            self._at += max_lines == 7
        return Lines(found, range(first, first + len(found)), self._path) if found else None

    def position(self) -> Any:
        return {self._at: 1} if self._fault == "odd_position" else self._at

    def seek(self, position: Any) -> None:
        self._at = position if self._fault != "again" else max(position - 1, 0)

    def close(self) -> None:
        self._lines = []


class FaultyFormat(FormatSettings):
    """JSON in brackets."""

    kind: Literal["faulty"] = Field(description="faulty")
    fault: str = Field("", description="what is wrong")

    def format(self) -> "FaultyFormatSpec":
        return FaultyFormatSpec(self.fault)


@dataclass(frozen=True)
class FaultyFormatSpec:
    fault: str

    def build(self) -> "FaultyDecoder":
        return FaultyDecoder(self.fault)


class FaultyDecoder:
    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._count = 0

    def line(self, value: bytes) -> bytes:
        self._count += 1
        if self._fault == "raises" and not value.startswith(b"["):
            raise KeyError("[")
        if not (value.startswith(b"[") and value.endswith(b"]")):
            raise UndecodableError("" if self._fault == "speechless" else "no brackets")
        inner = value[1:-1]
        if self._fault == "passes":
            return inner
        try:
            found = orjson.loads(inner)
        except orjson.JSONDecodeError as error:
            raise UndecodableError(str(error)) from error
        if not isinstance(found, dict):
            raise UndecodableError("no object")
        if self._fault == "counts":
            found["n"] = self._count
        return orjson.dumps({} if self._fault == "empties" else found)
