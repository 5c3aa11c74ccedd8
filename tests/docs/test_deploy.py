"""deploy/: the files can be read, and say what the program understands."""

import configparser
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.utils import canonicalize_name
from typer.main import get_command

from flows.cli.main import app
from flows.config import load
from flows.metrics.server import parse_address, serving
from flows.streams import STREAMS, Stream
from state.durations import parse_duration_us
from tests.unit.metrics.seen import DEPLOY, Clock, begun, seen

ROOT = Path(__file__).parents[2]
LISTENED = 9464
"""The port of metrics and health."""


def options(command: str) -> set[str]:
    """The long options of a command."""
    found = get_command(app).commands[command]  # type: ignore[attr-defined]
    return {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}


def kubernetes() -> dict[str, Any]:
    return {doc["kind"]: doc for doc in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}


def pod() -> dict[str, Any]:
    return kubernetes()["StatefulSet"]["spec"]["template"]["spec"]  # type: ignore[no-any-return]


def container() -> dict[str, Any]:
    (found,) = pod()["containers"]
    return found  # type: ignore[no-any-return]


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DEPLOY / "driftnet.service")
    return parser


def commands() -> list[list[str]]:
    """What is run in each of them."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["driftnet"]["command"]
    (image,) = re.findall(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    words = shlex.split(unit()["Service"]["ExecStart"])
    return [container()["args"], compose, yaml.safe_load(image), words[words.index("run") :]]


@pytest.mark.parametrize("command", commands(), ids=["kubernetes", "compose", "image", "systemd"])
def test_options_exist(command: list[str]) -> None:
    """Every option that is used is one of `driftnet run`, and there is a state directory."""
    used = {word for word in command if word.startswith("--")}
    assert command[0] == "run"
    assert used <= options("run")
    assert "--state-dir" in used


def test_the_configuration_can_run() -> None:
    """It compiles; Kubernetes and compose take the same file."""
    config = load(DEPLOY / "fraud.toml", environ={})
    assert config.job().judgement.detectors
    assert list(config.sources) == ["events", "labels", "control"]
    (generated,) = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())["configMapGenerator"]
    assert generated == {"name": "driftnet", "files": ["fraud.toml"]}


def test_every_topic_is_made() -> None:
    """The topics that compose makes are those that the configuration names, and the load."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    (script,) = services["topics"]["command"]
    made = {name.partition(":")[0] for name in re.findall(r"[a-z]+:\d+", script.partition("in ")[2].partition(";")[0])}
    config = load(DEPLOY / "fraud.toml", environ={})
    read = {topic for source in config.sources.values() for topic in source.topics}  # type: ignore[union-attr]
    written = [sink for stream in STREAMS for sink in config.sinks.of(stream)]
    assert made == read | {sink.topic for sink in written if sink.kind == "kafka"}
    named = {text.rpartition("/")[2] for text in services["load"]["command"] if text.startswith("kafka://")}
    assert named <= made


def test_the_load_can_run() -> None:
    """Every option of the load is one of `driftnet load`."""
    command = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["load"]["command"]
    assert command[0] == "load"
    assert {word for word in command if word.startswith("--")} <= options("load")


def test_there_is_time_to_drain() -> None:
    """Whoever stops it waits for longer than --drain-timeout."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["driftnet"]
    kubernetes_, _, _, systemd = commands()
    for grace_us, command in (
        (pod()["terminationGracePeriodSeconds"] * 1_000_000, kubernetes_),
        (parse_duration_us(compose["stop_grace_period"]), compose["command"]),
        (parse_duration_us(unit()["Service"]["TimeoutStopSec"]), systemd),
    ):
        assert grace_us > parse_duration_us(command[command.index("--drain-timeout") + 1])


def test_one_pod_with_a_volume_of_its_own() -> None:
    """SQLite is not put on a file system of several hosts; a change waits for somebody; nobody evicts it unasked."""
    spec = kubernetes()["StatefulSet"]["spec"]
    assert (spec["replicas"], spec["updateStrategy"]) == (1, {"type": "OnDelete"})
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert kubernetes()["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 0
    labels = spec["template"]["metadata"]["labels"]
    selectors = [kubernetes()[kind]["spec"] for kind in ("PodDisruptionBudget", "StatefulSet")]
    assert [s["selector"]["matchLabels"] for s in selectors] == [labels] * 2
    assert kubernetes()["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels


def test_every_mount_has_a_volume() -> None:
    """And what is written lies on one: the rest of the file system is read-only."""
    volumes = {volume["name"] for volume in pod()["volumes"]} | {"state"}
    mounts = {mount["mountPath"]: mount["name"] for mount in container()["volumeMounts"]}
    assert set(mounts.values()) == volumes
    assert container()["securityContext"]["readOnlyRootFilesystem"] is True
    args = container()["args"]
    state = args[args.index("--state-dir") + 1]
    sinks = load(DEPLOY / "fraud.toml", environ={}).sinks.of(Stream.ALERTS)
    written = [state, *(s.path for s in sinks if s.kind == "sqlite")]
    assert all(any(path.startswith(f"{mount}/") for mount in mounts) for path in written)
    assert Path(args[1]).parent.as_posix() in mounts


def test_nobody_is_root() -> None:
    """No privileges, no token, no connection from outside but for metrics."""
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert container()["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container()["securityContext"]["allowPrivilegeEscalation"] is False
    assert pod()["automountServiceAccountToken"] is False
    (ingress,) = kubernetes()["NetworkPolicy"]["spec"]["ingress"]
    assert ingress["ports"] == [{"protocol": "TCP", "port": LISTENED}]
    assert "from" in ingress
    assert container()["resources"]["limits"].keys() == {"memory"}
    assert unit()["Service"]["NoNewPrivileges"] == "yes"


def test_variables_are_set() -> None:
    """Those that the configuration reads."""
    read = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "fraud.toml").read_text())) - {"KAFKA_PASSWORD"}
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["driftnet"]["environment"]
    assert read <= {variable["name"] for variable in container()["env"]}
    assert read <= set(compose)


def test_probes_ask_where_it_listens() -> None:
    """Kubernetes its readiness and whether it is alive, the image the latter; in the container's own network."""
    listens = [command[command.index("--listen") + 1] for command in commands()]
    hosts, ports = zip(*map(parse_address, listens), strict=True)
    assert set(ports) == {LISTENED}
    assert hosts == ("0.0.0.0", "0.0.0.0", "127.0.0.1", "127.0.0.1")
    asked = {name: container()[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert {name: probe["path"] for name, probe in asked.items()} == {
        "startupProbe": "/livez",
        "readinessProbe": "/readyz",
        "livenessProbe": "/livez",
    }
    named = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert {named[probe["port"]] for probe in asked.values()} == {LISTENED}
    (served,) = kubernetes()["Service"]["spec"]["ports"]
    assert (served["port"], named[served["targetPort"]]) == (LISTENED, LISTENED)
    annotations = kubernetes()["StatefulSet"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(LISTENED)


@pytest.mark.parametrize("hangs", [False, True])
def test_the_image_looks_at_its_health(hangs: bool) -> None:
    """The command of its health check ends well where a run is alive, and badly where only a new start helps."""
    text = (DEPLOY / "Dockerfile").read_text()
    (check,) = re.findall(r"^HEALTHCHECK .*\\\n    CMD (\[.*\])$", text, re.MULTILINE)
    clock = Clock(10_000.0)
    overview = begun(clock)
    overview.take(0, seen(clock, working={"population": clock() - (601 if hangs else 500)}))
    with serving("0", overview) as address:
        python, *words = [word.replace(f"127.0.0.1:{LISTENED}", address) for word in yaml.safe_load(check)]
        assert python == "python"
        done = subprocess.run([sys.executable, *words], check=False, stderr=subprocess.DEVNULL)
    assert (done.returncode == 0) is not hangs


def test_the_image_copies_what_is_installed() -> None:
    """Every package of the project and every file that its build reads."""
    text = (DEPLOY / "Dockerfile").read_text()
    lines = re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
    copied = {word for line in lines for word in shlex.split(line)[:-1]}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    files = {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "deploy/requirements.lock", "deploy/sbom.cdx.json"}
    assert packages | files == copied


def test_every_package_has_hashes() -> None:
    """In both locks; the image's is a part of the other one."""
    entries = [
        re.findall(r"^[A-Za-z0-9].*(?:\n    .*)*", file.read_text(), re.MULTILINE)
        for file in (ROOT / "requirements.lock", DEPLOY / "requirements.lock")
    ]
    assert set(entries[1]) < set(entries[0])
    assert all("--hash=sha256:" in entry for entry in entries[0])


def test_the_bill_of_materials() -> None:
    """It names what the image's lock names, and so does NOTICE; each with a license."""
    bill = json.loads((DEPLOY / "sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    named = {(c["name"], c["version"]): c["licenses"][0]["license"]["name"] for c in bill["components"]}
    lock = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (DEPLOY / "requirements.lock").read_text(), re.MULTILINE))
    assert set(named) == {(canonicalize_name(name), version) for name, version in lock.items()}
    assert {"bytewax", "river", "numpy", "confluent-kafka"} <= {name for name, _ in named}
    assert all(named.values())
    noted = re.findall(r"^- (\S+) (\S+): (.+)$", (ROOT / "NOTICE").read_text(), re.MULTILINE)
    assert {(name, version): text for name, version, text in noted} == named
