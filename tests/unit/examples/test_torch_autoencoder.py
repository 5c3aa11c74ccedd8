"""The example of a third party's package: an autoencoder in PyTorch, tested where PyTorch is."""

from pathlib import Path

import pytest

from detectors.checks import yield_checks
from detectors.registry import spec_from

_FILE = Path(__file__).parents[3] / "examples/torch_autoencoder/driftnet_torch_autoencoder/detector.py"


def test_it_keeps_the_contract() -> None:
    """Through its file, as a configuration names it."""
    pytest.importorskip("torch", reason="PyTorch is not installed: it is an optional extra of that example")
    for check in yield_checks(spec_from(str(_FILE), {})):
        check.run()
