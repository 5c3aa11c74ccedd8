"""`driftnet bench quality --company`: which campaigns were found, how soon, and whom alerts find through them."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from bench.quality import kept
from bench.quality.asked import Asked
from bench.quality.campaigns import campaign_figures
from bench.quality.guard import campaign_mistakes
from bench.quality.kept import measured
from bench.quality.worlds import CURVE, MAIN, SMOKE_WORLDS, WORLDS, WorldScenario, chosen_worlds

BEGIN_US: Final = 1_772_409_600_000_000
TRUTH: Final[list[dict[str, Any]]] = [
    *(
        {"user_id": f"b{i}", "role": "farm", "is_attacker": True, "campaign": "farm", "start_us": BEGIN_US}
        for i in range(4)
    ),
    *(
        {"user_id": f"p{i}", "role": "person", "is_attacker": False, "campaign": None, "crowd": "class-1",
         "start_us": BEGIN_US}
        for i in range(4)
    ),
]  # fmt: skip
CAMPAIGNS: Final = [{"campaign": "farm", "percentiles_us": [BEGIN_US + i * 36 * 60_000_000 for i in range(101)]}]


def told(name: str, change: str, hour: int, *members: str) -> dict[str, Any]:
    at = f"2026-03-02T{hour:02}:00:00.000000Z"
    return {"campaign_id": name, "change": change, "at": at, "members": [{"subject": m} for m in members]}


def alert(name: str, day: int, *members: str) -> dict[str, Any]:
    at = f"2026-03-{day:02}T12:00:00.000000Z"
    campaign = {"campaign": {"members": [{"subject": m} for m in members]}} if members else {}
    return {"alert_id": name, "subject": name, "raised": at, "end": at, "severity": "high", **campaign}


def test_what_was_put_together() -> None:
    """The last record of each campaign counts, ended and merged ones do not; people count whenever they were members;
    first records say how early it was.
    """
    records = [
        told("a", "found", 4, "b0", "b1"),
        told("a", "grew", 6, "b0", "b1", "b2", "p0"),
        told("c", "found", 6, "p1", "p2", "p3"),
        told("d", "found", 6, "b3", "p3"),
        told("d", "ended", 8),
    ]
    found = campaign_figures(records, [], TRUTH, CAMPAIGNS, BEGIN_US)
    assert (found["campaigns"], found["campaigns_told"]) == (2, 3)
    assert found["pair_precision"] == pytest.approx(3 / 9)
    assert found["pair_recall"] == pytest.approx(3 / 6)
    assert found["pair_f1"] == pytest.approx(0.4)
    assert found["purity"] == pytest.approx(3 / 7)
    assert found["recall"] == pytest.approx(3 / 4)
    assert (found["false"], found["false_ever"], found["people_ever"]) == (1, 1, 4)
    assert found["crowds"] == {"class-1": 3}
    assert (found["records"]["early"], found["records"]["of"]) == (1, 1)
    assert (found["alerted"]["early"], found["alerted"]["median"]) == (0, 1.0)
    assert found["kinds"] == [{"name": "farm", "accounts": 4, "members": 3, "found": 0}]
    assert (found["missed"], found["days"]) == (4, [])
    assert campaign_mistakes(found) == {"campaigns of people": 1, "missed": 4}


def test_what_alerts_find() -> None:
    """By day, alone and as members; a campaign that is told again is one alert."""
    alerts = [alert("b0", 2), alert("a", 2, "b1", "b2"), alert("a", 3, "b1", "b2", "p0"), alert("p1", 3)]
    found = campaign_figures([], alerts, TRUTH, [], BEGIN_US)
    assert found["days"] == [
        {"day": 1, "alerts": 2, "precision": 1.0, "recall": 0.75, "people": 0},
        {"day": 2, "alerts": 3, "precision": pytest.approx(2 / 3), "recall": 0.75, "people": 2},
    ]
    assert (found["alerts"], found["alerts_of_campaigns"], found["missed"]) == (3, 1, 1)


def test_a_campaign_that_was_of_people_for_a_while() -> None:
    """It is told once, whatever became of it."""
    records = [told("a", "found", 2, "p0", "p1", "b0"), told("a", "changed", 4, "b0", "b1", "b2")]
    found = campaign_figures(records, [], TRUTH, CAMPAIGNS, BEGIN_US)
    assert (found["false"], found["false_ever"]) == (0, 1)


def test_worlds_are_kept_like_other_scenarios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By digest; with other settings or days measured anew; they leave no recording."""
    ran: list[WorldScenario] = []

    def measure(scenario: WorldScenario) -> dict[str, Any]:
        ran.append(scenario)
        return {"missed": len(ran)}

    monkeypatch.setattr(kept, "measure_world", measure)
    small, asked = SMOKE_WORLDS[0], Asked(str(tmp_path / "new"))
    assert [measured(small, asked), measured(small, asked)] == [{"missed": 1}] * 2
    assert measured(small, replace(asked, days=2, settings=("campaigns.links=4",))) == {"missed": 2}
    assert (ran[-1].days, ran[-1].settings) == (2, (*small.settings, "campaigns.links=4"))
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"{small.id}.json"]


def test_the_table_of_worlds() -> None:
    """Ids are unique; what is chosen on is marked; a world is what its settings say; nobody attacks the innocent."""
    ids = [s.id for s in WORLDS]
    assert len(set(ids)) == len(ids)
    assert [s.id for s in chosen_worlds(["near-*-12"], smoke=False)] == ["near-5000-12", "near-20000-12"]
    assert {s.seed for s in WORLDS if not s.tuned} == {9, 10, 11, 12}
    assert {s.world.name for s in WORLDS} == {w.name for w in (*MAIN, *CURVE)}
    near, innocent, jittered = (WorldScenario(w, 5_000, 9) for w in (*MAIN, CURVE[5]))
    assert near.simulation.company is not None
    assert near.simulation.company.organic == (0.25, 0.25)
    assert near.config.campaigns
    assert innocent.config.sources["main"].attackers == 0
    assert jittered.simulation.company is not None
    assert jittered.simulation.company.jitter_us == (7_200_000_000, 10_800_000_000)
