"""The world of company as a whole: a function of its settings, apart from the plain one, which stays as it is."""

import hashlib
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import orjson
import pytest

from flows.config import loads
from flows.config.endpoints import SimulatorConfig
from flows.simulate.company.apart import apart
from flows.simulate.company.kinds import ALL_NAMES, PLAIN_NAMES, campaigns_of
from flows.simulate.company.layout import Block, Layout
from flows.simulate.company.settings import CompanySettings, spread
from flows.simulate.config import SimulationSpec
from flows.simulate.encode import Encoder
from flows.simulate.files import write_files
from flows.simulate.ledger import Ledger
from flows.simulate.platform import Platform
from flows.simulate.rows import Rows, Type
from state.errors import ConfigError
from state.types import DAY_US, END_OF_TIME_US, MS_US, SECOND_US
from tests.unit.simulate.company import begin_us, spec

SMALL = replace(spec(users=1000, days=2, seed=9), duplicate_share=0.0)


def lines(platform: Platform) -> list[list[bytes]]:
    """By partition."""
    return [[line for chunk in platform.lines(p) for line in chunk] for p in platform.partitions()]


def test_the_plain_world_is_as_it_was() -> None:
    """To the byte: figures were measured on it, and recordings of it are kept."""
    plain = Platform(SimulationSpec(users=600, duration_us=3 * DAY_US, seed=11))
    said = hashlib.sha256(b"".join(line + b"\n" for part in lines(plain) for line in part)).hexdigest()
    assert said[:32] == "26584a7887318937d79273000328d37e"
    known = hashlib.sha256(b"".join(orjson.dumps(record) for record in plain.truth())).hexdigest()
    assert known[:32] == "7bdc915833e8251f31c06beb4da1ccc5"


def test_the_same_seed_gives_the_same_lines() -> None:
    """Another seed, and each setting, others; truth and campaigns too."""
    one, again = Platform(SMALL), Platform(SMALL)
    assert lines(one) == lines(again)
    assert one.truth() == again.truth()
    assert one.campaigns() == again.campaigns()
    assert lines(Platform(replace(SMALL, seed=10))) != lines(one)


def test_partitions_hold_the_same_events() -> None:
    """However many there are, by account or by event."""
    whole = {line for part in lines(Platform(replace(SMALL, partitions=1))) for line in part}
    for by in ("user", "event"):
        parts = lines(Platform(replace(SMALL, partitions=3, partition_by=by)))
        assert sum(map(len, parts)) == len(whole)
        assert {line for part in parts for line in part} == whole


def test_a_longer_simulation_begins_with_the_shorter_one_and_any_day_can_be_had_first() -> None:
    """With all farms and crowds, line for line."""
    short, long, jump = Platform(SMALL), Platform(replace(SMALL, duration_us=3 * DAY_US)), Platform(SMALL)
    jump.days.day(1)
    for number in (0, 1):
        for other in (long, jump):
            (rows, ids), (again, twins) = short.days.day(number), other.days.day(number)
            assert (ids == twins).all()
            assert Encoder(short.world).lines(rows, ids) == Encoder(other.world).lines(again, twins)
    assert jump.truth() == short.truth()
    assert jump.campaigns() == short.campaigns()


def test_people_who_are_in_no_company_are_not_asked_who_attacks() -> None:
    """Without attackers there are the crowds and no campaign; the factor counts farms in, too."""
    none, twice = Platform(replace(SMALL, attackers=0.0)), replace(SMALL, attackers=2.0)
    assert none.campaigns() == []
    assert not any(r["is_attacker"] for r in none.truth())
    assert sum(twice.crew_sizes()) == 2 * sum(SMALL.crew_sizes())
    assert {c.name for c, _ in Platform(SMALL).world.crews} == set(ALL_NAMES)


def test_attackers_crowds_and_audiences_are_different_people() -> None:
    """Who is in a crowd finds no campaign's tracks; fervent listeners of two campaigns may be the same."""
    world = Platform(replace(SMALL, users=5000, duration_us=DAY_US)).world
    assert world.company is not None
    attackers = np.concatenate([crew.user for _, crew in world.crews])
    members = np.concatenate([crowd.members for crowd in world.company.crowds])
    heavy = np.concatenate([few.listeners for _, few in world.company.organic.values()])
    audiences = np.concatenate([heavy, *(many.listeners for many, _ in world.company.organic.values())])
    assert len(np.intersect1d(attackers, members)) == 0
    assert len(np.intersect1d(np.concatenate((attackers, members)), audiences)) == 0
    assert len(np.unique(heavy)) < 0.8 * len(heavy)


def test_the_ledger_has_plays_of_own_tracks_from_the_start_on() -> None:
    """Day by day in any order; not what others play, nor an account before it sets out, nor what is no play."""
    platform = Platform(replace(SMALL, duration_us=DAY_US))
    (_, crew), *_ = platform.world.crews
    ledger = Ledger(platform.world.crews, len(platform.world.people))
    start_us = crew.start_us.astype(np.int64)
    others = np.setdiff1d(np.arange(1000, dtype=np.int32), crew.user)[: len(crew)]

    def plays(user: np.ndarray, late_us: int, track: int, kind: Type = Type.PLAY) -> Rows:
        return Rows.of(start_us + late_us, user, kind=kind, track=track, ms=1)

    own = int(crew.tracks[-1])
    ledger.note(1, plays(crew.user, 5 * SECOND_US, own))
    assert 0 not in ledger
    ledger.note(
        0,
        Rows.concat(
            [
                plays(crew.user, 2 * SECOND_US, int(crew.tracks[0])),
                plays(crew.user, -SECOND_US, own),
                plays(crew.user, SECOND_US, own, Type.LIKE),
                plays(crew.user, SECOND_US, own + 1),
                plays(others, SECOND_US, own),
            ]
        ),
    )
    assert 0 in ledger
    assert (ledger.first_us[crew.user] == start_us + 2 * SECOND_US).all()
    assert (np.delete(ledger.first_us, crew.user) == END_OF_TIME_US).all()
    expected = np.sort(np.concatenate((start_us + 2 * SECOND_US, start_us + 5 * SECOND_US)))
    assert ledger.plays_us(0).tolist() == expected.tolist()
    assert len(ledger.plays_us(1)) == 0


def test_the_catalogue_grows_with_the_users() -> None:
    """Eight tracks each, whatever `tracks` says."""
    assert [replace(SMALL, users=users).genuine_tracks for users in (1000, 5000)] == [8000, 40_000]
    settings = CompanySettings(tracks_per_user=20.0)
    assert replace(SMALL, company=settings).genuine_tracks == 20_000
    assert replace(SMALL, company=None).genuine_tracks == SMALL.tracks


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"organic": (0.5, 0.1)},
            r"company.organic is \(0.5, 0.1\); it must lie between 0 and 10, the first not above",
        ),
        ({"decoys": (0.3, 1.0)}, "company.decoys"),
        ({"plays": (0.0, 5.0)}, "company.plays"),
        ({"jitter_us": (0, DAY_US)}, "company.jitter_us"),
        ({"partitions": 0}, "company.partitions is 0; it must lie between 1 and 50"),
    ],
)
def test_a_wrong_setting_says_what_is_wrong(change: dict[str, object], says: str) -> None:
    """The setting, the value seen and what is allowed."""
    with pytest.raises(ConfigError, match=says):
        replace(CompanySettings(), **change)


def test_company_wants_a_thousand_users() -> None:
    """Of fewer no crowds can be made; and 2,000 tracks."""
    with pytest.raises(ConfigError, match="users is 900; with company it must be at least 1000"):
        replace(SMALL, users=900)
    with pytest.raises(ConfigError, match=r"tracks_per_user is 1\.5, which makes 1500 tracks for 1000 users; 2000 are"):
        replace(SMALL, company=CompanySettings(tracks_per_user=1.5))
    assert Platform(replace(SMALL, company=CompanySettings(tracks_per_user=2.0), duration_us=DAY_US)).days.day(0)


def test_spread_values_lie_between_the_ends() -> None:
    """As many in each doubling; equal ends are exact, 0 too."""
    rng = np.random.default_rng(1)
    values = spread(rng, (20.0, 500.0), 5000)
    assert values.min() >= 20
    assert values.max() <= 500
    assert np.median(values) == pytest.approx(100, rel=0.1)
    assert np.allclose(spread(rng, (0.25, 0.25), 10), 0.25)
    assert np.allclose(spread(rng, (0.0, 0.0), 10), 0)


def test_addresses_lie_in_blocks() -> None:
    """Different, valid and canonical; held blocks alone in theirs, others with neighbours of one country."""
    country = np.random.default_rng(1).integers(0, 4, 2000).astype(np.int16)
    held = [Block(np.arange(10, 210, dtype=np.int32), six=False), Block(np.arange(600, 640, dtype=np.int32), six=True)]
    layout = Layout.build(np.random.default_rng(2), country, 1500, held)
    found = layout.texts(7)
    assert len(set(found)) == len(found) == 2000
    assert [str(ip_address(text)) for text in found] == found
    longer = Layout.build(np.random.default_rng(2), np.concatenate((country, country[::3])), 1500, held)
    assert longer.texts(7)[:2000] == found
    blocks: dict[str, set[int]] = {}
    for index, text in enumerate(found):
        cut = text.rsplit(".", 1)[0] if "." in text else ":".join(text.split(":")[:3])
        blocks.setdefault(cut, set()).add(index)
    assert set(range(10, 210)) in blocks.values()
    assert set(range(600, 640)) in blocks.values()
    others = [block for block in blocks.values() if len(block) <= 10]
    assert len(others) == len(blocks) - 2
    assert all(len({int(country[i]) for i in block}) == 1 for block in others)
    assert np.mean([len(block) for block in others]) > 9
    assert 0.15 < np.mean([":" in found[next(iter(block))] for block in others]) < 0.35


def test_apart_is_what_comparing_all_pairs_says() -> None:
    """Plays that touch are not at once; other accounts' do not matter."""
    rng = np.random.default_rng(3)

    def some(count: int) -> Rows:
        end_us = rng.integers(100, 5000, count) * MS_US
        user = rng.integers(0, 6, count).astype(np.int32)
        return Rows.of(end_us, user, ms=rng.integers(1, 90, count).astype(np.int32))

    rows, busy = some(300), some(60)
    before, after = Rows.of(begin_us(busy), busy.user, ms=5), Rows.of(busy.time_us + 5 * MS_US, busy.user, ms=5)
    rows = Rows.concat((rows, before, after))
    expected = [
        not any(u == v and b < f and c < e for v, c, f in zip(busy.user, begin_us(busy), busy.time_us, strict=True))
        for u, b, e in zip(rows.user, begin_us(rows), rows.time_us, strict=True)
    ]
    assert apart(rows, busy).tolist() == expected
    assert 50 < sum(expected) < len(expected)
    assert apart(rows, busy.take(slice(0))).all()


def test_files_hold_the_campaigns(tmp_path: Path) -> None:
    """One line each, with when they played; the truth beside them has the crowds."""
    written = write_files(SMALL, tmp_path)
    campaigns = [orjson.loads(line) for line in written.campaigns.read_bytes().splitlines()]
    assert campaigns == Platform(SMALL).campaigns()
    assert {c["role"] for c in campaigns} == set(ALL_NAMES)
    assert all(len(c["percentiles_us"]) == 101 for c in campaigns if c["plays"])
    truth = [orjson.loads(line) for line in written.truth.read_bytes().splitlines()]
    assert {"shop_chain-1", None} < {record["crowd"] for record in truth}


def test_the_configuration_chooses_it() -> None:
    """A table of settings; an empty one is the defaults, none is the plain world."""
    toml = '[sources.main]\nkind = "simulator"\nusers = 2000\n'
    plain, usual, own = (
        loads(toml + more).sources["main"]
        for more in ("", "company = {}\n", '[sources.main.company]\norganic = [0.25, 0.25]\njitter = ["0s", "5m"]\n')
    )
    assert isinstance(plain, SimulatorConfig)
    assert isinstance(usual, SimulatorConfig)
    assert isinstance(own, SimulatorConfig)
    assert plain.simulation().company is None
    assert plain.simulation().campaigns == campaigns_of(None)
    assert usual.simulation().company == CompanySettings()
    assert usual.simulation().campaigns == campaigns_of(CompanySettings())
    assert own.simulation().company == CompanySettings(organic=(0.25, 0.25), jitter_us=(0, 300_000_000))


def test_farms_are_refused_in_the_plain_world() -> None:
    """And accepted with company, alone."""
    toml = '[sources.main]\nkind = "simulator"\ncampaigns = ["aged_farm", "loop_bot"]\n'
    with pytest.raises(ConfigError, match="farms are in the world of company"):
        loads(toml)
    source = loads(toml + "company = {}\n").sources["main"]
    assert isinstance(source, SimulatorConfig)
    assert [c.name for c in source.simulation().campaigns] == ["loop_bot", "aged_farm"]
    assert set(PLAIN_NAMES) < set(ALL_NAMES)
