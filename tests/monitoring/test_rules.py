"""deploy/: rules, dashboard and their programs' settings say what a run exposes, and what a page explains."""

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

from flows.metrics.catalogue import CATALOGUE
from tests.monitoring.rules import FILES, RULES, alerts, groups, metrics_in, needs_promtool
from tests.unit.metrics.seen import DEPLOY

DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPOSED = {metric.exposed for metric in CATALOGUE.values()}
RECORDED = {rule["record"] for group in groups() for rule in group["rules"] if "record" in rule}
PAGE = (DEPLOY.parent / "docs" / "monitoring.md").read_text()


def queries() -> list[str]:
    """Of all panels and rules."""
    told = [target["expr"] for panel in PANELS for target in panel["targets"]]
    return told + [rule["expr"] for group in groups() for rule in group["rules"]]


@needs_promtool
def test_promtool_finds_no_fault() -> None:
    """Neither in the rules nor in Prometheus's own configuration, which names them."""
    for words in (["rules", *map(str, FILES)], ["config", str(RULES / "prometheus.yml")]):
        done = subprocess.run(["promtool", "check", *words], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("query", queries())
def test_every_metric_that_is_named_is_exposed(query: str) -> None:
    """By the catalogue, or it is recorded by a rule; and each query names some."""
    assert metrics_in(query) <= EXPOSED
    assert set(re.findall(r"\bdriftnet:[a-z0-9_:]+", query)) <= RECORDED
    assert metrics_in(query) or "driftnet:" in query or "ALERTS" in query or "up{" in query


@pytest.mark.parametrize("query", queries())
def test_labels_are_those_of_the_metric(query: str) -> None:
    """What a selector asks for is a label that the metric has."""
    labels = {metric.exposed: set(metric.labels) | {"job", "instance"} for metric in CATALOGUE.values()}
    for name, selector in re.findall(r"\b(driftnet_[a-z0-9_]+)\{([^}]*)\}", query):
        assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selector)) <= labels[name], name


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    """A summary, a line of runbook and a severity; the page has it too."""
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert len(rule["annotations"]["runbook"]) > 40
    assert "\n" not in rule["annotations"]["runbook"]
    assert rule["annotations"]["summary"]
    assert f"`{rule['alert']}`" in PAGE


def test_panels_do_not_overlap() -> None:
    """Each has a place of its own on the dashboard, a title, a description and queries."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["title"] and panel["description"] and panel["targets"] for panel in PANELS)


def test_compose_brings_all_of_it_up() -> None:
    """What is mounted is there, and each is found under the name that the others call it by."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert {"prometheus", "alertmanager", "grafana", "driftnet"} <= services.keys()
    mounted = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    assert all((DEPLOY / path).exists() for path in mounted if path.startswith("./"))
    settings = yaml.safe_load((RULES / "prometheus.yml").read_text())
    (alerting,) = settings["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    (scraped,) = settings["scrape_configs"][0]["static_configs"][0]["targets"]
    assert alerting.partition(":")[0] in services
    command = services["driftnet"]["command"]
    assert scraped == f"driftnet:{command[command.index('--listen') + 1].rpartition(':')[2]}"
    (source,) = yaml.safe_load((DEPLOY / "grafana" / "datasource.yml").read_text())["datasources"]
    assert source["url"].removeprefix("http://").partition(":")[0] in services
    assert [rule_file for rule_file in settings["rule_files"] if not (RULES / rule_file).exists()] == []
