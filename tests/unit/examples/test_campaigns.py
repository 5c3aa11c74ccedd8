"""examples/campaigns.toml."""

from pathlib import Path
from typing import Final

from flows.config import load

EXAMPLES: Final = Path(__file__).parents[3] / "examples"


def test_its_configuration_runs() -> None:
    """It looks for campaigns and for nothing else."""
    job = load(EXAMPLES / "campaigns.toml", environ={}).job()
    assert job.campaigns is not None
    assert job.judgement.detectors == ()
