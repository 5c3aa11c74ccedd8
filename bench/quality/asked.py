"""How scenarios are measured: what the command line says to the process that runs the cases."""

import os
from dataclasses import dataclass
from typing import Final

import orjson

_VARIABLE: Final = "DRIFTNET_BENCH_QUALITY"


@dataclass(frozen=True, slots=True)
class Asked:
    """directory: of results; "" to keep none.  days: None for as many as a scenario has.

    settings: what differs from the shipped configuration, as "section.key=value".  recordings: whether they are kept
    too, so that other settings take seconds; about 130 MB for a week of 1,000 users.
    """

    directory: str = ""
    days: int | None = None
    settings: tuple[str, ...] = ()
    recordings: bool = False

    def environment(self) -> dict[str, str]:
        """For the process that runs the cases."""
        told = [self.directory, self.days, self.settings, self.recordings]
        return {_VARIABLE: orjson.dumps(told).decode()}

    @staticmethod
    def here() -> "Asked":
        """What this process was told; the default where it was told nothing."""
        told = os.environ.get(_VARIABLE)
        if told is None:
            return Asked()
        directory, days, settings, recordings = orjson.loads(told)
        return Asked(directory, days, tuple(settings), recordings)
