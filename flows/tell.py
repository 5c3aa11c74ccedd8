"""What people tell a job, written where the job reads it: a line of a file, or a message."""

import fcntl
import os
from collections.abc import Mapping
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from flows.config.endpoints import FilesConfig
from flows.config.kafka import KafkaConfig
from flows.wire.reject import BadLineError
from flows.wire.told import read_command, read_label
from state.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from flows.config.models import Config

_DELIVERY_S: Final = 30.0


def tell(config: "Config", reads: str, record: Mapping[str, Any], source: str | None = None) -> tuple[str, str]:
    """Writes a label or a command where the job's source has it; when this returns it is on the disk, or the brokers
    have it.

    reads: "labels" or "control".  source: its name, where the configuration has several.
    Returns the place, and what to know about it, if anything.  Raises ConfigError where there is none, or for a record
    that the job would reject, and SinkError where it cannot be written.
    """
    line = orjson.dumps({name: value for name, value in record.items() if value is not None})
    try:
        kinds = config.job().kinds_known
        read_label(line, kinds) if reads == "labels" else read_command(line, "", 0, kinds)
    except BadLineError as error:
        reason, detail = error.why
        raise ConfigError(f"{reason.value}: {detail}; nothing was written") from None
    name, table = _source(config, reads, source)
    match table:
        case KafkaConfig():
            return _produce(name, table, str(record["subject"]).encode(), line), ""
        case FilesConfig() if table.format.kind == "json":
            place = _append(_file(name, table), line)
            if table.follow:
                return place, ""
            return place, (
                f"sources.{name} does not follow its file: a run that is under way has read it to its end, and only one"
                " that begins anew reads this; with follow = true it counts at once"
            )
    raise ConfigError(
        f"sources.{name}: seen kind {table.kind}, where nothing can be written from here, allowed: files or kafka, of"
        f" JSON; or send it this line: {line.decode()}"
    )


def _source(config: "Config", reads: str, wanted: str | None) -> tuple[str, Any]:
    found = {name: table for name, table in config.sources.items() if table.reads == reads}
    if wanted is not None and wanted not in found:
        raise ConfigError(f'--source: seen {wanted!r}, allowed: a source that reads "{reads}": {_names(found)}')
    if not found:
        raise ConfigError(
            f'sources: none reads "{reads}", so the job does not hear it; add one to its configuration, such as'
            f' [sources.{reads}] kind = "files", paths = ["{reads}.jsonl"], follow = true, reads = "{reads}", or a'
            " topic of Kafka"
        )
    if wanted is None and len(found) > 1:
        raise ConfigError(f'sources: several read "{reads}" ({_names(found)}); name one with --source')
    name = wanted or next(iter(found))
    return name, found[name]


def _names(found: Mapping[str, Any]) -> str:
    return ", ".join(found) or "there is none"


def _file(name: str, table: FilesConfig) -> Path:
    """The one file that can be appended to."""
    path = Path(table.paths[0])
    if len(table.paths) > 1 or has_magic(table.paths[0]) or path.is_dir() or path.suffix == ".gz":
        raise ConfigError(
            f"sources.{name}.paths: seen {', '.join(table.paths)}, allowed: one file that is not packed, so that a line"
            " can be appended to it"
        )
    return path


def _append(path: Path, line: bytes) -> str:
    """Appends the line in one piece, behind what others append, and waits for the disk."""
    try:
        is_new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            size = os.fstat(fd).st_size
            torn = size and os.pread(fd, 1, size - 1) != b"\n"
            whole = b"\n" * bool(torn) + line + b"\n"
            if os.write(fd, whole) < len(whole):
                os.ftruncate(fd, size)
                raise OSError(28, "No space left on device")
            os.fsync(fd)
        finally:
            os.close(fd)
        if is_new:
            _sync_directory(path.parent)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}; nothing counts that was said") from error
    return str(path)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _produce(name: str, table: KafkaConfig, key: bytes, line: bytes) -> str:
    """Sends the line, and waits until the brokers have it."""
    if table.format.kind != "json" or len(table.topics) > 1:
        raise ConfigError(f"sources.{name}: seen format {table.format.kind}, topics {', '.join(table.topics)}, allowed:"
                          " one topic of JSON")  # fmt: skip
    producer = table.connection.producer({"enable.idempotence": True, "message.timeout.ms": int(_DELIVERY_S * 1000)})
    told: list[Any] = []
    producer.produce(table.topics[0], line, key, on_delivery=lambda error, message: told.append((error, message)))
    producer.flush(_DELIVERY_S + 5)
    error, message = told[0] if told else ("no answer", None)
    if error is not None or message is None:
        raise SinkError(f"topic {table.topics[0]}: the brokers did not take it: {error}; try again")
    return f"{message.topic()}/{message.partition()}, offset {message.offset()}"
