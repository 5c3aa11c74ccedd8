"""The scenarios: attacks of seven sizes on platforms of three, each drawn with seeds that were tuned on and others."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Final

from flows.config.endpoints import SimulatorConfig
from flows.config.load import load
from flows.config.models import Config
from flows.simulate.config import SimulationSpec

DAYS: Final = 7
USERS: Final = (2_000, 5_000, 20_000)
TUNED_ON: Final = (31, 32, 33, 34, 41)
"""Seeds that were looked at while detectors and their settings were chosen; 41 for the first look at waves only."""
NOT_TUNED_ON: Final = (42, 43)
"""Seeds that are for the judge alone: nothing may be chosen by what they say."""
_BUDGET: Final = 150
_BUDGET_USERS: Final = 5_000
_LARGE_BUDGET: Final = 3_000
"""A team that is attacked by a tenth of its accounts and more reads more."""


@dataclass(frozen=True, slots=True)
class Attack:
    """attackers: factor on those of the shipped simulation.  day: on which they begin, 1 for the first."""

    name: str
    attackers: float
    day: int = 1


ATTACKS: Final = (
    Attack("null", 0.0),
    Attack("tenth", 0.1),
    Attack("shipped", 1.0),
    Attack("warm", 1.0, 3),
    Attack("double", 2.0),
    Attack("four", 4.0),
    Attack("ten", 10.0),
    Attack("warm_four", 4.0, 3),
    Attack("warm_ten", 10.0, 3),
)


@dataclass(frozen=True)
class Scenario:
    """One simulated platform under the shipped configuration, where each subject is judged alone: with campaigns on,
    members are not alerted for themselves.  settings: what differs, as "section.key=value".
    """

    attack: Attack
    users: int
    seed: int
    days: int = DAYS
    settings: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """attack-users-seed."""
        return f"{self.attack.name}-{self.users}-{self.seed}"

    @property
    def tuned(self) -> bool:
        """Whether this seed was looked at while the detectors were chosen."""
        return self.seed in TUNED_ON

    @property
    def budget(self) -> int:
        """Alerts a day: 150 per 5,000 users, 3,000 where a tenth or a quarter of the accounts attack."""
        return _LARGE_BUDGET if self.attack.attackers >= 4 else max(1, round(_BUDGET * self.users / _BUDGET_USERS))

    @cached_property
    def config(self) -> Config:
        """The shipped configuration with this simulation, this budget, and the settings.  Raises ConfigError."""
        simulated = {
            "users": self.users,
            "duration": f"{self.days}d",
            "seed": self.seed,
            "attackers": self.attack.attackers,
            "attack_day": self.attack.day,
        }
        own = ["campaigns=false", *(f"sources.main.{key}={value}" for key, value in simulated.items())]
        return load(environ={}, settings=[*own, f"alerts.budget_per_day={self.budget}", *self.settings])

    @property
    def simulation(self) -> SimulationSpec:
        """The platform."""
        source = self.config.sources["main"]
        assert isinstance(source, SimulatorConfig)
        spec = source.simulation()
        assert isinstance(spec, SimulationSpec)
        return spec


TABLE: Final[Sequence[Scenario]] = tuple(
    Scenario(attack, users, seed) for seed in (*NOT_TUNED_ON, *TUNED_ON) for users in USERS for attack in ATTACKS
)
SMOKE: Final[Sequence[Scenario]] = (
    Scenario(ATTACKS[2], 600, 31, 1, ("job.key_groups=1",)),
    Scenario(Attack("warm", 1.0, 2), 400, 31, 2, ("job.key_groups=1",)),
)
"""What runs with the tests, in seconds."""


def chosen(patterns: Sequence[str], *, smoke: bool) -> list[Scenario]:
    """Those whose id fits one of the patterns (`*`, `?`, `[...]`)."""
    return [s for s in (SMOKE if smoke else TABLE) if any(fnmatchcase(s.id, pattern) for pattern in patterns)]


def ids_in_words() -> str:
    """What the parts of an id can be."""
    parts = ([a.name for a in ATTACKS], USERS, (*NOT_TUNED_ON, *TUNED_ON))
    return "; ".join(", ".join(map(str, part)) for part in parts)
