"""Summary and Evaluation."""

from typing import Any

import pytest
from rich.console import Console, RenderableType

from flows.counters import ALERTS, READ, ROWS
from flows.simulate.evaluation import evaluate
from flows.summary import Summary

_COUNTS = {
    "read": 100, "accepted": 90, "late": 4, "duplicate": 3, "rejected.nan": 2, "open": 1, "rows.w1h": 7, "rows.w5m": 9,
    "alerts.low": 2, "alerts.critical": 1, "reason.plays": 2, "reason.gap_cv": 1, "drift.feature": 1,
    "out.alerts": 3,
}  # fmt: skip


def _text(thing: RenderableType) -> str:
    console = Console(width=160, no_color=True)
    with console.capture() as capture:
        console.print(thing)
    return capture.get()


def test_summary_of_totals() -> None:
    """Tables by label are sorted by size, severities from the worst."""
    summary = Summary(_COUNTS, 2.0)
    assert summary.balanced
    assert summary.events_per_s == 50
    assert list(summary.by_label(ROWS)) == ["w5m", "w1h"]
    assert list(summary.by_label(ALERTS)) == ["critical", "low"]
    assert summary.alerts == 3
    assert summary.to_json()["balanced"] is True


def test_summary_for_people() -> None:
    """All totals are in the table, the most important ones in one line for a log."""
    summary = Summary(_COUNTS, 2.0)
    text = _text(summary.table())
    for part in (
        "100 read = 90 accepted + 4 late + 3 duplicate + 2 rejected + 1 open",
        "9 w5m, 7 w1h",
        "1 critical, 2 low",
    ):
        assert part in text
    assert "NOT BALANCED" not in text
    line = "100 read = 90 accepted + 4 late + 3 duplicate + 2 rejected + 1 open; 3 alerts, 50 events/s"
    assert summary.status() == line


def test_campaigns_are_alerts_once() -> None:
    """However often they are told again; who was kept back for them is not named."""
    told = {"alerts.critical": 2, "out.alerts": 9, "campaign_alerts": 2, "campaign_updates": 7, "spared.campaign": 12}
    summary = Summary(told, 2.0)
    assert summary.alerts == 2
    text = " ".join(_text(summary.table()).split())
    for part in ("alerts 2: 2 critical", "campaigns 2 of them, told again 7 times", "spared 12 kept back: 12 campaign"):
        assert part in text


@pytest.mark.parametrize("wrong", [{"read": 101}, {"late": 5}, {"open": 0}])
def test_lines_that_are_unaccounted_for(wrong: dict[str, int]) -> None:
    """A line too many or too few on either side is no balance, and the table says so."""
    summary = Summary(_COUNTS | wrong, 2.0)
    assert not summary.balanced
    assert "NOT BALANCED" in _text(summary.table())


def test_summary_of_nothing() -> None:
    """An empty run is balanced and has no speed."""
    summary = Summary({}, 0.0)
    assert summary.balanced
    assert summary.events_per_s == 0
    assert "none" in _text(summary.table())


def _alert(subject: str, end: str, raised: str | None = None, severity: str = "low") -> dict[str, str]:
    return {"subject": subject, "end": end, "raised": raised or end, "severity": severity}


_HOUR_US = 3_600_000_000
_TRUTH = [
    {"user_id": "bot1", "role": "loop_bot", "is_attacker": True, "start_us": 2 * _HOUR_US},
    {"user_id": "bot2", "role": "loop_bot", "is_attacker": True, "start_us": 3 * _HOUR_US},
    {"user_id": "farm", "role": "farm", "is_attacker": True, "start_us": 0},
    {"user_id": "fan", "role": "super_fan", "is_attacker": False, "start_us": 0},
    {"user_id": "person", "role": "person", "is_attacker": False, "start_us": 0},
]


def test_evaluation_joins_alerts_with_the_truth() -> None:
    """An attacker counts as found from its first act on; its first alert gives the time to detection."""
    found = evaluate(
        [
            _alert("bot1", "1970-01-01T01:00:00.000000Z"),
            _alert("bot1", "1970-01-01T04:00:00.000000Z", raised="1970-01-01T05:00:00.000000Z"),
            _alert("bot1", "1970-01-01T06:00:00.000000Z"),
            _alert("bot2", "1970-01-01T04:00:00.000000Z"),
            _alert("fan", "1970-01-01T04:00:00.000000Z", severity="critical"),
        ],
        _TRUTH,
    )
    loop_bot = next(c for c in found.campaigns if c.name == "loop_bot")
    assert (loop_bot.accounts, loop_bot.found, loop_bot.detection_s) == (2, 2, 2 * 3600)
    assert next(c for c in found.campaigns if c.name == "farm").detection_s is None
    assert (found.alerts, found.true_alerts, found.precision) == (5, 3, 3 / 5)
    assert (found.found, found.accused, found.account_precision) == (2, 1, 2 / 3)
    assert found.recall == 2 / 3
    fan = next(r for r in found.roles if r.name == "super_fan")
    assert (fan.accounts, fan.alerted, fan.urgent) == (1, 1, 1)


def _campaign(alert_id: str, end: str, *members: str) -> dict[str, Any]:
    told = {"campaign": {"members": [{"subject": name} for name in members]}}
    return _alert(alert_id, end, severity="critical") | told | {"alert_id": alert_id}


def test_a_campaigns_alert_is_one_about_all_its_members() -> None:
    """True where most of them are attackers that have begun; told again it is the same alert, and finds who is new."""
    found = evaluate(
        [
            _campaign("c1", "1970-01-01T02:30:00.000000Z", "bot1", "farm", "fan"),
            _campaign("c1", "1970-01-01T05:00:00.000000Z", "bot1", "bot2", "farm"),
            _campaign("c2", "1970-01-01T05:00:00.000000Z", "person", "farm"),
        ],
        _TRUTH,
    )
    assert (found.alerts, found.true_alerts, found.found, found.accused) == (2, 1, 3, 2)
    loop_bot = next(c for c in found.campaigns if c.name == "loop_bot")
    assert (loop_bot.found, loop_bot.detection_s) == (2, (1800 + 7200) / 2)


def test_alert_before_the_attack_is_false() -> None:
    """An account that is alerted before it was taken over is accused wrongly, and not found."""
    found = evaluate([_alert("bot2", "1970-01-01T03:00:00.000000Z")], _TRUTH)
    assert (found.true_alerts, found.found, found.accused) == (0, 0, 1)


def test_alerts_on_strangers_are_false() -> None:
    """A subject that the truth does not know counts against the precision."""
    assert evaluate([_alert("stranger", "1970-01-01T03:00:00.000000Z")], _TRUTH).precision == 0


def test_evaluation_of_no_alerts() -> None:
    """Without alerts there is no precision, and nobody is found."""
    found = evaluate([], _TRUTH)
    assert found.precision is None
    assert found.recall == 0
    text = _text(found.table())
    assert "0 of 3 attackers found" in text
    assert "super_fan" in text
    assert found.to_json()["recall"] == 0


def test_many_late_events_come_with_advice() -> None:
    """More than one late event in twenty is rarely the platform: the summary says what to look at."""

    def text(late: int) -> str:
        return _text(Summary({"read": 100, "accepted": 100 - late, "late": late}).table())

    assert "6% came after their windows had closed" in text(6)
    assert "--per-file" in text(6)
    assert "--per-file" not in text(5)


def test_who_was_withheld_is_told() -> None:
    """Subjects for whom the budget had no room, by severity, in text and JSON; nothing where there was room."""
    counts = {"withheld.high": 7, "withheld.critical": 20, "released": 3}
    summary = Summary(counts, 1.0)
    text = _text(summary.table())
    assert "27: 20 critical, 7 high, of whom 3 were alerted later; the budget had no room" in text
    assert (summary.to_json()["withheld"], summary.to_json()["released"]) == ({"critical": 20, "high": 7}, 3)
    assert "withheld" not in _text(Summary({}, 1.0).table())


def test_what_is_wrong_with_the_input_is_named() -> None:
    """Columns that never had a value; many events that came twice."""
    counts = {"read": 50, "accepted": 30, "duplicate": 20, "filled.amount": 0, "filled.shop": 2}
    text = _text(Summary(counts, 1.0).table())
    assert "amount: never had a value; are the path, and of an enum the words, right" in text
    assert "shop" not in text
    assert "40% of all lines: somebody sends events again" in text
    assert "never had" not in _text(Summary(counts | {"filled.amount": 1}, 1.0).table())


def test_speed_is_that_of_this_run() -> None:
    """What earlier runs on the same state had read is not counted."""
    assert Summary({READ.key(): 300}, 2.0, resumed=100).events_per_s == 100.0


def test_people_in_crowds_are_counted_by_kind_of_crowd() -> None:
    """Where the truth has them; everybody else by role, as in a truth without crowds."""
    truth = [
        {"user_id": user, "role": "person", "is_attacker": False, "start_us": 0} | ({"crowd": crowd} if crowd else {})
        for user, crowd in (
            ("a", "shop_chain-1"),
            ("b", "shop_chain-2"),
            ("c", "listeners of aged_farm-2"),
            ("d", None),
        )
    ]
    truth.append({"user_id": "e", "role": "person", "is_attacker": False, "start_us": 0, "crowd": None})
    alert = {"subject": "b", "end": "2026-03-02T10:00:00.000000Z", "raised": "2026-03-02T10:00:00.000000Z"}
    roles = {r.name: (r.accounts, r.alerted, r.urgent) for r in evaluate([alert | {"severity": "high"}], truth).roles}
    assert roles == {"listeners": (1, 0, 0), "person": (2, 0, 0), "shop_chain": (2, 1, 1)}
