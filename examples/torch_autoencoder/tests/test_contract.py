"""The autoencoder is a good citizen: one test per check of Driftnet's contract."""

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: it is an optional extra of this example")

from driftnet_torch_autoencoder.detector import AutoencoderSpec

from driftnet.checks import Check, yield_checks


@pytest.mark.parametrize("check", list(yield_checks(AutoencoderSpec())), ids=str)
def test_contract(check: Check) -> None:
    """What the flow relies on."""
    check.run()
