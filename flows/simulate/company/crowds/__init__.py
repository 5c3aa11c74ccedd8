"""Innocent company: crowds that look like campaigns, one kind per file."""

from typing import Final

from flows.simulate.company.crowds.band import LocalBand
from flows.simulate.company.crowds.base import Crowd
from flows.simulate.company.crowds.editorial import EditorialPlaylist
from flows.simulate.company.crowds.party import StreamingParty
from flows.simulate.company.crowds.school import SchoolClass
from flows.simulate.company.crowds.shops import ShopChain
from flows.simulate.company.crowds.staff import ShopStaff

CROWDS: Final[tuple[type[Crowd], ...]] = (
    StreamingParty,
    SchoolClass,
    ShopChain,
    ShopStaff,
    EditorialPlaylist,
    LocalBand,
)
"""All kinds, in the order in which they find their members."""
