"""The figures of examples/evaluate_campaigns.py, from files as the simulator and a replay write them."""

import sys
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from examples import evaluate_campaigns
from flows.config import load

EXAMPLES: Final = Path(__file__).parents[3] / "examples"


def write(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))


def found(name: str, change: str, hour: int, *members: str) -> dict[str, Any]:
    at = f"2026-03-02T{hour:02}:00:00.000000Z"
    return {"campaign_id": name, "change": change, "at": at, "members": [{"subject": m} for m in members]}


BEGIN_US: Final = 1_772_409_600_000_000
BOTS: Final = [
    {"user_id": f"b{i}", "role": "farm", "is_attacker": True, "campaign": "farm", "start_us": BEGIN_US}
    for i in range(4)
]
PEOPLE: Final = [
    {"user_id": f"p{i}", "role": "person", "is_attacker": False, "campaign": None, "crowd": "class-1", "start_us": 0}
    for i in range(4)
]


def alert(name: str, day: int, **more: Any) -> dict[str, Any]:
    at = f"2026-03-{day:02}T12:00:00.000000Z"
    return {"alert_id": name, "subject": name, "raised": at, "end": at, "severity": "high", **more}


def test_what_alerts_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """By day, alone and as members; a campaign that is told again is one alert."""
    write(tmp_path / "truth.jsonl", BOTS + PEOPLE)
    write(tmp_path / "campaigns.jsonl", [])
    write(tmp_path / "found.jsonl", [])
    members = [{"subject": name} for name in ("b1", "b2", "p0")]
    told = [alert("b0", 2), alert("a", 2, campaign={"members": members[:2]})]
    told += [alert("a", 3, campaign={"members": members}), alert("p1", 3)]
    write(tmp_path / "alerts.jsonl", told)
    argv = [
        "evaluate_campaigns",
        str(tmp_path),
        str(tmp_path / "found.jsonl"),
        "--alerts",
        str(tmp_path / "alerts.jsonl"),
    ]
    monkeypatch.setattr(sys, "argv", argv)
    evaluate_campaigns.main()
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "  2026-03-02      2 (1)  1.000  0.750  0",
        "  2026-03-03      3 (1)  0.667  0.750  2",
    ]


def test_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The last record of each campaign counts, ended and merged ones do not; first records say how early it was."""
    bots, people = BOTS, PEOPLE
    write(tmp_path / "truth.jsonl", bots + people)
    percentiles = [BEGIN_US + i * 36 * 60_000_000 for i in range(101)]
    write(tmp_path / "campaigns.jsonl", [{"campaign": "farm", "percentiles_us": percentiles}])
    told = [
        found("a", "found", 4, "b0", "b1"),
        found("a", "grew", 6, "b0", "b1", "b2", "p0"),
        found("c", "found", 6, "p1", "p2", "p3"),
        found("d", "found", 6, "b3", "p3"),
        found("d", "ended", 8),
    ]
    write(tmp_path / "found.jsonl", told)
    monkeypatch.setattr(sys, "argv", ["evaluate_campaigns", str(tmp_path), str(tmp_path / "found.jsonl")])
    evaluate_campaigns.main()
    assert capsys.readouterr().out.splitlines() == [
        "2 campaigns go on, of 3 that were found",
        "  pair precision  0.333",
        "  pair recall     0.500",
        "  pair f1         0.400",
        "  purity          0.429",
        "  recall          0.750",
        "  false: 3 members, 3 of them people, most of class-1",
        "first record before a tenth of its plays: 1 of 1 campaigns",
    ]


def test_its_configuration_runs() -> None:
    """It looks for campaigns and for nothing else."""
    job = load(EXAMPLES / "campaigns.toml", environ={}).job()
    assert job.campaigns is not None
    assert job.judgement.detectors == ()
