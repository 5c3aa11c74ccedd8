"""Labels that carry columns, counted by the kinds of subjects that they name, against loops over events and labels."""

from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import driftnet
from state.times import from_iso

PANE_S: Final = 60
HALF_S: Final = 600
DAY_S: Final = 86_400
BEGAN_S: Final = 1_700_000_040
CONFIG: Final = driftnet.loads("""
[job]
extends = "none"
key_groups = 3
[event]
id = "n"
time = { path = "t", unit = "s" }
subject = "n"
kind = "payment"
[event.columns]
terminal = { path = "where.terminal", kind = "id", required = true }
amount = { kind = "number" }
[time]
out_of_orderness = "20m"
ahead_max = "0s"
[labels]
columns = ["terminal", "amount"]
[features]
amount = { kind = "max", column = "amount" }
risk = { kind = "max", column = "terminal_risk" }
since_fraud = { kind = "max", column = "terminal_since_fraud" }
usual = { kind = "max", column = "terminal_usual" }
against = { kind = "quotient", feature = "amount", by = "usual", floor = 2.0 }
[windows.minute]
kind = "tumbling"
size = "1m"
[subjects.terminal]
key = "terminal"
lends = ["risk", "since_fraud", "usual"]
where = { amount = { min = 0 } }
[subjects.terminal.features]
times = { kind = "count" }
spent = { kind = "sum", column = "amount" }
sums = { kind = "decayed", feature = "spent", half_life = "10m" }
counts = { kind = "decayed", feature = "times", half_life = "10m" }
usual = { kind = "quotient", feature = "sums", by = "counts", floor = 0.5 }
frauds = { kind = "count", where = { verdict = "fraud" } }
known = { kind = "count", where = { verdict = { present = true } } }
share = { kind = "share", where = { verdict = "fraud" } }
per_time = { kind = "ratio", where = { verdict = "fraud" }, of = { amount = { min = 0 } } }
lost = { kind = "sum", column = "amount", where = { verdict = "fraud" } }
frauds_10m = { kind = "decayed", feature = "frauds", half_life = "10m" }
known_10m = { kind = "decayed", feature = "known", half_life = "10m" }
risk = { kind = "quotient", feature = "frauds_10m", by = "known_10m" }
genuine = { kind = "count", where = { verdict = "genuine" } }
since_fraud = { kind = "since", feature = "frauds" }
since_genuine = { kind = "since", feature = "genuine" }
ever = { kind = "total", feature = "spent" }
spell = { kind = "difference", feature = "since_genuine", by = "since_fraud" }
row = { kind = "total", feature = "frauds", by = "genuine" }
streak = { kind = "streak", feature = "frauds", by = "genuine" }
quiet = { kind = "since", feature = "genuine", by = "frauds" }
[subjects.terminal.windows.minute]
kind = "tumbling"
size = "1m"
""")
PLAIN: Final = ("times", "spent", "frauds", "known", "lost")

events = st.lists(
    st.fixed_dictionaries(
        {
            "t": st.integers(0, 900),
            "terminal": st.sampled_from(["a", "b", "c"]),
            "amount": st.sampled_from([1.0, 5.0, -1.0]),
            "fraud": st.booleans(),
            "told_after": st.none() | st.integers(0, 900),
        }
    ),
    min_size=1,
    max_size=40,
)


def told(payments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Labels in the order in which they are told, with what they carry."""
    found = [
        {
            "subject": i,
            "label": int(p["fraud"]),
            "at": (p["t"] + p["told_after"]) * 1000,
            "where": {"terminal": p["terminal"]},
            "amount": p["amount"],
        }
        for i, p in enumerate(payments)
        if p["told_after"] is not None
    ]
    return sorted(found, key=lambda label: label["at"])


def lines(payments: list[dict[str, Any]]) -> tuple[list[bytes], list[bytes]]:
    """Events and labels as JSON."""
    as_events = [
        orjson.dumps({"n": i, "t": p["t"], "where": {"terminal": p["terminal"]}, "amount": p["amount"]})
        for i, p in enumerate(payments)
    ]
    return as_events, [orjson.dumps(label) for label in told(payments)]


def of_terminals(payments: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, float | None]]:
    """(terminal, minute) -> its values, from the definitions."""
    plain: dict[tuple[str, int], dict[str, float]] = {}

    def cell(terminal: str, at_s: int) -> dict[str, float]:
        return plain.setdefault((terminal, at_s // PANE_S), dict.fromkeys(PLAIN, 0.0))

    for p in payments:
        if p["amount"] >= 0:
            mine = cell(p["terminal"], p["t"])
            mine["times"] += 1
            mine["spent"] += p["amount"]
        if p["told_after"] is not None:
            mine = cell(p["terminal"], p["t"] + p["told_after"])
            mine["known"] += 1
            if p["fraud"]:
                mine["frauds"] += 1
                mine["lost"] += p["amount"]
    found: dict[tuple[str, int], dict[str, float | None]] = {}
    for (terminal, minute), mine in plain.items():
        until = [(m, of) for (other, m), of in plain.items() if other == terminal and m <= minute]

        def decayed(name: str, until: list[Any] = until, minute: int = minute) -> float:
            return sum(of[name] * 2.0 ** (-(minute - m) * PANE_S / HALF_S) for m, of in until)

        # FeatureKind.TOTAL, FeatureKind.SINCE, FeatureKind.STREAK, FeatureKind.QUOTIENT, FeatureKind.DIFFERENCE
        last = max([m for m, of in until if of["frauds"]], default=None)
        good = max([m for m, of in until if of["known"] > of["frauds"]], default=None)
        in_a_row = [(m, of["frauds"]) for m, of in until if of["frauds"] and (good is None or m > good)]
        found[terminal, minute] = mine | {
            "share": mine["frauds"] / mine["known"] if mine["known"] else None,
            "per_time": mine["frauds"] / mine["times"] if mine["times"] else None,
            "sums": decayed("spent"),
            "counts": decayed("times"),
            "usual": decayed("spent") / (decayed("times") + 0.5),
            "frauds_10m": decayed("frauds"),
            "known_10m": decayed("known"),
            "risk": decayed("frauds") / (decayed("known") + 1.0),
            "ever": sum(of["spent"] for _, of in until),
            "genuine": mine["known"] - mine["frauds"],
            "since_fraud": None if last is None else (minute - last) * PANE_S / DAY_S,
            "since_genuine": None if good is None else (minute - good) * PANE_S / DAY_S,
            "spell": None if last is None or good is None else (last - good) * PANE_S / DAY_S,
            "row": sum(frauds for _, frauds in in_a_row),
            "streak": (minute - min(in_a_row)[0]) * PANE_S / DAY_S if in_a_row else None,
            "quiet": None if good is None or (last or 0) >= good else (minute - good) * PANE_S / DAY_S,
        }
    return found


@settings(max_examples=40, deadline=None)
@given(events)
def test_verdicts_count_from_when_they_were_told(payments: list[dict[str, Any]]) -> None:
    """For the subjects that they name, and apart from events; a payment sees those that were told by the end of its
    minute, and none that came later.
    """
    payments = [p | {"t": p["t"] + BEGAN_S} for p in payments]
    as_events, as_labels = lines(payments)
    replayed = driftnet.replay(as_events, CONFIG, labels=as_labels, streams=["features"])
    records = replayed.records["features"]
    terminals = {(r["subject"], _minute(r)): r["values"] for r in records if r["kind"] == "terminal"}
    expected = of_terminals(payments)
    last = max(p["t"] for p in payments) // PANE_S  # windows after the last event are not told
    assert terminals.keys() == {key for key in expected if key[1] <= last}
    for key, found in terminals.items():
        assert found == {name: _about(value) for name, value in expected[key].items()}, key
    judged = {r["subject"]: r["values"] for r in records if r["kind"] == "payment"}
    assert judged.keys() == {str(i) for i in range(len(payments))}
    for i, p in enumerate(payments):
        lent = expected[p["terminal"], p["t"] // PANE_S] if p["amount"] >= 0 else dict.fromkeys(PLAIN)
        usual = lent.get("usual")
        assert judged[str(i)] == {
            "amount": p["amount"],
            "risk": _about(lent.get("risk")),
            "since_fraud": _about(lent.get("since_fraud")),
            "usual": _about(usual),
            "against": _about(None if usual is None else p["amount"] / (usual + 2.0)),
        }


def _about(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, rel=1e-12)


def _minute(record: dict[str, Any]) -> int:
    return from_iso(record["start"]) // 1_000_000 // PANE_S


def test_told_twice_in_the_same_words_counts_once() -> None:
    """As events do; another word about the same payment is another verdict."""
    payment = {"t": BEGAN_S, "terminal": "a", "amount": 5.0, "fraud": True, "told_after": 10}
    later = payment | {"t": BEGAN_S + 120, "told_after": None}
    as_events, (label,) = lines([payment, later])
    other = orjson.dumps(orjson.loads(label) | {"label": 0, "at": (BEGAN_S + 11) * 1000})
    records = driftnet.replay(as_events, CONFIG, labels=[label, label, other], streams=["features"]).records["features"]
    first = next(r["values"] for r in records if r["kind"] == "terminal")
    assert (first["known"], first["frauds"], first["genuine"]) == (2.0, 1.0, 1.0)
