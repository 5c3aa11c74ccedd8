"""Commands of the pages on state, savepoints, labels and security, run in their order on one small job.

Those of the tutorial are run by test_tutorial.py; commands that need hours, brokers or downloads are parsed by
test_pages.py.
"""

import json
import re
import shlex
from pathlib import Path

import pytest

from flows.cli import main
from tests.docs.pages import ROOT, blocks
from tests.small import SMALL

PAGES = ("state", "savepoints", "labels", "security")
NOT_RUN = {
    "-p 4": "four processes cost seconds each; tests/engine/test_same_alerts.py runs two",
    "export": "a shell's own; tests/unit/cli/test_savepoint.py has keys",
}
"""Commands with this in them are not run, and why."""
SINKS = """[sinks]
rejects = [{ kind = "jsonl", path = "rejects.jsonl" }]
late = [{ kind = "jsonl", path = "late.jsonl" }]"""
LABELS = '[sources.labels]\nkind = "files"\npaths = ["labels.jsonl"]\nreads = "labels"\nfollow = true\n'


def commands(page: str) -> list[str]:
    """What stands behind a prompt."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    lines = [line for block in blocks(text) if block.language == "console" for line in block.text.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def run(command: str, capfd: pytest.CaptureFixture[str]) -> str:
    """Its output; an error of it is an error here."""
    program, *arguments = shlex.split(command, comments=True)
    assert program == "driftnet"
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    told = capfd.readouterr()
    assert not ended.value.code, f"{command}: {told.out}{told.err}"
    return told.out


def test_the_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Every command ends well; ids of alerts and accounts are those of this run, in place of the pages'."""
    monkeypatch.chdir(tmp_path)
    Path("fraud.toml").write_text(SMALL.replace("[sinks]", SINKS))
    alert: dict[str, str] = {}
    done = []
    for page in PAGES:
        if page == "labels":  # it is followed, so no run ends any more
            Path("fraud.toml").write_text(Path("fraud.toml").read_text() + LABELS)
        for command in commands(page):
            if not any(part in command for part in NOT_RUN):
                here = re.sub(r"\bu[0-9a-f]{10}\b", alert.get("subject", ""), command)
                run(here.replace(" 3fa9 ", f" {alert.get('alert_id', '')} "), capfd)
                done.append(command)
            if not alert:
                alert = json.loads(run("driftnet alerts list --limit 1 --json", capfd))[0]
    assert len(done) == 10
    assert [json.loads(line)["label"] for line in Path("labels.jsonl").read_text().splitlines()] == ["fraud", "genuine"]
    assert json.loads(run("driftnet alerts list --json --limit 0", capfd)) != []
    assert alert["subject"] not in Path("driftnet.db").read_bytes().decode(errors="ignore")
