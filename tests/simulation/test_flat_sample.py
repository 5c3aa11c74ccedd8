"""Where everybody is the same, one odd event is no alarm, and hundreds are."""

from typing import Any

import pytest

import driftnet

START_MS, HOUR_MS = 1_772_409_600_000, 3_600_000
LOGINS = """
[job]
name = "logins"
extends = "none"
[event]
id = "id"
subject = "user"
time = { path = "t", unit = "ms" }
[event.columns]
kind = { kind = "enum", values = ["login_ok", "login_failed"] }
[features]
failed = { kind = "count", where = { kind = "login_failed" }, log = true }
[windows]
h1 = { kind = "tumbling", size = "1h" }
[detectors]
population = { type = "half_space_trees" }
ecod = { type = "ecod" }
history = { type = "history_baseline" }
"""


def events(failures: int) -> list[dict[str, Any]]:
    """A hundred users, who never fail to log in, until one of them does in the 100th hour."""
    quiet = [("login_ok", f"u{user}", START_MS + hour * HOUR_MS) for hour in range(102) for user in range(100)]
    odd = [("login_failed", "u5", START_MS + 99 * HOUR_MS + i) for i in range(1, failures + 1)]
    told = sorted(quiet + odd, key=lambda row: row[2])
    return [{"id": f"e{i}", "kind": kind, "user": user, "t": t} for i, (kind, user, t) in enumerate(told)]


@pytest.mark.parametrize(("failures", "alerted"), [(1, []), (2, []), (500, ["u5"])])
def test_among_people_who_never_fail(failures: int, alerted: list[str]) -> None:
    """The sample has no spread that a tail could be fitted to, and holds 500 days of subjects: a rank alone would say
    the same of one failure and of five hundred.
    """
    found = driftnet.replay(events(failures), driftnet.loads(LOGINS))
    assert [alert["subject"] for alert in found.alerts] == alerted
