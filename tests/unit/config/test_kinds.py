"""[subjects]: what is right, and what is said of what is wrong."""

import pytest

from flows.config import loads
from flows.loans import Borrower, Borrows, Lends
from state.errors import ConfigError

NET = """
[subjects.net]
key = "ip"
lends = ["users"]
features = { users = { kind = "nunique", column = "user" } }
windows = { h = { kind = "tumbling", size = "1h" } }
[features.crowd]
kind = "max"
column = "net_users"
[windows.w5m]
features = ["plays", "paid_plays", "crowd"]
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        loads(text, "a.toml").job()
    return str(raised.value).splitlines()


def test_a_kind_and_its_loans() -> None:
    """Who borrows follows from the columns that are used."""
    job = loads(NET).job()
    (net,) = job.kinds
    assert (net.name, net.key, net.alerts, net.job.judgement.kind, job.judgement.kind) == (
        "net", "ip", False, "net", "user",
    )  # fmt: skip
    assert job.stream.borrows == (Borrows("net", "ip", ("users",)),)
    assert net.job.stream.lends == Lends("h", ("users",), (Borrower("", "user"),))
    assert net.job.judgement.cohorts.names == ("net:all",)
    assert job.decoded >= {"ip"}
    assert "net_users" not in job.decoded | job.columns


def test_what_nobody_borrows_is_not_sent() -> None:
    """Nobody waits for it either."""
    unused = NET.replace('"crowd"]', '"paid_per_hour"]')
    job = loads(unused).job()
    assert job.stream.borrows == ()
    assert job.kinds[0].job.stream.lends is None


def test_panes_are_shared() -> None:
    """A kind with narrower windows narrows those of all."""
    assert loads(NET).job().stream.pane_us == 300_000_000
    assert loads(NET.replace('size = "1h"', 'size = "1m"')).job().stream.pane_us == 60_000_000


def test_the_digest_is_of_all_kinds() -> None:
    """What a kind is matters, what the stream's own subjects are called does not."""
    digests = {
        loads(text).job().digest
        for text in (
            "", NET, NET.replace('"1h"', '"2h"'), NET.replace('key = "ip"', 'key = "device"'),
            NET.replace('key = "ip"', 'key = "ip"\nwhere = { type = "play" }'),
            NET.replace('key = "ip"', 'key = "ip"\nalerts = true'),
        )
    }  # fmt: skip
    assert len(digests) == 6
    assert loads('[event]\nkind = "listener"').job().digest == loads("").job().digest


def test_a_configuration_can_be_told_and_read_again() -> None:
    """With the tables of each kind."""
    config = loads(NET)
    assert loads(config.to_toml()).job() == config.job()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('key = "ip"', 'key = "ipp"', "a.toml:3: subjects.net.key: seen 'ipp', allowed: a column of kind id"),
        ('key = "ip"', 'key = "plan"', "a.toml:3: subjects.net.key: seen 'plan', allowed: a column of kind id"),
        ('column = "user"', 'column = "usr"', "subjects.net.features.users.column: seen 'usr'"),
        ('["users"]', '["user"]', "a.toml:4: subjects.net.lends: seen 'user', allowed: names of features: users"),
        ('size = "1h"', 'size = "0s"', "subjects.net.windows.h"),
        ('"net_users"', '"net_user"', "features.crowd.column: seen 'net_user', allowed: an event column"),
        ('key = "ip"', 'key = "ip"\nttl = "5m"', "subjects.net.ttl: seen '5m', allowed: at least 1h"),
        ("subjects.net", "subjects.user", "subjects.user: seen 'user', allowed: another name"),
        ("subjects.net", "subjects.Net", "subjects.Net"),
        ('key = "ip"', 'key = "ip"\nwhere = { typ = "play" }', "subjects.net.where.typ: seen 'typ'"),
        ('key = "ip"', 'key = "ip"\ncohorts = { column = "ip" }', "subjects.net.cohorts.column: seen 'ip'"),
        ('lends = ["users"]', 'lend = ["users"]', "subjects.net.lend: seen the key 'lend'"),
        ('kind = "nunique", column = "user"', 'kind = "rejects"', "subjects.net.features.users.kind: seen 'rejects'"),
        ("[features.crowd]", '[event]\nkind = "country"\n[features.crowd]', "event.kind: seen 'country'"),
        ("[features.crowd]", '[event]\nkind = "subject"\n[features.crowd]', "event.kind: seen 'subject'"),
    ],
)  # fmt: skip
def test_mistakes(before: str, after: str, said: str) -> None:
    """Place, key, what was seen, what is allowed; all within the kind's own table."""
    assert before in NET
    found = mistakes(NET.replace(before, after))
    assert any(said in line for line in found), found


def test_circles_are_refused() -> None:
    """Nobody waits for somebody who waits for them."""
    two = """
    [subjects.a]
    key = "ip"
    lends = ["n"]
    features = { n = { kind = "max", column = "b_n" } }
    windows = { h = { kind = "tumbling", size = "1h" } }
    [subjects.b]
    key = "device"
    lends = ["n"]
    features = { n = { kind = "max", column = "a_n" } }
    windows = { h = { kind = "tumbling", size = "1h" } }
    """
    (line,) = mistakes(two)
    assert "subjects: seen 'a -> b -> a', allowed: kinds that lend to each other in one direction" in line or (
        "subjects: seen 'b -> a -> b'" in line
    )


def test_which_window_is_lent_from() -> None:
    """It is said where several could be."""
    two = NET.replace('size = "1h" } }', 'size = "1h" }, d = { kind = "tumbling", size = "1d" } }')
    (line,) = mistakes(two)
    assert "subjects.net.lends_from: seen nothing, allowed: a window that has all features of lends: h, d" in line
    assert loads(two.replace('key = "ip"', 'key = "ip"\nlends_from = "d"')).job().kinds[0].job.stream.lends is not None


def test_features_that_go_on() -> None:
    """They need a feature to go on from, a half-life, and windows that hold each event once."""
    own = (
        '[features.s]\nkind = "surge"\nfeature = "plays"\nhalf_life = "4h"\n[windows.w5m]\nfeatures = ["plays", "s"]\n'
    )
    assert loads(own.replace('["plays", "s"]', '["plays", "paid_plays", "s"]')).job()
    own = own.replace('["plays", "s"]', '["plays", "paid_plays", "s"]')
    for before, after, said in (
        ('feature = "plays"', 'feature = "play"', "features.s.feature: seen 'play', allowed: a feature"),
        ('half_life = "4h"\n', "", "features.s.half_life: seen nothing"),
        ('"4h"', '"0s"', "features.s.half_life: seen 0"),
        ("windows.w5m", "windows.w1h", "which holds an event several times"),
        ('feature = "plays"', 'feature = "s"', "feature 's': seen a circle s -> s, allowed: features made of others"),
        ('kind = "surge"', 'kind = "count"', "the key 'feature'"),
    ):
        found = mistakes(own.replace(before, after))
        assert any(said in line for line in found), (said, found)
