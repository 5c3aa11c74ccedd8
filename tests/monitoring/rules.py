"""The rules of deploy/, and what `promtool` says of them on recorded scrapes."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.metrics.seen import DEPLOY

RULES = DEPLOY / "prometheus"
FILES = [RULES / "recording.yml", RULES / "alerts.yml"]
EVERY_S = 15
Scrape = Mapping[str, float]
"""Series, as `name{label="value",...}` -> value."""
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not here (Debian: apt-get install prometheus)"
)


def groups() -> list[dict[str, Any]]:
    """Of all rules."""
    return [group for file in FILES for group in yaml.safe_load(file.read_text())["groups"]]


def alerts() -> list[dict[str, Any]]:
    """The alert rules."""
    return [rule for group in groups() for rule in group["rules"] if "alert" in rule]


def metrics_in(text: str) -> set[str]:
    """Names of exposed metrics."""
    return set(re.findall(r"\bdriftnet_[a-z0-9_]+", text))


def firing_only(scrapes: Sequence[Scrape], name: str, after: int, folder: Path, later: int = 2) -> str:
    """What promtool says against it that up to the scrape `after` no rule fires or is pending, and that some scrapes
    later this one fires and no other; nothing where it is so.  name: "" for none, ever.
    """
    at = min(after + later, len(scrapes) - 1)
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1}] if name else []
    asked = [
        {
            "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": f"{at * EVERY_S}s",
            "exp_samples": samples,
        },
        {
            "expr": f"group by (alertname) (count_over_time(ALERTS[{after * EVERY_S + 1}s]))",
            "eval_time": f"{after * EVERY_S}s",
        },
    ]
    used = {name for group in groups() for rule in group["rules"] for name in metrics_in(rule["expr"])}
    names = sorted({series for scrape in scrapes for series in scrape if series.partition("{")[0] in used})
    written = [{"series": name, "values": _values([scrape.get(name) for scrape in scrapes])} for name in names]
    up = _values([float(bool(scrape)) for scrape in scrapes])
    written.append({"series": 'up{job="driftnet",instance="a"}', "values": up})
    test = {
        "rule_files": [str(file) for file in FILES],
        "evaluation_interval": f"{EVERY_S}s",
        "tests": [{"interval": f"{EVERY_S}s", "input_series": written, "promql_expr_test": asked}],
    }
    file = folder / "rules.test.yml"
    file.write_text(yaml.dump(test, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), width=10**9))
    done = subprocess.run(["promtool", "test", "rules", str(file)], check=False, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _values(values: Sequence[float | None]) -> str:
    """In promtool's notation: what repeats is said once."""
    told = []
    for value, same in groupby(values):
        count = len(list(same))
        told.append(f"_x{count}" if value is None else f"{value!r}+0x{count - 1}" if count > 1 else repr(value))
    return " ".join(told)
