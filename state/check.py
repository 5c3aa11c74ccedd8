"""One check of a contract: what the kits for plug-ins' authors are made of."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `run()` raises AssertionError.  name: what must hold, as a sentence."""

    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.name


def must(held: bool | np.bool_, otherwise: str) -> None:
    """Raises AssertionError unless it held."""
    # Not an assert statement: `python -O` must not turn the kit into praise.
    if not held:
        raise AssertionError(otherwise)
