"""Who is who: what evaluation compares alerts with."""

from typing import Any

from flows.simulate.people import Persona
from flows.simulate.world import World
from state.types import END_OF_TIME_US, I64


def truth(world: World, first_attack_us: I64) -> list[dict[str, Any]]:
    """One record per account: user_id, role, is_attacker, campaign, start_us.

    first_attack_us: (accounts,) as from Days.  role: the kind of the campaign, or the persona in lower case.
    campaign: which one of the kind, None for people.  start_us: an attacker's first event of the attack; the start of
    the simulation for people.  An account whose attack has not begun when the simulation ends is still a person.
    """
    role = [Persona(p).name.lower() for p in world.people.persona.tolist()]
    records: list[dict[str, Any]] = [
        {"user_id": u, "role": r, "is_attacker": False, "campaign": None, "start_us": world.spec.start_us}
        for u, r in zip(world.user_id, role, strict=True)
    ]
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
