"""Two hosts, played by two network namespaces with a cable between them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.engine.plan import Options
from tests.engine.scenarios import SCENARIOS, run_bytewax, run_local, same, write_files

HOSTS = (("dn-test-a", "192.0.2.1"), ("dn-test-b", "192.0.2.2"))  # addresses for documentation, RFC 5737


def _ip(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def hosts() -> Iterator[None]:
    """The namespaces, connected; skips where none can be made."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("needs root and `ip` (iproute2) to make network namespaces")
    (a, address_a), (b, address_b) = HOSTS
    made = _ip("netns", "add", a)
    if made.returncode:
        pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
    try:
        for command in (
            f"netns add {b}",
            f"link add {a} netns {a} type veth peer name {b} netns {b}",
            f"-n {a} addr add {address_a}/24 dev {a}",
            f"-n {b} addr add {address_b}/24 dev {b}",
            *(f"-n {host} link set {device} up" for host, _ in HOSTS for device in (host, "lo")),
        ):
            done = _ip(*command.split())
            if done.returncode:
                pytest.skip(f"ip {command}: {done.stderr.strip()}")
        yield
    finally:
        for host, _ in HOSTS:
            _ip("netns", "delete", host)


@pytest.mark.parametrize("deadly", [0, 3], ids=["quiet", "one host dies"])
@pytest.mark.usefixtures("hosts")
def test_a_cluster_over_two_hosts(tmp_path: Path, deadly: int) -> None:
    """Each host can be reached by its address alone; the records are those of one process, also when a host dies."""
    source = write_files("hot_card", 2, tmp_path)
    quiet = run_local(SCENARIOS["hot_card"].job(), source, tmp_path / "quiet", 8192)
    addresses = ",".join(f"{address}:9100" for _, address in HOSTS)
    running = [
        subprocess.Popen(
            ["ip", "netns", "exec", host, sys.executable, "-m", "tests.engine.host_run", str(tmp_path), str(index),
             addresses, str(deadly * index)],
            cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for index, (host, _) in enumerate(HOSTS)
    ]  # fmt: skip
    told = [process.communicate(timeout=90)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], "\n".join(told)
    assert deadly == 0 or "exit code -9" in told[1]
    done = run_bytewax(SCENARIOS["hot_card"].job(), source, tmp_path / "out", Options(state_dir=tmp_path / "state"))
    same(done, quiet)
