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


def test_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The last record of each campaign counts, ended and merged ones do not; first records say how early it was."""
    bots = [{"user_id": f"b{i}", "is_attacker": True, "campaign": "farm"} for i in range(4)]
    people = [{"user_id": f"p{i}", "is_attacker": False, "campaign": None, "crowd": "class-1"} for i in range(4)]
    write(tmp_path / "truth.jsonl", bots + people)
    begin_us = 1_772_409_600_000_000
    percentiles = [begin_us + i * 36 * 60_000_000 for i in range(101)]
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
