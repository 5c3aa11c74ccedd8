"""Who is who, and what the campaigns are: what evaluation compares alerts with."""

from typing import Any, Final

import numpy as np

from flows.simulate.company.farms import Farm, FarmCrew
from flows.simulate.ledger import Ledger
from flows.simulate.people import Persona
from flows.simulate.world import World
from state.types import END_OF_TIME_US, I64

PERCENTS: Final = np.linspace(0, 1, 101)


def truth(world: World, first_attack_us: I64) -> list[dict[str, Any]]:
    """One record per account: user_id, role, is_attacker, campaign, start_us; with company also crowd.

    first_attack_us: (accounts,) as from Days.  role: the kind of the campaign, or the persona in lower case.
    campaign: which one of the kind, None for people.  start_us: an attacker's first event of the attack; the start of
    the simulation for people.  An account whose attack has not begun when the simulation ends is still a person.
    crowd: whom a person keeps company with, None for nobody and for attackers.
    """
    role = [Persona(p).name.lower() for p in world.people.persona.tolist()]
    records: list[dict[str, Any]] = [
        {"user_id": u, "role": r, "is_attacker": False, "campaign": None, "start_us": world.spec.start_us}
        for u, r in zip(world.user_id, role, strict=True)
    ]
    if world.company:
        named = world.company.crowd_names(world.people)
        for user, record in enumerate(records):
            record["crowd"] = named.get(user)
    for campaign, crew in world.crews:
        for user, first_us in zip(crew.user.tolist(), first_attack_us[crew.user].tolist(), strict=True):
            if first_us < END_OF_TIME_US:
                acts = {
                    "role": campaign.name,
                    "is_attacker": True,
                    "campaign": campaign.campaign_id,
                    "start_us": first_us,
                }
                records[user] |= acts
    return records


def campaign_truth(world: World, ledger: Ledger) -> list[dict[str, Any]]:
    """One record per campaign: campaign, role, accounts, tracks, plays, percentiles_us.

    ledger: of all days.  accounts, tracks: how many it has.  plays: of its own tracks by its own accounts.
    percentiles_us: when 0, 1, ..., 100 % of these had ended; empty without plays.  Of a farm also what it has drawn:
    decoys, jitter_us (None for all that are not in step), partitions (1 for all that do not part their tracks), and
    operators, by number.
    """
    records = []
    for number, (campaign, crew) in enumerate(world.crews):
        plays_us = ledger.plays_us(number)
        at = np.ceil(PERCENTS * len(plays_us)).astype(np.int64).clip(1) - 1
        records.append(
            {
                "campaign": campaign.campaign_id,
                "role": campaign.name,
                "accounts": len(crew),
                "tracks": len(crew.tracks),
                "plays": len(plays_us),
                "percentiles_us": plays_us[at].tolist() if len(plays_us) else [],
                **(campaign.terms(crew) if isinstance(campaign, Farm) and isinstance(crew, FarmCrew) else {}),
            }
        )
    return records
