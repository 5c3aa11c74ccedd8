"""Addresses that are kept as networks."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import driftnet
from flows.config import loads
from flows.wire.columns import Converter
from flows.wire.networks import NetworkConverter
from flows.wire.spec import FieldSpec
from state.errors import ConfigError
from state.schema import Column, Kind


def converter(v4: int = 24, v6: int = 48) -> NetworkConverter:
    return NetworkConverter(FieldSpec(Column("ip", Kind.ID), ("ip",), network=(v4, v6)), 512)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", ""),
        (None, ""),
        ("unknown", "unknown"),
        (17, "17"),
        ("203.0.113.7:80", "203.0.113.7:80"),
    ],
)
def test_networks(text: str | int | None, network: str) -> None:
    """What is no address stays as it is."""
    assert converter().texts([text]) == [network]


@given(st.ip_addresses(), st.integers(1, 32), st.integers(1, 128))
def test_an_address_is_in_its_network(address: IPv4Address | IPv6Address, v4: int, v6: int) -> None:
    """And the network has the bits that were asked for."""
    (text,) = converter(v4, v6).texts([str(address)])
    network = ip_network(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    assert (mapped or address) in network
    assert network.prefixlen == (v4 if network.version == 4 else v6)


def test_hashes_are_those_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after more addresses than are remembered."""
    monkeypatch.setattr("flows.wire.networks._KNOWN_MAX", 3)
    one: Converter = converter()
    first, _ = one.column([one.piece([f"10.0.0.{i}" for i in range(9)])])
    again, _ = one.column([one.piece(["10.0.0.200", "10.0.1.0"])])
    assert len(set(first.tolist())) == 1
    assert again[0] == first[0] != again[1]


def test_a_kind_of_networks() -> None:
    """They have the network's name in records."""
    config = """
    [job]
    extends = "none"
    [event]
    id = ""
    subject = "user"
    kind = "user"
    time = { path = "t", unit = "s" }
    [event.columns.ip]
    kind = "id"
    network = [24, 48]
    [features.n]
    kind = "count"
    [windows.m]
    kind = "tumbling"
    size = "1m"
    [subjects.net]
    key = "ip"
    features = { users = { kind = "nunique", column = "user" } }
    windows = { m = { kind = "tumbling", size = "1m" } }
    """
    lines = [orjson.dumps({"t": 1_700_000_000, "user": f"u{i}", "ip": f"10.0.{i % 2}.{i}"}) for i in range(10)]
    found = driftnet.replay(lines, driftnet.loads(config), streams=["features"]).records["features"]
    assert {(r["subject"], r["values"]["users"]) for r in found if r["kind"] == "net"} == {
        ("10.0.0.0/24", 5.0), ("10.0.1.0/24", 5.0),
    }  # fmt: skip


@pytest.mark.parametrize("network", ["[24]", "[0, 48]", "[24, 129]", "[24, 48, 1]"])
def test_bits_that_there_are_not(network: str) -> None:
    """Of both versions, in their bounds."""
    with pytest.raises(ConfigError, match=r"event\.columns\.ip\.network: seen .*, allowed: bits of IPv4"):
        loads(f"[event.columns]\nip = {{ network = {network} }}").job()


def test_networks_are_of_ids() -> None:
    """A number has none."""
    with pytest.raises(ConfigError, match="network on a column of kind number"):
        loads("[event.columns]\nms_played = { network = [24, 48] }").job()
