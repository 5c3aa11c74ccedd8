"""deploy/: the files can be read, and say what the program understands."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from flows.cli.main import app
from flows.config import load, loads
from flows.config.durations import parse_duration_us

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def options(command: str) -> set[str]:
    """The long options of a command."""
    found = get_command(app).commands[command]  # type: ignore[attr-defined]
    return {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}


def kubernetes() -> dict[str, Any]:
    return {doc["kind"]: doc for doc in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}


def commands() -> list[list[str]]:
    """What is run in each of them."""
    (container,) = kubernetes()["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["driftnet"]["command"]
    (image,) = re.findall(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    return [container["args"], compose, yaml.safe_load(image)]


@pytest.mark.parametrize("command", commands(), ids=["kubernetes", "compose", "image"])
def test_options_exist(command: list[str]) -> None:
    """Every option that is used is one of `driftnet run`, and there is a state directory."""
    used = {word for word in command if word.startswith("--")}
    assert command[0] == "run"
    assert used <= options("run")
    assert "--state-dir" in used


def test_configurations_can_run() -> None:
    """Both configurations compile."""
    for config, sources in (
        (load(DEPLOY / "fraud.toml", environ={}), ["events", "labels", "control"]),
        (loads(kubernetes()["ConfigMap"]["data"]["fraud.toml"], "fraud.toml"), ["events"]),
    ):
        assert config.job().detectors
        assert list(config.sources) == sources


def test_every_topic_is_made() -> None:
    """The topics that compose makes are those that the configuration names, and the load."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    (script,) = services["topics"]["command"]
    made = {name.partition(":")[0] for name in re.findall(r"[a-z]+:\d+", script.partition("in ")[2].partition(";")[0])}
    config = load(DEPLOY / "fraud.toml", environ={})
    read = {topic for source in config.sources.values() for topic in source.topics}  # type: ignore[union-attr]
    sinks = config.sinks
    written = [
        s for of_stream in (sinks.alerts, sinks.drift, sinks.late, sinks.rejects, sinks.audit) for s in of_stream
    ]
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
    pod = kubernetes()["StatefulSet"]["spec"]["template"]["spec"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["driftnet"]
    for grace_us, command in (
        (pod["terminationGracePeriodSeconds"] * 1_000_000, pod["containers"][0]["args"]),
        (parse_duration_us(compose["stop_grace_period"]), compose["command"]),
    ):
        assert grace_us > parse_duration_us(command[command.index("--drain-timeout") + 1])


def test_pods_find_each_other() -> None:
    """As many addresses as replicas, by the names that a StatefulSet gives, on the port that is open."""
    found = kubernetes()
    spec = found["StatefulSet"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    environment = {e["name"]: e for e in container["env"]}
    name, service = found["StatefulSet"]["metadata"]["name"], spec["serviceName"]
    (port,) = found["Service"]["spec"]["ports"]
    addresses = environment["DRIFTNET_ADDRESSES"]["value"].split(",")
    assert addresses == [f"{name}-{i}.{service}:{port['port']}" for i in range(spec["replicas"])]
    assert environment["DRIFTNET_INDEX"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert container["ports"][0]["containerPort"] == port["port"]
    assert found["Service"]["spec"]["clusterIP"] in (None, "None")
    assert found["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_image_copies_what_is_installed() -> None:
    """Every package of the project and every file that its build reads."""
    text = (DEPLOY / "Dockerfile").read_text()
    lines = re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
    copied = {word for line in lines for word in shlex.split(line)[:-1]}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages | {"pyproject.toml", "requirements.lock", "README.md", "LICENSE"} == copied
