"""Times as texts: one way to write them, and to read what was written."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from state.types import I64

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def iso(us: int, to: Literal["microseconds", "seconds", "auto"] = "microseconds") -> str:
    """Microseconds since 1970 as ISO 8601 text in UTC.

    to: the last digit; all of one width, so that text order is time order, but for "auto", which leaves out a fraction
    of 0.  Beyond the year 9999 it is that of numpy, always with microseconds.
    """
    try:
        return _written(_EPOCH + timedelta(microseconds=us), to)
    except OverflowError:
        import numpy as np  # the command line writes times, and is there before numpy is

        return f"{np.datetime64(us, 'us')}Z"


def iso_now(to: Literal["microseconds", "seconds"] = "microseconds") -> str:
    """What the clock of this machine says, as `iso` writes it: for records of when something was done by hand."""
    return _written(datetime.now(UTC), to)


def _written(moment: datetime, to: str) -> str:
    return moment.isoformat(timespec=to).replace("+00:00", "Z")


def isos(us: "I64") -> "NDArray[np.str_]":
    """(n,) what `iso` gives for each of many, with microseconds.  us: (n,) int64."""
    import numpy as np  # the command line writes times, and is there before numpy is

    return np.datetime_as_string(us.view("datetime64[us]"), timezone="UTC")


def from_iso(text: str) -> int:
    """Microseconds since 1970 of an ISO 8601 text; UTC where it has no offset.  Raises ValueError for other texts."""
    moment = datetime.fromisoformat(text)
    return whole_us((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH)


def whole_us(span: timedelta) -> int:
    """Exact, unlike its seconds as a float."""
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def minute(text: str) -> str:
    """A written time for people, to the minute: "2026-03-02 07:10"."""
    return text[:16].replace("T", " ")
