"""The three plug-ins keep Driftnet's contracts: one test per check."""

from pathlib import Path
from tempfile import mkdtemp

import pytest
from driftnet_spool.trial import format_trial, source_trial, trial

from driftnet.checks import Check, checks_of

CASES = [
    pytest.param(check, id=f"{of.__name__}: {check}")
    for of in (trial, source_trial, format_trial)
    for check in checks_of(of(Path(mkdtemp())))
]


@pytest.mark.parametrize("check", CASES)
def test_contract(check: Check) -> None:
    """What a job relies on."""
    check.run()
