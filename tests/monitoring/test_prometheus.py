"""A real Prometheus scrapes a real run, answers every panel, and tells a real Alertmanager of a fault."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from flows.simulate.config import SimulationSpec
from flows.simulate.platform import Platform
from state.types import HOUR_US
from tests.monitoring.rules import RULES, alerts
from tests.monitoring.test_rules import EXPOSED, PANELS
from tests.small import SMALL

PROGRAMS = ("prometheus", "prometheus-alertmanager", "promtool")
pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in PROGRAMS),
    reason="not all of it is here (Debian: apt-get install prometheus prometheus-alertmanager)",
)


def ask(url: str, **parameters: str) -> Any:
    with urlopen(f"{url}?{urlencode(parameters)}" if parameters else url, timeout=10) as answer:
        return json.loads(answer.read())


def eventually(what: Callable[[], Any], patience_s: float = 90.0) -> Any:
    """What it gives, once it gives something; it may fail until then."""
    until_s, last = time.monotonic() + patience_s, None
    while time.monotonic() < until_s:
        try:
            last = what()
        except OSError as error:
            last = error
        if last and not isinstance(last, OSError):
            return last
        time.sleep(0.25)
    raise AssertionError(f"nothing came of it: {last!r}")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(*words: object, log: Path, **more: Any) -> "Iterator[subprocess.Popen[bytes]]":
    """A program, until the block ends; its words are in `log`."""
    with log.open("wb") as out, subprocess.Popen(list(map(str, words)), stdout=out, stderr=out, **more) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def watched(place: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str, str, str]]:
    """A run, and addresses of it, of Prometheus, of Alertmanager."""
    (place / "small.toml").write_text(SMALL)
    with ExitStack() as stack:
        command = [sys.executable, "-m", "flows.cli", "run", "small.toml", "--set", 'sources.main={kind="stdin"}']
        command += ["--listen", "0", "--state-dir", "state", "--epoch", "1s", "--no-print"]
        run = stack.enter_context(running(*command, log=place / "run.log", stdin=subprocess.PIPE, cwd=place))
        (listens,) = eventually(
            lambda: [
                line.split("http://")[1].split("/")[0]
                for line in (place / "run.log").read_text().splitlines()
                if "metrics and health" in line
            ]
        )
        prometheus, alertmanager = (f"127.0.0.1:{free_port()}" for _ in range(2))
        settings = yaml.safe_load((RULES / "prometheus.yml").read_text())
        settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        settings["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
        settings["scrape_configs"][0]["static_configs"][0]["targets"] = [listens]
        for file in settings["rule_files"]:
            shutil.copy(RULES / file, place / file)
        (place / "prometheus.yml").write_text(yaml.safe_dump(settings))
        stack.enter_context(
            running(
                "prometheus", f"--config.file={place / 'prometheus.yml'}", f"--storage.tsdb.path={place / 'tsdb'}",
                f"--web.listen-address={prometheus}", log=place / "prometheus.log",
            )
        )  # fmt: skip
        stack.enter_context(
            running(
                "prometheus-alertmanager", f"--config.file={RULES / 'alertmanager.yml'}",
                f"--storage.path={place / 'alertmanager'}", f"--web.listen-address={alertmanager}",
                "--cluster.listen-address=", log=place / "alertmanager.log",
            )
        )  # fmt: skip
        yield run, f"http://{listens}", f"http://{prometheus}", f"http://{alertmanager}"


def test_a_real_run_is_watched(tmp_path: Path) -> None:
    """Scraped, without a fault that promtool finds; every panel has an answer, all rules work and none fires; then the
    run is sent lines that are none, and Alertmanager hears of that and of nothing else.
    """
    platform = Platform(SimulationSpec(users=600, duration_us=2 * HOUR_US, tracks=2_000, partitions=1))
    lines = [line for chunk in platform.lines(platform.partitions()[0]) for line in chunk]
    with watched(tmp_path) as (run, listens, prometheus, alertmanager):
        assert run.stdin is not None

        def send(some: list[bytes]) -> None:
            assert run.stdin is not None
            run.stdin.write(b"".join(line.rstrip(b"\n") + b"\n" for line in some))
            run.stdin.flush()

        send(lines[: len(lines) // 2])
        eventually(lambda: ask(f"{prometheus}/api/v1/query", query="driftnet_ready == 1")["data"]["result"])
        send(lines[len(lines) // 2 :])
        with urlopen(f"{listens}/metrics", timeout=10) as answer:
            scrape = answer.read()
        told = subprocess.run(["promtool", "check", "metrics"], input=scrape, check=False, capture_output=True)
        assert told.returncode == 0, told.stdout + told.stderr
        names = {line.split(b"{")[0].split(b" ")[0].decode() for line in scrape.splitlines() if line[:1] != b"#"}
        assert names == EXPOSED

        for panel in PANELS:
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
                found = eventually(lambda query=query: ask(f"{prometheus}/api/v1/query", query=query)["data"]["result"])
                assert found, panel["title"]

        def rules() -> dict[str, dict[str, Any]]:
            groups = ask(f"{prometheus}/api/v1/rules")["data"]["groups"]
            return {rule["name"]: rule for group in groups for rule in group["rules"]}

        eventually(lambda: all(rule["health"] == "ok" for rule in rules().values()))
        assert {name for name, rule in rules().items() if rule.get("state", "inactive") != "inactive"} == set()
        assert {rule["alert"] for rule in alerts()} <= rules().keys()

        def heard() -> set[str]:
            send([b'{"half'] * 200)
            return {alert["labels"]["alertname"] for alert in ask(f"{alertmanager}/api/v2/alerts")}

        assert eventually(heard) == {"DriftnetPoisonRecords"}
        run.stdin.close()
