"""The refitted trees are a good citizen: one test per check of Driftnet's contract."""

import pytest

pytest.importorskip("lightgbm", reason="LightGBM is not installed: it is an optional extra of this example")

from driftnet_lightgbm_refit.detector import LightgbmSpec

from driftnet.checks import Check, yield_checks


@pytest.mark.parametrize("check", list(yield_checks(LightgbmSpec(every_hours=8.0, leaf_rows=10))), ids=str)
def test_contract(check: Check) -> None:
    """What the flow relies on."""
    check.run()
