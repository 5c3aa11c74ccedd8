"""The example of plug-ins of all three kinds: it keeps the contracts, and pip installs what its pages promise."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.contract.kit import checks_of

EXAMPLE = Path(__file__).parents[3] / "examples" / "spool"
sys.path.append(str(EXAMPLE))
from driftnet_spool import trial as spool  # noqa: E402


@pytest.mark.parametrize("of", [spool.trial, spool.source_trial, spool.format_trial])
def test_it_keeps_the_contracts(of: Any, tmp_path: Path) -> None:
    """All checks, kills and an outage among them."""
    for check in checks_of(of(tmp_path)):
        check.run()


def test_what_pip_installs_is_found(tmp_path: Path) -> None:
    """Built and installed into a folder of its own: the program lists the kinds with their distribution, and a
    configuration that names them can run.
    """
    site = tmp_path / "site"
    quiet = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    source = tmp_path / "source"
    for file in [EXAMPLE / "pyproject.toml", *EXAMPLE.glob("driftnet_spool/*.py")]:
        (source / file.relative_to(EXAMPLE)).parent.mkdir(parents=True, exist_ok=True)
        (source / file.relative_to(EXAMPLE)).write_bytes(file.read_bytes())
    subprocess.run([*quiet, "--target", str(site), str(source)], check=True, capture_output=True)
    environ = os.environ | {"PYTHONPATH": str(site)}
    program = [sys.executable, "-m", "flows.cli"]
    listed = subprocess.run([*program, "plugins", "list", "--json"], env=environ, capture_output=True, check=True)
    theirs = {(e["of"], e["kind"]) for e in json.loads(listed.stdout) if e["distribution"] == "driftnet-spool"}
    assert theirs == {("sink", "spool"), ("source", "spool"), ("format", "logfmt")}
    checked = [*program, "config", "check", str(EXAMPLE / "spool.toml")]
    said = subprocess.run(checked, env=environ, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
