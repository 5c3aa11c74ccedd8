"""Features of what does not count, `duplicates` and `rejects`: whose it is, and when."""

from typing import Any

from tests.unit.evolution.test_evolution import BASE, T0_S, buys, told_by

MARKED = BASE.replace('subject = "user"', 'id = "id"\nsubject = "user"').replace(
    "[windows]",
    """again = { kind = "duplicates" }
bad = { kind = "rejects" }
pace = { kind = "time_ratio", column = "amount", unit = "1s" }
[windows]
visit = { kind = "session", gap = "30m", max = "6h" }""",
)
NONSENSE = {"user": "ann", "at": T0_S, "id": "x", "amount": "much"}


def lines(first: int, last: int) -> list[dict[str, Any]]:
    return [line | {"id": i} for i, line in enumerate(buys(first, last), first)]


def told(*given: dict[str, Any], config: str = MARKED) -> list[dict[str, Any]]:
    return told_by(config, given, end=True)[0]


def test_an_id_that_comes_again_is_told_in_its_pane_and_in_later_ones() -> None:
    """Each time, of the account that uses it."""
    again = [lines(0, 1)[0] | {"at": T0_S + second} for second in (5, 700, 1400)]
    (visit,) = [t for t in told(*lines(0, 30), *again[:1], *lines(30, 31), *again[1:]) if t["window"] == "visit"]
    assert (visit["events"], visit["again"]) == (31, 1)  # the others are late
    (visit,) = [t for t in told(*lines(0, 12), again[1], *lines(12, 24), again[2]) if t["window"] == "visit"]
    assert (visit["events"], visit["again"]) == (24, 2)


def test_a_rejected_line_does_not_move_when_its_account_was_there() -> None:
    """A visit is as long as its rows, where there are any."""
    rows = lines(3, 8)
    (plain,) = [t for t in told(*rows) if t["window"] == "visit"]
    (marked,) = [t for t in told(*rows[:2], NONSENSE, *rows[2:]) if t["window"] == "visit"]
    assert marked == plain | {"bad": 1.0}


def test_before_the_first_event_there_is_no_time() -> None:
    """A line that is rejected then is told in no window."""
    assert told(NONSENSE, *lines(0, 12)) == told(*lines(0, 12))


def test_a_line_that_was_dated_ahead_is_its_accounts() -> None:
    """In the window in which it came."""
    config = MARKED.replace('ahead_max = "0s"', 'ahead_max = "2m"')
    ahead = {"user": "eve", "at": T0_S + 86_400, "id": "e", "amount": 1, "what": "buy"}
    others = [line | {"user": f"u{i}", "id": f"o{i}"} for i, line in enumerate(lines(0, 12))]
    found = told(*others[:6], ahead, *others[6:], config=config)
    assert [t["bad"] for t in found if t["window"] == "visit" and not t["events"]] == [1.0]
