"""Premises: where campaigns and crowds sit, and the operators who run several campaigns from one place."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from flows.simulate.company.layout import BLOCK_HOSTS, Block
from flows.simulate.company.settings import CompanySettings
from flows.simulate.geography import Pools
from flows.simulate.people import CLIENTS, Surroundings
from flows.simulate.seeds import stream
from state.types import I16, I32

_OPERATOR_ADDRESSES: Final = 6
_OPERATOR_DEVICES: Final = 16


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs campaigns: a country, a few addresses of one block, some devices."""

    country: int
    addresses: I32
    devices: I32


@dataclass(frozen=True, slots=True)
class Premises(Surroundings):
    """The tables with what company needs besides.

    carriers: gateways by country.  home, country: (accounts,) of people, before any attack.  blocks: addresses held
    together, in the order in which they were rented.
    """

    seed: int
    settings: CompanySettings
    carriers: Pools
    home: I32
    country: I16
    blocks: list[Block] = field(default_factory=list)
    operators: dict[int, Operator] = field(default_factory=dict)

    def rent(self, country: int, count: int, six: bool = False) -> I32:
        """(count,) new addresses in one block; further /24s where one does not hold them."""
        found = self.addresses.add(np.full(count, country, np.int16))
        size = count if six else BLOCK_HOSTS
        self.blocks.extend(Block(found[at : at + size], six) for at in range(0, count, size))
        return found

    def buy(self, clients: tuple[str, ...], rng: np.random.Generator, count: int) -> I32:
        """(count,) new devices; a client given twice is twice as likely."""
        return self.devices.add(rng.choice([CLIENTS.index(c) for c in clients], count).astype(np.int16))

    def operator(self, number: int) -> Operator:
        """Operator `number`, from 1; set up when first asked for."""
        if number not in self.operators:
            rng = stream(self.seed, "operator", number)
            country = int(rng.choice(self.country))
            addresses = self.rent(country, _OPERATOR_ADDRESSES)
            devices = self.buy(("android", "android", "desktop"), rng, _OPERATOR_DEVICES)
            self.operators[number] = Operator(country, addresses, devices)
        return self.operators[number]
