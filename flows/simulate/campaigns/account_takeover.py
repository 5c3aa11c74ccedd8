"""account_takeover: parasite plays in the accounts of people who go on listening."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from flows.simulate.campaigns.base import Crew, Scripted
from flows.simulate.catalogue import Catalogue, Owner
from flows.simulate.geography import ELSEWHERE
from flows.simulate.rows import Rows, Type
from flows.simulate.steady import Script, gaps_us
from state.types import DAY_US, HOUR_US, MINUTE_US, SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTakeover(Scripted):
    """Guessed passwords, a log-in from abroad on a new device, then one owner's tracks among the genuine plays."""

    name: str = "account_takeover"
    start_us: int = 7 * HOUR_US
    owner: Owner = field(default=Owner(tracks=150, artists=6))
    ramp_us: int = 3 * HOUR_US
    clients: tuple[str, ...] = ("web", "desktop", "android")
    countries: tuple[str, ...] = ELSEWHERE
    resters: float = 0.2
    pace_s: float = 35.0

    takes_over: ClassVar[bool] = True

    def script(self, crew: Crew, catalogue: Catalogue, rng: np.random.Generator, span_us: int) -> Script:
        """Forty seconds to the whole track, after a median wait of pace_s."""
        m, k = len(crew), int(span_us / (60 * SECOND_US))
        track = rng.choice(crew.tracks, (m, k))
        ms = (40_000 + rng.random((m, k)) ** 0.7 * (catalogue.ms[track] - 40_000)).astype(np.int32)
        return Script(track, ms, gaps_us(rng, (m, k), self.pace_s, 0.9), catalogue.album[track])

    def rows(self, crew: Crew, catalogue: Catalogue, day_us: int, rng: np.random.Generator) -> Rows:
        """The break-in on the day of the start; parasite plays from a few minutes after it on."""
        fresh = crew.take((crew.start_us >= day_us) & (crew.start_us < day_us + DAY_US))
        attempts = rng.integers(6, 40, len(fresh))
        who = np.repeat(np.arange(len(fresh)), attempts)
        guess_us = fresh.start_us[who] + np.sort((rng.random(len(who)) * 3 * MINUTE_US).astype(np.int64))
        parts = [Rows.of(guess_us, fresh.user[who], kind=Type.LOGIN_FAILED, device=fresh.device[who], ip=fresh.ip[who])]
        for kind, chance in ((Type.PASSWORD_CHANGE, 0.25), (Type.EMAIL_CHANGE, 0.15)):
            some = fresh.take(rng.random(len(fresh)) < chance)
            at_us = some.start_us + (rng.uniform(5, 15, len(some)) * MINUTE_US).astype(np.int64)
            parts.append(Rows.of(at_us, some.user, kind=kind, device=some.device, ip=some.ip))
        inside = replace(crew, start_us=crew.start_us + 4 * MINUTE_US)
        return Rows.concat((*parts, Scripted.rows(self, inside, catalogue, day_us, rng)))
