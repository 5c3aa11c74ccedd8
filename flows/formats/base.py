"""Values that are not JSON: each becomes a JSON line, or is rejected with a reason.

So paths, limits, dead letters and everything behind them are the same for all formats.
"""

from collections.abc import MutableMapping, MutableSequence
from typing import Final, Protocol

from flows.wire.reject import Reason, Why
from state.errors import DriftnetError

MAGIC: Final = b"\0"
HEAD: Final = 5
"""Confluent's framing: the magic byte and the schema's id, in front of the value."""
_SAID_MAX: Final = 300
"""Of what is wrong with a value."""


class UndecodableError(Exception):
    """A value that is not of the format, or of an unknown schema.  Its text is for the dead-letter stream."""


class Format(Protocol):
    """Decodes values, one by one: what one becomes does not depend on the others."""

    def line(self, value: bytes) -> bytes:
        """The value as a JSON object, without a line end.  Raises UndecodableError for one that is not of the format;
        SourceError where it needs somebody who does not answer (a schema registry): the value is no poison then.
        """


class FormatSpec(Protocol):
    """A format as it is configured: picklable, and built wherever lines are read."""

    def build(self) -> Format:
        """A decoder.  Raises ConfigError."""


def decode(format_: Format, values: MutableSequence[bytes], refused: MutableMapping[int, Why]) -> None:
    """Puts its JSON line in the place of each value, or the reason why there is none into `refused`, by position.

    A value that makes a format raise anything but errors of ours is rejected too: one value stops no worker.
    """
    for row, value in enumerate(values):
        if row in refused:
            continue
        try:
            values[row] = format_.line(value)
        except UndecodableError as error:
            refused[row] = Reason.UNDECODABLE, str(error)[:_SAID_MAX]
        except DriftnetError:
            raise
        except Exception as error:
            refused[row] = Reason.UNDECODABLE, f"{type(error).__name__}: {error}"[:_SAID_MAX]
