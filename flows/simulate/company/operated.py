"""Farms of an operator: several campaigns on the same addresses and devices, one campaign over several operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from flows.simulate.company.farms import Farm, FarmCrew, premises_of
from flows.simulate.people import Surroundings
from state.types import I32

_ADDRESSES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatedFarm(Farm):
    """Its accounts are dealt to its operators, a few to a device; the operators' other campaigns do the same."""

    def terms(self, crew: FarmCrew) -> dict[str, Any]:
        return Farm.terms(self, crew) | {"operators": list(self.operators())}

    def operators(self) -> Sequence[int]:
        """Whose it is: that of its number."""
        return (self.number,)

    def seats(self, rng: np.random.Generator, count: int, around: Surroundings) -> tuple[I32, I32]:
        """Half of a device's accounts, for there are two kinds of farm with operators; three addresses each."""
        premises = premises_of(around)
        mine = [premises.operator(number) for number in self.operators()]
        whose = np.arange(count) % len(mine)
        nth = np.arange(count) // len(mine) // max(1, self.settings.device_accounts // 2)
        device = np.zeros(count, np.int32)
        addresses = np.zeros((count, _ADDRESSES), np.int32)
        for number, operator in enumerate(mine):
            at = np.flatnonzero(whose == number)
            device[at] = operator.devices[nth[at] % len(operator.devices)]
            addresses[at] = rng.permuted(np.tile(operator.addresses, (len(at), 1)), axis=1)[:, :_ADDRESSES]
        return device, addresses
