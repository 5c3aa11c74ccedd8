"""Campaigns as part of the flow: the same records however a run is cut, spread, stopped and killed."""

import json
import multiprocessing
import shutil
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import pytest

from flows.config import loads
from flows.config.models import Config
from flows.drive.explain import explain_campaign
from flows.engine.plan import Options
from flows.evolution.fates import FateKind
from flows.evolution.saved_job import CONFIG_NOTE, fates_against
from flows.forget.state import forget_in_state
from flows.job import Job
from flows.savepoint.look import opened
from flows.sources.base import Source
from tests.engine.interrupted import AtRead, die, run_until
from tests.engine.scenarios import SCENARIOS, Told, run_bytewax, run_local, same, write_files

NAME: Final = "company"
CAMPAIGNS: Final = """
[campaigns]
objects = ["track", "artist"]
parents = { artist = "rights_holder" }
accounts_max = 64
visits_max = 2000
where = { type = "play" }
bucket = "15m"
expire = "3h"
review = "30m"
stay = "30m"
links = 2
p = 0.9
closure = 0.0
repetition = 0.0
triangles = 0
belonging = 0.2
members_min = 3
objects_min = 1
[[sinks.standings]]
kind = "jsonl"
path = "unused"
"""


@cache
def config(text: str = CAMPAIGNS) -> Config:
    return loads(("" if text else "campaigns = false\n") + SCENARIOS[NAME].config + text, "campaigns")


def job() -> Job:
    return config().job()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return write_files(NAME, 2, tmp_path_factory.mktemp("events"))


@pytest.fixture(scope="module")
def reference(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return run_local(job(), source, tmp_path_factory.mktemp("reference") / "out", 8192)


@pytest.fixture(scope="module")
def half(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that stopped in the middle; tests take copies."""
    place = tmp_path_factory.mktemp("half")
    run_until(9, job(), source, place / "out", Options(batch_lines=200, epoch_s=0.02, state_dir=place / "state"))
    (place / "state" / CONFIG_NOTE).write_text(config().to_toml())
    return place


def records(told: Told) -> list[dict[str, Any]]:
    return sorted((json.loads(line) for line in told[0]["campaigns"]), key=lambda r: (r["at"], r["campaign_id"]))


def test_records_follow_each_other(reference: Told) -> None:
    """Of each campaign: found, then what it became, each time with who joined and who left."""
    found: dict[str, set[str]] = {}
    ended = set()
    told = records(reference)
    for r in told:
        name = r["campaign_id"]
        assert name not in ended
        members = {m["subject"] for m in r["members"]}
        assert len(members) == r["size"]
        assert "" not in members
        if r["change"] == "found":
            assert name not in found
            assert members == set(r["joined"])
        elif not r["absorbed"] and r["change"] != "merged":
            assert members == (found[name] | set(r["joined"])) - set(r["left"])
        if r["change"] in ("ended", "merged"):
            ended.add(name)
        assert all(o["object"] and o["column"] in ("track", "artist") for o in r["objects"])
        found[name] = members
    assert len(found) > 1
    assert {"found", "grew", "ended"} <= {r["change"] for r in told}


def alerts(told: Told) -> list[dict[str, Any]]:
    """In the order in which they were raised, campaigns first."""
    found = (json.loads(line) | {"config_digest": None} for line in told[0]["alerts"])
    return sorted(found, key=lambda r: (r["raised"], r["kind"] != "campaign", r["alert_id"]))


def test_nothing_else_changes(source: Source, reference: Told, tmp_path: Path) -> None:
    """Who looks for campaigns is told the same of everybody who is in none."""
    without = run_local(config("").job(), source, tmp_path / "out", 8192)
    assert without[0]["scores"] == reference[0]["scores"]
    members = {m["subject"] for r in records(reference) for m in r["members"]}
    others, same_others = (
        [a for a in alerts(told) if a["kind"] != "campaign" and a["subject"] not in members]
        for told in (without, reference)
    )
    assert len(others) > 50
    assert others == same_others
    assert without[0]["campaigns"] == []


def test_one_alert_for_all_members(reference: Told) -> None:
    """Of each campaign one, told again as it changes; as long as somebody is told as a member nobody is alerted for
    what it does alone.
    """
    open_since: dict[str, set[str]] = {}
    told: dict[str, list[str]] = {}
    for a in alerts(reference):
        if a["kind"] == "campaign":
            c = a["campaign"]
            members = {m["subject"] for m in c["members"]}
            known = told.setdefault(a["alert_id"], [])
            assert (c["change"] == "found") == (not known)
            assert not {"ended", "merged"} & set(known)
            known.append(c["change"])
            open_since[a["alert_id"]] = set() if c["change"] in ("ended", "merged") else members
            assert c["size"] == len(members) > 0
        elif a["kind"] == "user":
            assert not any(a["subject"] in members for members in open_since.values())
    assert {"found", "grew", "ended"} <= {change for changes in told.values() for change in changes}
    assert set(told) <= {r["campaign_id"] for r in records(reference)}
    totals = reference[1]
    assert totals["campaign_alerts"] == len(told)
    assert totals["campaign_updates"] == sum(map(len, told.values())) - len(told)
    assert totals["spared"]["campaign"] > 0


def test_standings_name_the_campaign(reference: Told) -> None:
    """The last one of each subject, the campaign that it is in at the end."""
    last = {}
    for standing in sorted(map(json.loads, reference[0]["standings"]), key=lambda r: str(r["judged"])):
        last[standing["subject"]] = standing
    at_the_end = {r["campaign_id"]: r for r in records(reference)}.values()
    members = {m["subject"]: r["campaign_id"] for r in at_the_end for m in r["members"] if r["change"] != "merged"}
    named = {name: standing["campaign"] for name, standing in last.items() if "campaign" in standing}
    assert len(members) > 10
    assert named == members


def test_found_again_to_the_bit(source: Source, reference: Told) -> None:
    """What explain says of a campaign's alert is what was told."""
    campaigns = [json.loads(line) for line in reference[0]["alerts"] if '"kind":"campaign"' in line]
    chosen = max((a for a in campaigns if a["campaign"]["change"] == "grew"), key=lambda a: a["raised"])
    partitions = [source.open(name) for name in source.partition_names()]
    assert explain_campaign(job(), partitions, chosen | {"run_id": "r"}).reproduced
    partitions = [source.open(name) for name in source.partition_names()]
    assert not explain_campaign(job(), partitions, chosen | {"severity": "none"}).reproduced


@pytest.mark.parametrize("batch_lines", [61, 1000])
def test_cuts_change_nothing(source: Source, reference: Told, tmp_path: Path, batch_lines: int) -> None:
    """Batches of any size."""
    same(run_local(job(), source, tmp_path / "out", batch_lines), reference)


@pytest.mark.parametrize("workers", [(1, 2, 4, 1), (2, 1, 3, 2)])
def test_stops_and_other_numbers_of_workers(
    source: Source, reference: Told, tmp_path: Path, workers: tuple[int, ...]
) -> None:
    """Four lives on different numbers of workers say what one says."""
    for n in workers[:-1]:
        options = Options(workers=n, batch_lines=150, epoch_s=0.02, state_dir=tmp_path / "state")
        run_until(5, job(), source, tmp_path / "out", options)
    last = Options(workers=workers[-1], batch_lines=150, epoch_s=0.02, state_dir=tmp_path / "state")
    same(run_bytewax(job(), source, tmp_path / "out", last), reference)


def test_two_processes(source: Source, reference: Told, tmp_path: Path) -> None:
    """That exchange half of their messages."""
    same(run_bytewax(job(), source, tmp_path / "out", Options(processes=2, batch_lines=1000)), reference)


@pytest.mark.parametrize("reads", [9, 24])
def test_kills(source: Source, reference: Told, tmp_path: Path, reads: int) -> None:
    """What a process had saved when it died is gone on from."""
    options = Options(batch_lines=150, epoch_s=0.0, state_dir=tmp_path / "state")
    dying = AtRead(source, reads, die)
    process = multiprocessing.get_context("spawn").Process(
        target=partial(run_bytewax, job(), dying, tmp_path / "out", options)
    )
    process.start()
    process.join()
    assert process.exitcode == -9
    same(run_bytewax(job(), source, tmp_path / "out", options), reference)


def test_switched_on_over_saved_state(source: Source, tmp_path: Path) -> None:
    """A run that looked for none goes on as one that does: it finds some in what is left, and tells of them."""
    state, out = tmp_path / "state", tmp_path / "out"
    run_until(5, config("").job(), source, out, Options(batch_lines=150, epoch_s=0.02, state_dir=state))
    (state / CONFIG_NOTE).write_text(config("").to_toml())
    assert "campaigns are new: they start cold" in {f.why for f in fates_against(state, config())}
    told = run_bytewax(job(), source, out, Options(batch_lines=150, epoch_s=0.02, state_dir=state))
    named = {json.loads(line)["alert_id"] for line in told[0]["alerts"] if '"kind":"campaign"' in line}
    assert named
    assert named <= {r["campaign_id"] for r in records(told)}


def test_looked_into_and_forgotten(half: Path, tmp_path: Path) -> None:
    """A member is found with its campaigns; once it is forgotten no campaign and no coincidence knows it."""
    shutil.copytree(half / "state", tmp_path / "state")
    with opened(tmp_path / "state", config()) as look:
        told = look.describe()
        lives = look.operators["campaigns"][None]._lives.lives
        name = min(member.name for life in lives for member in life.members.values())
        found = look.look_up(name)
        whole = max(lives, key=lambda life: len(life.members))
        campaign = look.look_up(f"campaign:{whole.id}")
        assert look.look_up("campaign:0123") is None
    assert told["campaigns"]["coincidences"] > 0
    assert campaign is not None
    assert {m["subject"] for m in campaign["members"]} == {m.name for m in whole.members.values()}
    assert 0 < campaign["told"] <= len(whole.members)
    assert campaign["alerted"] >= campaign["since"]
    assert set(told["track objects"]) == {"0", "1", "2", "3"}
    assert found is not None
    assert found["campaigns"]
    removed = forget_in_state(tmp_path / "state", name, config())
    assert removed["campaigns.rows"] == len(found["campaigns"])
    with opened(tmp_path / "state", config()) as look:
        assert look.look_up(name) is None
        for s in look.operators["campaigns"][None]._segments:
            assert name not in s.account_name.tolist()
        for stage in ("track_coaction", "artist_coaction"):
            for operator in look.operators[stage].values():
                buckets = operator._buckets.values()
                assert not any(name in part["account name"].tolist() for b in buckets for part in b.parts)


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ("", FateKind.DROPPED, "campaigns are gone: their state is dropped"),
        (
            CAMPAIGNS.replace('"15m"', '"30m"'),
            FateKind.COLD,
            "campaigns: coincidences are counted otherwise: these start cold, campaigns go on",
        ),
    ],
)
def test_other_settings(half: Path, source: Source, tmp_path: Path, text: str, kind: FateKind, why: str) -> None:
    """What becomes of the state is said before, and the run goes on."""
    after = config(text)
    assert (kind, why) in {(f.kind, f.why) for f in fates_against(half / "state", after)}
    shutil.copytree(half, tmp_path / "half")
    options = Options(batch_lines=200, epoch_s=0.02, state_dir=tmp_path / "half" / "state")
    told = run_bytewax(after.job(), source, tmp_path / "half" / "out", options)
    assert len(told[0]["scores"]) > 0
