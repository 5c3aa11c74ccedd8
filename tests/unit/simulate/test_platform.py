"""The stream: deterministic, bounded disorder, exact duplicates and bad lines, every line as the schema says."""

import copy
from dataclasses import replace

import numpy as np
import orjson
import pytest

from flows.simulate.bad_lines import BAD_KINDS
from flows.simulate.config import MONDAY_US, SimulationSpec
from flows.simulate.people import CLIENTS, PLANS
from flows.simulate.platform import Platform
from flows.simulate.rows import Type
from state.errors import ConfigError, SourceError
from state.types import DAY_US, HOUR_US, MINUTE_US, SECOND_US

SPEC = SimulationSpec(users=300, duration_us=8 * HOUR_US, duplicate_share=0.01, seed=3)
NUMBERS = ("event_time", "track_ms", "ms_played", "account_created")
TEXTS = ("event_id", "user_id", "device_id", "ip", "track_id", "artist_id", "rights_holder_id", "context_id")


def flat(platform: Platform, partition: str, chunk_us: int = HOUR_US) -> list[bytes]:
    """All lines of a partition."""
    return [line for lines in platform.lines(partition, chunk_us) for line in lines]


def everything(spec: SimulationSpec) -> list[bytes]:
    """All lines of all partitions, one after another."""
    platform = Platform(spec)
    return [line for partition in platform.partitions() for line in flat(platform, partition)]


def test_lines_are_a_function_of_spec_and_partition() -> None:
    """Read twice, by another platform, in another order, in other chunks: the same bytes.  Another seed: others."""
    one, two = Platform(SPEC), Platform(SPEC)
    last, first = flat(two, "part-01", 7 * MINUTE_US), flat(two, "part-00", 3 * HOUR_US)
    assert flat(one, "part-00") == first == flat(one, "part-00")
    assert flat(one, "part-01") == last
    assert one.truth() == two.truth()
    assert flat(copy.deepcopy(one), "part-01") == last
    assert not set(everything(replace(SPEC, seed=4))) & set(first)


def test_later_days_can_be_had_first() -> None:
    """Days do not depend on which were asked for before; events spread over them without a seam at midnight."""
    spec = SimulationSpec(users=600, duration_us=2 * DAY_US + 5 * HOUR_US, start_us=MONDAY_US + 7 * HOUR_US + 123)
    straight, jump = Platform(spec), Platform(spec)
    seen = [straight.days.day(d) for d in range(3)]
    for number in (2, 0, 1):
        assert (jump.days.day(number)[1] == seen[number][1]).all()
        assert (jump.days.day(number)[0].time_us == seen[number][0].time_us).all()
    ids = np.concatenate([ids for _, ids in seen])
    assert len(np.unique(ids)) == len(ids)
    time_us = np.concatenate([rows.time_us for rows, _ in seen])
    assert (np.diff(time_us) >= 0).all()
    assert time_us[0] >= spec.start_us
    assert time_us[-1] < spec.stop_us
    human = [~np.isin(r.user, np.concatenate([c.user for _, c in straight.world.crews])) for r, _ in seen]
    per_hour = np.bincount((time_us[np.concatenate(human)] - spec.start_us) // HOUR_US)
    assert per_hour.min() > 0.2 * per_hour.mean()


def test_duplicates_are_exact_copies_shortly_afterwards() -> None:
    """round(share * events) of a partition, byte for byte, at most once each, counted as such."""
    platform = Platform(SPEC)
    for partition in platform.partitions():
        lines = flat(platform, partition)
        chunks = list(platform.chunks(partition))
        events, copies = sum(c.events for c in chunks), sum(c.duplicates for c in chunks)
        assert len(lines) == events + copies
        assert len(set(lines)) == events == len({orjson.loads(line)["event_id"] for line in lines})
        assert copies == round(0.01 * events) > 0
        assert max(np.unique(lines, return_counts=True)[1]) == 2


@pytest.mark.parametrize("disorder_us", [0, 3 * SECOND_US, MINUTE_US])
def test_disorder_is_bounded(disorder_us: int) -> None:
    """No event is older than the newest before it by disorder_us; for more than nothing, some are overtaken."""
    platform = Platform(replace(SPEC, disorder_us=disorder_us))
    time_us = np.array([orjson.loads(line)["event_time"] for line in flat(platform, "part-00")]) * 1000
    behind_us = np.maximum.accumulate(time_us) - time_us
    assert behind_us.max() <= max(0, disorder_us - 1)
    assert (behind_us > 0).any() == (disorder_us > 0)


def test_chunks_follow_arrival_time() -> None:
    """There is one for each step of time, and it holds what arrives in it: events of up to disorder_us before."""
    chunks = list(Platform(SPEC).chunks("part-00", 10 * MINUTE_US))
    assert [c.arrival_us for c in chunks] == list(range(SPEC.start_us, SPEC.stop_us, 10 * MINUTE_US))
    for chunk in chunks:
        for line in chunk.lines:
            time_us = orjson.loads(line)["event_time"] * 1000
            assert chunk.arrival_us - SPEC.disorder_us < time_us < chunk.arrival_us + 10 * MINUTE_US


def test_partitions_hold_the_same_events_however_they_are_cut() -> None:
    """By user: an account's events are together.  By event: spread.  The set of events is the same, also for one."""
    spec = replace(SPEC, duplicate_share=0.0)
    by_user, by_event = (Platform(replace(spec, partitions=3, partition_by=by)) for by in ("user", "event"))
    lines = set(everything(replace(spec, partitions=1)))
    where: dict[str, set[str]] = {}
    for platform in (by_user, by_event):
        parts = {p: flat(platform, p) for p in platform.partitions()}
        assert set().union(*parts.values()) == lines
        assert min(map(len, parts.values())) > 0.2 * len(lines)
        if platform is by_user:
            for partition, found in parts.items():
                for line in found:
                    where.setdefault(orjson.loads(line)["user_id"], set()).add(partition)
    assert {len(p) for p in where.values()} == {1}


def test_every_line_is_as_the_schema_says() -> None:
    """Flat JSON, known words, types, plays with their duration and nothing else with one, ids without surprises."""
    words = {t.name.lower() for t in Type}
    seen = set()
    for line in everything(replace(SPEC, duration_us=DAY_US)):
        event = orjson.loads(line)
        assert orjson.dumps(event) == line
        assert {type(event[k]) for k in TEXTS if k in event} == {str}
        assert all(type(event[k]) is int and event[k] >= 0 for k in NUMBERS if k in event)
        assert {"event_id", "event_time", "type", "user_id", "ip", "country"} <= event.keys()
        assert event.keys() <= {*TEXTS, *NUMBERS, "type", "plan", "client", "country", "offline"}
        assert event["type"] in words
        assert event["plan"] in PLANS
        assert event["client"] in CLIENTS
        assert len(event["country"]) == 2
        assert ("ms_played" in event) == ("offline" in event) == (event["type"] == "play")
        if event["type"] == "play":
            assert event["ms_played"] <= event["track_ms"] or event["ms_played"] < 140_000
            assert type(event["offline"]) is bool
            assert {"track_id", "artist_id", "rights_holder_id", "device_id"} <= event.keys()
        assert SPEC.start_us <= event["event_time"] * 1000 < SPEC.start_us + DAY_US
        assert event["account_created"] <= event["event_time"]
        seen.add(event["type"])
    assert words - seen <= {"sign_up", "password_change", "email_change", "plan_change"}


def test_bad_lines_are_extra_and_counted() -> None:
    """round(share * events) of each kind in each partition; without them the stream is the clean one."""
    clean, dirty = Platform(SPEC), Platform(replace(SPEC, bad_line_share=0.01))
    for partition in clean.partitions():
        good = flat(clean, partition)
        chunks = list(dirty.chunks(partition))
        mixed = [line for c in chunks for line in c.lines]
        known = set(good)
        assert [line for line in mixed if line in known] == good
        for kind in BAD_KINDS:
            assert sum(c.bad[kind] for c in chunks) == round(0.01 * len(known)) > 0
        assert len(mixed) - len(good) == len(BAD_KINDS) * round(0.01 * len(known))


def test_each_bad_line_is_bad_in_its_own_way() -> None:
    """One example of each kind, and what is wrong with it."""
    line = next(line for line in flat(Platform(SPEC), "part-00") if b'"type":"play"' in line)
    bad = {kind: make(line) for kind, make in BAD_KINDS.items()}
    for kind in ("not_json", "invalid_utf8", "nan"):
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(bad[kind])
    assert b"NaN" in bad["nan"]
    with pytest.raises(UnicodeDecodeError):
        bad["invalid_utf8"].decode()
    assert isinstance(orjson.loads(bad["not_an_object"]), list)
    assert isinstance(orjson.loads(bad["wrong_type"])["event_time"], str)
    assert "user_id" not in orjson.loads(bad["missing_field"])
    assert orjson.loads(bad["time_out_of_range"])["event_time"] < 0
    assert len(bad["over_long"]) > 65_536
    assert orjson.loads(bad["huge_integer"])["event_time"] >= 1e40
    assert isinstance(orjson.loads(bad["nested"])["user_id"], dict)
    assert all(b"\n" not in b for b in bad.values())


def test_plan_changes_show_from_then_on() -> None:
    """An account's lines carry the old plan before its plan_change event and the new one from it on."""
    platform = Platform(replace(SPEC, duplicate_share=0, disorder_us=0, campaigns=()))
    platform.world.people.plan_change_us[:] = SPEC.start_us + 4 * HOUR_US  # everybody, for once
    plans: dict[str, list[str]] = {}
    changed = set()
    for partition in platform.partitions():
        for line in flat(platform, partition):
            event = orjson.loads(line)
            if event["type"] == "plan_change":
                changed.add(event["user_id"])
                assert event["plan"] not in plans.get(event["user_id"], [])
                plans[event["user_id"]] = []
            plans.setdefault(event["user_id"], []).append(event["plan"])
    assert len(changed) > 200
    assert all(len(set(p)) == 1 for p in plans.values())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"users": 3}, "users is 3; it must lie between 50"),
        ({"duration_us": 0}, "duration_us"),
        ({"seed": -1}, "seed"),
        ({"partitions": 0}, "partitions"),
        ({"duplicate_share": 0.9}, "duplicate_share"),
        ({"disorder_us": -1}, "disorder_us"),
        ({"partition_by": "ip"}, 'must be "user" or "event"'),
        ({"campaigns": (*SPEC.campaigns, *SPEC.campaigns)}, "names must differ"),
        ({"campaigns": (replace(SPEC.campaigns[0], users=200),)}, "at most a quarter"),
        ({"campaigns": (replace(SPEC.campaigns[0], start_us=-5),)}, "loop_bot: start_us -5"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong(change: dict[str, object], says: str) -> None:
    """The field, the value seen and what is allowed."""
    with pytest.raises(ConfigError, match=says):
        replace(SPEC, **change)


def test_a_campaign_larger_than_its_recruits_is_refused() -> None:
    """When the world is drawn, for only then it is known who suits."""
    with pytest.raises(ConfigError, match="account_takeover-2 wants 20 accounts, but only 5 suitable ones are left"):
        Platform(replace(SPEC, active_share=0.1, campaigns=(replace(SPEC.campaigns[4], users=60),)))


def test_an_unknown_partition_is_an_error() -> None:
    """It names those there are."""
    with pytest.raises(SourceError, match="part-00, part-01"):
        next(Platform(SPEC).lines("part-07"))


def test_a_platform_without_campaigns_has_only_people() -> None:
    """No attackers in the truth, and events all the same."""
    platform = Platform(replace(SPEC, campaigns=()))
    assert not any(r["is_attacker"] for r in platform.truth())
    assert flat(platform, "part-00")
