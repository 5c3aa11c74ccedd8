"""Coincidences, popularity and links against loops over the events, through the whole flow."""

import math
import random
from collections import defaultdict
from itertools import combinations
from typing import Any, Final

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import driftnet
from detectors.campaigns.coincidence import Coincidences
from detectors.campaigns.evidence import TIMES_MAX, chance, gather, strengths
from flows.drive.local import LocalDriver
from flows.operators.campaigns import operator as campaigns_stage
from flows.sources.files import FilesSpec

BUCKET_S: Final = 300
HALF_S: Final = 3600
ACCOUNTS_MAX: Final = 3
VISITS_MAX: Final = 60.0
DAY_S: Final = 86_400
CONFIG: Final = driftnet.loads(f"""
[job]
extends = "none"
key_groups = 3
[event]
id = ""
time = {{ path = "t", unit = "s" }}
subject = "user"
kind = "user"
[event.columns]
song = {{ kind = "id" }}
band = {{ kind = "id" }}
ms = {{ kind = "number" }}
[time]
out_of_orderness = "10m"
dedup_horizon = "0s"
ahead_max = "0s"
[features]
n = {{ kind = "count" }}
[windows.w]
kind = "tumbling"
size = "5m"
[campaigns]
objects = ["song"]
parents = {{ song = "band" }}
where = {{ ms = {{ min = 30 }} }}
bucket = "{BUCKET_S}s"
review = "2h"
popularity_half = "{HALF_S}s"
accounts_max = {ACCOUNTS_MAX}
visits_max = {VISITS_MAX}
""")

events = st.lists(
    st.fixed_dictionaries(
        {
            "t": st.integers(1_700_000_100, 1_700_000_100 + 2000),
            "user": st.sampled_from("abcdefg"),
            "song": st.sampled_from(["x", "y", "z", ""]),
            "ms": st.sampled_from([10, 30, 90]),
        }
    ),
    min_size=1,
    max_size=80,
)


def by_loops(rows: list[dict[str, Any]]) -> tuple[dict[tuple[int, str], set[tuple[str, str]]], dict[str, float]]:
    """(end of a bucket, song) -> pairs of users that coincided there; song -> visits a day as they were told last."""
    visits: dict[tuple[int, str], set[str]] = defaultdict(set)
    for row in rows:
        if row["song"] and row["ms"] >= 30:
            visits[row["t"] // BUCKET_S, row["song"]].add(row["user"])
    pairs, told = {}, {}
    for number, song in sorted(visits):
        ago = {
            n: len(users - visits.get((n - 1, song), set())) * 0.5 ** ((number - n) * BUCKET_S / HALF_S)
            for (n, s), users in visits.items()
            if s == song
        }
        a_day = math.log(2) * DAY_S / HALF_S
        now = a_day * sum(v for n, v in ago.items() if n <= number)
        before = a_day * sum(v for n, v in ago.items() if n < number)
        here, there = visits[number, song], visits.get((number - 1, song), set())
        found = set()
        if now <= VISITS_MAX and len(here) <= ACCOUNTS_MAX:
            found |= {tuple(sorted(pair)) for pair in combinations(here, 2)}
            if len(there) <= ACCOUNTS_MAX:
                found |= {tuple(sorted((a, b))) for a in here for b in there if a != b}
        if found:
            pairs[(number + 1) * BUCKET_S, song] = found
        if found or (now > VISITS_MAX >= before):
            told[song] = now
    return pairs, told


def told_by_the_flow(rows: list[dict[str, Any]], tmp: Any, monkeypatch: pytest.MonkeyPatch) -> list[Coincidences]:
    seen: list[Coincidences] = []
    file = tmp / "events.jsonl"
    file.write_bytes(b"\n".join(orjson.dumps(row | {"band": row["song"].upper()}) for row in rows))
    plain = campaigns_stage.CampaignOperator.process

    def listening(self: Any, message: Any) -> Any:
        seen.extend(message.told)
        return plain(self, message)

    with monkeypatch.context() as patched:
        patched.setattr(campaigns_stage.CampaignOperator, "process", listening)
        source = FilesSpec((str(file),))
        LocalDriver(CONFIG.job(), [source.open(name) for name in source.partition_names()], {}, batch_lines=7).run()
    return sorted(seen, key=lambda told: (told.end_us, told.sender))


@settings(max_examples=40, deadline=None)
@given(rows=events, seed=st.integers(0, 9))
def test_pairs_of_the_flow(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], seed: int) -> None:
    """Events in disorder, twice or once: the pairs that a loop over all buckets finds, and what it says of songs."""
    rng = random.Random(seed)
    shuffled = sorted([*rows, *rows], key=lambda row: row["t"] + rng.uniform(0, 590))
    told = told_by_the_flow(shuffled, tmp_path_factory.mktemp("oracle"), pytest.MonkeyPatch())
    pairs: dict[tuple[int, str], set[tuple[str, ...]]] = defaultdict(set)
    visits = {}
    for t in told:
        for low, high, on in zip(t.low.tolist(), t.high.tolist(), t.on.tolist(), strict=True):
            pair = tuple(sorted((t.account_name[low], t.account_name[high])))
            at = t.end_us // 1_000_000, t.object_name[on]
            assert pair not in pairs[at]
            pairs[at].add(pair)
        visits |= dict(zip(t.object_name.tolist(), t.visits.tolist(), strict=True))
    expected, expected_visits = by_loops(rows)
    assert dict(pairs) == expected
    assert visits == pytest.approx(expected_visits)


@settings(max_examples=40, deadline=None)
@given(rows=events)
def test_strengths(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    """What the coincidences say of each pair, counted by hand."""
    rows.sort(key=lambda row: row["t"])
    told = told_by_the_flow(rows, tmp_path_factory.mktemp("oracle"), pytest.MonkeyPatch())
    pairs, visits = by_loops(rows)
    times: dict[tuple[str, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (_, song), found in pairs.items():
        if visits[song] <= VISITS_MAX:
            for pair in found:
                times[pair][song] += 1
    capped = {pair: {song: min(n, TIMES_MAX) for song, n in of.items()} for pair, of in times.items()}
    degree: dict[str, float] = defaultdict(float)
    for pair, of in capped.items():
        for user in pair:
            degree[user] += sum(of.values())
    evidence = gather(told, VISITS_MAX)
    found = strengths(evidence, VISITS_MAX)
    improbable = chance(evidence, found.low, found.high, found.times)
    names = {k: n for t in told for k, n in zip(t.account.tolist(), t.account_name.tolist(), strict=True)}
    name = [names[k] for k in evidence.account.tolist()]
    assert len(found) == len(capped)
    for i in range(len(found)):
        pair = tuple(sorted((name[found.low[i]], name[found.high[i]])))
        of = capped[pair]
        assert found.objects[i] == len(of)
        assert found.times[i] == sum(of.values())
        assert found.weight[i] == pytest.approx(
            sum(n * math.log1p(VISITS_MAX / max(visits[song], 1)) for song, n in of.items())
        )
        assert found.varied[i] == (len(of) > 1)
        mean = degree[pair[0]] * degree[pair[1]] / sum(degree.values())
        k = max(sum(of.values()), mean)
        assert improbable[i] == pytest.approx((k - mean - k * math.log(k / mean)) / math.log(10), abs=1e-9)
    assert np.array_equal(evidence.degree, [degree[n] for n in name])
