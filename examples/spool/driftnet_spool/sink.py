"""A spool as a sink: a file per checkpoint, which others find once the checkpoint is known to be kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import Field

from driftnet.kit import BufferedSink, Delivery, Opening, Record, Sink, SinkError, SinkSettings
from driftnet_spool import folder as spool


class SpoolSinkSettings(SinkSettings):
    """A folder of numbered files of JSON Lines for one stream, each finished when it can be read."""

    kind: Literal["spool"] = Field(description="spool")
    folder: str = Field(min_length=1, description="where they go; it is made if it is not there")

    @property
    def delivery(self) -> Delivery:
        """Each record once: what a killed run had written is removed before anybody could read it."""
        return Delivery.POSITION

    def sink(self) -> "SpoolSink":
        """What it stands for."""
        return SpoolSink(self.folder)


@dataclass(frozen=True, slots=True)
class SpoolSink:
    """The sink as it is configured."""

    folder: str

    @property
    def name(self) -> str:
        """Kind and place."""
        return f"spool.{self.folder}"

    def open(self, opening: Opening) -> Sink:
        """The sink at work."""
        return SpoolWriter(self.folder, opening)


class SpoolWriter(BufferedSink[bytes]):
    """Each flush makes a file that nobody reads yet.  The next one lets it be read: the state that goes with it is kept
    by then, so that no later run takes it back.

    Position: the number of the next file, and those that wait.  On resume they go on to wait, and whatever has a higher
    number, of a run that was killed or failed, is removed.
    """

    errors = (OSError,)
    advice = "free space or repair the disk, then resume the run"

    def __init__(self, folder: str, opening: Opening) -> None:
        super().__init__(f"spool {folder}", opening.patience)
        self._folder = Path(folder)
        self._lines: list[bytes] = []
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._next, self._held = self._begun() if opening.position is None else self._resumed(opening.position)
        except OSError as error:
            raise SinkError(f"spool {folder}: cannot be used: {error.strerror}") from error

    def _begun(self) -> tuple[int, list[int]]:
        """Behind what is there; what a run has left that nobody goes on with is let go."""
        left = spool.held(self._folder)
        for number in left:
            spool.publish(self._folder, number)
        return max([*left, *spool.finished(self._folder)], default=0) + 1, []

    def _resumed(self, position: dict[str, Any]) -> tuple[int, list[int]]:
        there = [*spool.held(self._folder).items(), *spool.finished(self._folder).items()]
        for number, file in there:
            if number >= position["next"]:
                file.unlink()
        return position["next"], list(position["held"])

    def _encode(self, records: list[Record]) -> list[bytes]:
        return [orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records]

    def _send(self, items: list[bytes]) -> None:
        """Nothing is written before a flush: until then a kill would only leave what has to be removed."""
        self._lines += items

    def _position(self) -> dict[str, Any]:
        for number in self._held:
            spool.publish(self._folder, number)
        self._held = []
        if self._lines:
            spool.write(self._folder, self._next, b"".join(self._lines))
            self._lines, self._held, self._next = [], [self._next], self._next + 1
        spool.sync(self._folder)
        return {"next": self._next, "held": list(self._held)}

    def _release(self) -> None:
        """A run that ends in good order leaves nothing that waits."""
        for number in self._held:
            spool.publish(self._folder, number)
        self._held = []
