"""/metrics, /livez and /readyz, asked by HTTP."""

import json
import re
import socket
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from flows.metrics.catalogue import CATALOGUE
from flows.metrics.health import HUNG_S, alive
from flows.metrics.host import memory_limit_bytes
from flows.metrics.overview import Overview
from flows.metrics.server import parse_address, serving
from state.errors import ConfigError
from tests.unit.metrics.seen import PARTITIONS, Clock, begun, seen


@pytest.fixture
def clock() -> Clock:
    return Clock(1_700_000_000.0)


@pytest.fixture
def overview(clock: Clock) -> Overview:
    return begun(clock)


@pytest.fixture
def url(overview: Overview) -> Iterator[str]:
    with serving("0", overview) as address:
        assert address.startswith("127.0.0.1:"), "loopback unless told otherwise"
        yield f"http://{address}"


def ask(url: str, **headers: str) -> tuple[int, str, str]:
    """Status, kind and text."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_metrics_are_what_the_catalogue_says(url: str) -> None:
    """Every family, with its kind and help."""
    status, kind, text = ask(f"{url}/metrics")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {name.removeprefix("driftnet_") for name in families} == set(CATALOGUE)
    for metric in CATALOGUE.values():
        assert families[f"driftnet_{metric.name}"].type == metric.kind.value
        assert families[f"driftnet_{metric.name}"].documentation == metric.help


def test_openmetrics_on_request(url: str) -> None:
    """As Prometheus asks for it."""
    _, kind, text = ask(f"{url}/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert kind.startswith("application/openmetrics-text")
    assert len(list(openmetrics(text))) == len(CATALOGUE)


def test_ready_has_reasons(url: str, overview: Overview, clock: Clock) -> None:
    """503 until state is restored and sources are assigned, then 200."""
    status, kind, text = ask(f"{url}/readyz")
    assert (status, kind) == (503, "application/json")
    assert json.loads(text) == {"ready": False, "reasons": ["process 0 has not begun", "process 1 has not begun"]}
    for process in (0, 1):
        overview.take(process, seen(clock, opened=set(PARTITIONS)))
    status, _, text = ask(f"{url}/readyz")
    assert (status, json.loads(text)) == (200, {"ready": True, "reasons": []})


def test_alive_says_when_each_stage_last_moved(url: str, overview: Overview, clock: Clock) -> None:
    """It answers 200 while detection is stuck, and says so; what does not come back by itself is 503."""
    now_s = clock()
    overview.take(
        0, seen(clock, moved={"ingest": now_s - 1, "population": now_s - 90}, working={"population": now_s - 90})
    )
    overview.take(1, seen(clock, moved={"ingest": now_s - 3}))
    status, _, text = ask(f"{url}/livez")
    told = json.loads(text)
    assert (status, told["alive"], told["reasons"]) == (200, True, [])
    assert told["stages"]["ingest"] == {
        "moved": "2023-11-14T22:13:19.000000Z",
        "seconds_ago": 1.0,
        "working_for_s": 0.0,
    }
    assert told["stages"]["population"]["working_for_s"] == 90.0
    assert told["stages"]["alerts"]["moved"] is None
    overview.take(0, seen(clock, working={"population": now_s - HUNG_S - 1}))
    status, _, text = ask(f"{url}/livez")
    assert (status, json.loads(text)["reasons"]) == (503, ["stage population has been at one piece of work for 601 s"])


def test_a_process_that_tells_nothing_is_not_alive(overview: Overview, clock: Clock) -> None:
    """After ten minutes; before, it may be busy with itself."""
    overview.take(1, seen(clock))
    clock.now_s += HUNG_S
    assert alive(overview)[0]
    clock.now_s += 1
    well, told = alive(overview)
    assert (well, told["reasons"]) == (False, ["process 1 has told nothing for 601 s"])


def test_nothing_else_is_there(url: str) -> None:
    """And the answer says what is."""
    status, _, text = ask(f"{url}/")
    assert status == 404
    assert "/metrics" in text
    assert ask(f"{url}/metrics?x=1")[0] == 200


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),
        ("[::1]:80", ("::1", 80)),
        ("metrics.example:0", ("metrics.example", 0)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    """A port alone is this machine's own."""
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "here", "host:", "host:99999", "host:-1"])
def test_what_is_no_address(text: str) -> None:
    """The message shows what was seen, and what is allowed."""
    with pytest.raises(ConfigError, match=r"--listen: seen .*, allowed: HOST:PORT"):
        parse_address(text)


def test_a_port_that_is_taken(overview: Overview) -> None:
    """Is an error for people, at once."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with (
            pytest.raises(ConfigError, match=re.escape(f"listen on {taken}: Address already")),
            serving(taken, overview),
        ):
            pass


def test_the_limit_of_memory_is_the_smallest(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """That of the machine, or of a control group: its own, or one further up; of either version."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 8192 kB\nMemFree: 1 kB\n")
    (groups / "a" / "b").mkdir(parents=True)
    (groups / "memory" / "c").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("0::/a/b\n")
    found = memory_limit_bytes.__wrapped__
    assert found(groups, proc) == 8192 << 10
    (groups / "a" / "b" / "memory.max").write_text("max\n")
    (groups / "a" / "memory.max").write_text("4096000\n")
    assert found(groups, proc) == 4_096_000
    (proc / "self" / "cgroup").write_text("3:cpu,memory:/c\n")
    (groups / "memory" / "c" / "memory.limit_in_bytes").write_text("1000\n")
    assert found(groups, proc) == 1_000
