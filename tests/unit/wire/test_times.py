"""Times of a zone: offsets, the hours that are skipped and those that come twice, in every column of times."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest

from flows.config import loads
from flows.wire.decode import Decoder
from flows.wire.times import iso_reader
from state.errors import ConfigError
from state.times import from_iso

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-15T12:00:00", "2026-01-15T11:00:00Z"),
        ("2026-07-15T12:00:00.250", "2026-07-15T10:00:00.250Z"),
        ("2026-07-15", "2026-07-14T22:00:00Z"),
        ("2026-07-15T12:00:00Z", "2026-07-15T12:00:00Z"),
        ("2026-07-15T12:00:00-05:00", "2026-07-15T17:00:00Z"),
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00+00:53:28"),
        ("9999-12-31T23:59:59", "9999-12-31T22:59:59Z"),
    ],
)
def test_time_of_a_zone(text: str, utc: str) -> None:
    """With an offset it is what it says; skipped, an hour later by the clock; twice, the first of the two."""
    assert iso_reader("Europe/Berlin")(text) == from_iso(utc)


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC"]
)
def test_same_as_one_by_one(zone: str) -> None:
    """Clocks that change at a minute past midnight, by half an hour, by a whole day; in any order of times."""
    rng, own, read = random.Random(8), ZoneInfo(zone), iso_reader(zone)
    moments = [datetime(1973, 1, 1) + timedelta(seconds=rng.randrange(70 * 365 * 86_400)) for _ in range(3000)]  # noqa: DTZ001
    night = datetime(2006, 4, 2)  # noqa: DTZ001 - St John's: at 00:01
    moments += [night + timedelta(seconds=second) for second in range(-600, 7200, 7)]
    for moment in moments:
        expected = (moment.replace(tzinfo=own) - _EPOCH) // timedelta(microseconds=1)
        assert read(moment.isoformat()) == expected, moment


_CONFIG = """
[event]
time_zone = "{zone}"
time = {{ path = "event_time", unit = "iso8601" }}
[event.columns]
account_created = {{ unit = "iso8601" }}
"""


def test_zone_of_all_columns_of_times() -> None:
    """The event time and every other; a line that is no time is rejected as ever."""
    line = {"event_id": "1", "user_id": "u", "type": "play", "event_time": "2026-07-01T12:00:00"}
    lines = [line, line | {"account_created": "2026-01-01T00:00:00"}, line | {"event_time": "noon"}]
    decoded = Decoder(loads(_CONFIG.format(zone="Europe/Berlin")).job().stream.wire).decode(
        list(map(orjson.dumps, lines))
    )
    assert decoded.batch.event_time_us.tolist() == [from_iso("2026-07-01T10:00:00")] * 2
    assert decoded.batch["account_created"][1] == from_iso("2025-12-31T23:00:00")
    assert [reject.row for reject in decoded.rejects] == [2]


def test_another_zone_is_another_job() -> None:
    """UTC is what there was before zones."""
    digests = [loads(_CONFIG.format(zone=zone)).job().digest for zone in ("", "UTC", "Europe/Berlin")]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("zone", ["Europe/Berln", "..", "/etc/passwd", "Europe", "CEST+1", "x\\u0000"])
def test_no_zone(zone: str) -> None:
    """Named with what was meant, where something is close."""
    with pytest.raises(ConfigError, match=r"event.time_zone: seen .*allowed: a zone of the IANA database"):
        loads(f'[event]\ntime_zone = "{zone}"\n').job()
