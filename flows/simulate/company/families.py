"""Families: a speaker or a television that all of a household use."""

from typing import Final

import numpy as np

from flows.simulate.company.draft import Draft
from flows.simulate.company.premises import Premises
from flows.simulate.people import People, Persona
from flows.simulate.rows import NOTHING
from state.types import I32

_SHARED: Final = 0.3
"""Of the sittings at home, those on the household's device."""


def household_devices(rng: np.random.Generator, people: People, premises: Premises) -> I32:
    """(accounts,) the device of each family member's household; NOTHING for the others."""
    members = people.are(Persona.FAMILY_MEMBER)
    homes, household = np.unique(people.home[members], return_inverse=True)
    shared = np.full(len(people), NOTHING, np.int32)
    shared[members] = premises.buy(("speaker", "tv"), rng, len(homes))[household]
    return shared


def share_devices(draft: Draft, people: People, shared: I32, rng: np.random.Generator) -> None:
    """Put some of the families' sittings at home on the household's device.  shared: as from household_devices."""
    members = np.flatnonzero(shared != NOTHING).astype(np.int32)
    at, seat = draft.plays_of(members)
    number, count = draft.sittings(at)
    chosen = (rng.random(count) < _SHARED)[number] & (draft.ip[at] == people.home[members[seat]])
    draft.device[at[chosen]] = shared[members[seat[chosen]]]
