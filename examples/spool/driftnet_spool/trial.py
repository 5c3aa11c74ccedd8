"""What the contract's checks try: `trial` for `driftnet plugins check`, which tries the sink; others for tests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from driftnet.checks import FormatTrial, SinkTrial, SourceTrial
from driftnet_spool import folder as spool
from driftnet_spool.logfmt import LogfmtSettings
from driftnet_spool.sink import SpoolSinkSettings
from driftnet_spool.source import SpoolSourceSettings


def trial(folder: Path) -> SinkTrial:
    """The sink, in places of a folder."""
    return SinkTrial(
        fresh=lambda: SpoolSinkSettings(kind="spool", folder=f"{mkdtemp(dir=folder)}/spool"),
        read=_records,
        outage=lambda settings: _away(Path(settings.folder)),
        outage_s=2.0,
        broken=lambda: SpoolSinkSettings(kind="spool", folder="/proc/no/such/folder"),
    )


def source_trial(folder: Path) -> SourceTrial:
    """The source: files whose numbers have gaps, one of them empty."""
    lines = [b'{"id": "%d", "user": "u%d", "at": %d}' % (n, n % 7, 1_772_409_600 + 60 * n) for n in range(90)]
    for number, part in ((3, lines[:40]), (4, []), (9, lines[40:41]), (10, lines[41:])):
        spool.write(folder, number, b"".join(line + b"\n" for line in part))
        spool.publish(folder, number)
    return SourceTrial(fresh=lambda: SpoolSourceSettings(kind="spool", folder=str(folder)), lines=lines)


def format_trial(folder: Path) -> FormatTrial:
    """The format."""
    del folder
    return FormatTrial(
        LogfmtSettings(kind="logfmt", texts=("id",)),
        [
            (b'id=7 user=ann ms=5 share=0.25 title="a song"', SAMPLE),
            (
                "user=Zoë n=123456789012345678901234567890".encode(),
                {"user": "Zoë", "n": "123456789012345678901234567890"},
            ),
        ],
    )


SAMPLE = {"id": "7", "user": "ann", "ms": 5, "share": 0.25, "title": "a song"}


def _records(settings: SpoolSinkSettings) -> list[Any]:
    """Of all files that can be read, in their order."""
    files = spool.finished(Path(settings.folder)).values()
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


@contextmanager
def _away(folder: Path) -> Iterator[None]:
    """As if a disk were not mounted."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    try:
        yield
    finally:
        aside.rename(folder)
