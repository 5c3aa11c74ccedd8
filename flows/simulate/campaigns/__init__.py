"""Attacks, one kind per file: who is recruited, from where they play, what they play."""

from typing import Final

from flows.simulate.campaigns.account_takeover import AccountTakeover
from flows.simulate.campaigns.base import Campaign
from flows.simulate.campaigns.loop_bot import LoopBot
from flows.simulate.campaigns.playlist_farm import PlaylistFarm
from flows.simulate.campaigns.sign_up_farm import SignUpFarm
from flows.simulate.campaigns.spread_thin import SpreadThin
from flows.simulate.campaigns.thirty_second_farm import ThirtySecondFarm

DEFAULT_CAMPAIGNS: Final[tuple[Campaign, ...]] = (
    LoopBot(),
    ThirtySecondFarm(),
    SpreadThin(),
    PlaylistFarm(),
    AccountTakeover(),
    SignUpFarm(),
)
"""One of each, together 2.5 % of the accounts, beginning between 02:00 and 10:00 of the first day."""

__all__ = [
    "DEFAULT_CAMPAIGNS",
    "AccountTakeover",
    "Campaign",
    "LoopBot",
    "PlaylistFarm",
    "SignUpFarm",
    "SpreadThin",
    "ThirtySecondFarm",
]
