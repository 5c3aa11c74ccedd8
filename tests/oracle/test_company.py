"""Loans between kinds of subjects, and features that go on, against loops over the events."""

import math
import random
from collections import defaultdict
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import driftnet

PANE_S: Final = 60
HALF_S: Final = 600
DAY_S: Final = 86_400
CONFIG: Final = driftnet.loads("""
[job]
extends = "none"
key_groups = 3
[event]
id = ""
time = { path = "t", unit = "s" }
subject = "user"
kind = "user"
[event.columns]
ip = { kind = "id" }
amount = { kind = "number" }
[time]
out_of_orderness = "20m"
dedup_horizon = "0s"
ahead_max = "0s"
[features]
crowd = { kind = "max", column = "net_users" }
mean_crowd = { kind = "mean", column = "net_users" }
crowded = { kind = "share", where = { net_users = { min = 2 } } }
surge = { kind = "max", column = "net_surge" }
[windows.minute]
kind = "tumbling"
size = "1m"
[windows.sitting]
kind = "session"
gap = "5m"
max = "1h"
features = ["crowd", "crowded"]
[subjects.net]
key = "ip"
lends = ["users", "sum", "surge"]
where = { amount = { min = 0 } }
[subjects.net.features]
users = { kind = "nunique", column = "user" }
sum = { kind = "decayed", feature = "users", half_life = "10m" }
surge = { kind = "surge", feature = "users", half_life = "10m", floor = 0.5 }
[subjects.net.windows.minute]
kind = "tumbling"
size = "1m"
""")

events = st.lists(
    st.fixed_dictionaries(
        {
            "t": st.integers(0, 900),
            "user": st.sampled_from(["a", "b", "c", "d"]),
            "ip": st.sampled_from(["1.2.3.4", "5.6.7.8", "9.9.9.9", None]),
            "amount": st.sampled_from([1.0, 5.0, -1.0]),
        }
    ),
    min_size=1,
    max_size=60,
)


def of_nets(told: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, float]]:
    """(address, minute) -> its values, from the definitions."""
    users: dict[tuple[str, int], set[str]] = defaultdict(set)
    for e in told:
        if e["ip"] is not None and e["amount"] >= 0:
            users[e["ip"], e["t"] // PANE_S].add(e["user"])
    found = {}
    for (ip, minute), mine in sorted(users.items(), key=lambda item: item[0][1]):
        end = (minute + 1) * PANE_S
        before = [(m, len(who)) for (other, m), who in users.items() if other == ip and m < minute]
        n = len(mine)
        # FeatureKind.DECAYED, FeatureKind.SURGE
        decayed = n + sum(k * 2.0 ** (-(minute - m) * PANE_S / HALF_S) for m, k in before)
        first = min([m for m, _ in before], default=minute)
        age = max(end - (first + 1) * PANE_S, DAY_S)
        usual = sum(k for _, k in before) * HALF_S / math.log(2.0) / age
        found[ip, minute] = {"users": float(n), "sum": decayed, "surge": (decayed + 0.5) / (usual + 0.5)}
    return found


def by_loops(told: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, float | None]]:
    """(user, minute) -> features."""
    nets = of_nets(told)
    rows: dict[tuple[str, int], list[dict[str, float] | None]] = defaultdict(list)
    for e in told:
        is_theirs = e["amount"] >= 0  # events that are not the addresses' borrow nothing from them
        rows[e["user"], e["t"] // PANE_S].append(nets.get((e["ip"], e["t"] // PANE_S)) if is_theirs else None)
    found = {}
    for key, lent in rows.items():
        users = [values["users"] for values in lent if values is not None]
        found[key] = {
            "crowd": max(users, default=None),
            "mean_crowd": sum(users) / len(users) if users else None,
            "crowded": sum(u >= 2 for u in users) / len(lent),
            "surge": max((values["surge"] for values in lent if values is not None), default=None),
        }
    return found


def by_driftnet(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return driftnet.replay([orjson.dumps(e) for e in told], CONFIG, streams=["features"]).records["features"]


@settings(max_examples=40, deadline=None)
@given(events)
def test_loans_are_what_was_known_when_the_pane_ended(told: list[dict[str, Any]]) -> None:
    """Whoever else came by the same address in this minute, whatever the order in which the lines came."""
    for e in told:
        e["t"] += 1_700_000_040
    records = by_driftnet(told)
    mine = {(r["subject"], _minute(r)): r["values"] for r in records if (r["kind"], r["window"]) == ("user", "minute")}
    expected = by_loops(told)
    assert mine.keys() == expected.keys()
    for key, values in expected.items():
        assert mine[key].keys() == values.keys()
        for name, value in values.items():
            assert mine[key][name] == (None if value is None else pytest.approx(value, rel=1e-12)), (key, name)
    nets = {(r["subject"], _minute(r)): r["values"] for r in records if r["kind"] == "net"}
    for key, of in of_nets(told).items():
        assert nets[key] == pytest.approx(of, rel=1e-12), key


def test_sessions_hold_the_loans_of_all_their_minutes() -> None:
    """A window's maximum is that of its panes."""
    rng = random.Random(4)
    told = [
        {"t": 1_700_000_040 + t, "user": rng.choice("abcdef"), "ip": rng.choice(["1", "2", "3"]), "amount": 1.0}
        for t in range(0, 3000, 7)
    ]
    nets = of_nets(told)
    for record in by_driftnet(told):
        if (record["kind"], record["window"]) == ("user", "sitting"):
            start, stop = (_seconds(record[name]) for name in ("start", "stop"))
            mine = [e for e in told if e["user"] == record["subject"] and start <= e["t"] <= stop]
            lent = [nets[e["ip"], e["t"] // PANE_S]["users"] for e in mine]
            assert record["values"]["crowd"] == max(lent)
            assert record["values"]["crowded"] == pytest.approx(sum(u >= 2 for u in lent) / len(lent))


def _seconds(moment: str) -> int:
    from state.times import from_iso

    return from_iso(moment) // 1_000_000


def _minute(record: dict[str, Any]) -> int:
    return _seconds(record["start"]) // PANE_S
