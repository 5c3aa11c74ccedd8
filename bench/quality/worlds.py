"""Harder worlds: campaigns hide among people, who keep company as these do; and how hard until they are lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Final

from flows.config.endpoints import SimulatorConfig
from flows.config.load import load
from flows.config.models import Config
from flows.simulate.config import SimulationSpec

DAYS: Final = 3
"""As long as a coincidence is evidence (campaigns.expire)."""
USERS: Final = (5_000, 20_000)
CHOSEN_ON: Final = (1, 2, 3, 4, 20, 21, 22, 23, 24)
"""Seeds that are looked at while the rules of campaigns and their settings are chosen."""
REPORTED_ON: Final = (9, 10, 11, 12)
"""Seeds that are for the judge alone.  9 to 11 had been looked at with the first rules, 12 never."""
_CURVE_SEEDS: Final = (1, 9)
"""Where the curve is walked along: one of each."""


@dataclass(frozen=True, slots=True)
class World:
    """name: a part of ids.  about: in words.  company: settings of `[sources.NAME.company]`, as TOML.

    attackers: factor on those of the shipped simulation.
    """

    name: str
    about: str
    company: tuple[str, ...] = ()
    attackers: float = 1.0


_NEAR: Final = "organic=[0.25,0.25]"
MAIN: Final = (
    World("near", "people play a campaign's tracks a quarter as often as it does", (_NEAR,)),
    World("innocent", "nobody attacks", (), 0.0),
)
CURVE: Final = (
    World("drawn", "0.1 to 3 plays of people per play of a campaign", ()),
    World("even", "as many plays of people as of the campaign", ("organic=[1,1]",)),
    World("sparse", "farms' accounts play 20 to 60 a day, decoys included", (_NEAR, "plays=[20,60]")),
    World("diluted", "four fifths of a farm's plays are decoys", (_NEAR, "decoys=[0.8,0.8]")),
    World("thinned", "the six other kinds play a tenth of what they do in the plain world", (_NEAR, "thinned=0.1")),
    World("jittered", "lockstep farms begin a play within two to three hours", (_NEAR, 'jitter=["2h","3h"]')),
    World("parted", "an account of a partitioned farm plays one in thirty of the tracks", (_NEAR, "partitions=30")),
)
"""Of `near`, one thing changed at a time; `drawn` is the world as the simulator draws it."""


@dataclass(frozen=True)
class WorldScenario:
    """One harder world under the shipped configuration, its alert budget included, with campaigns.  settings: what
    differs, as "section.key=value".
    """

    world: World
    users: int
    seed: int
    days: int = DAYS
    settings: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """world-users-seed."""
        return f"{self.world.name}-{self.users}-{self.seed}"

    @property
    def tuned(self) -> bool:
        """Whether this seed was looked at while the rules were chosen."""
        return self.seed in CHOSEN_ON

    @cached_property
    def config(self) -> Config:
        """The shipped configuration with this world and the settings.  Raises ConfigError."""
        simulated = {
            "users": self.users,
            "duration": f"{self.days}d",
            "seed": self.seed,
            "attackers": self.world.attackers,
            "company": "{}",
        }
        own = [f"sources.main.{key}={value}" for key, value in simulated.items()]
        own += [f"sources.main.company.{setting}" for setting in self.world.company]
        return load(environ={}, settings=[*own, *self.settings])

    @property
    def simulation(self) -> SimulationSpec:
        """The platform."""
        source = self.config.sources["main"]
        assert isinstance(source, SimulatorConfig)
        spec = source.simulation()
        assert isinstance(spec, SimulationSpec)
        return spec


WORLDS: Final[Sequence[WorldScenario]] = (
    *(WorldScenario(w, users, seed) for seed in (*REPORTED_ON, *CHOSEN_ON) for users in USERS for w in MAIN),
    *(WorldScenario(w, USERS[-1], seed) for seed in _CURVE_SEEDS for w in CURVE),
)
SMOKE_WORLDS: Final[Sequence[WorldScenario]] = (
    WorldScenario(MAIN[0], 1_500, 1, 1, ("job.key_groups=1",)),
    WorldScenario(MAIN[1], 1_000, 1, 1, ("job.key_groups=1",)),
)
"""What runs with the tests, in seconds."""


def chosen_worlds(patterns: Sequence[str], *, smoke: bool) -> list[WorldScenario]:
    """Those whose id fits one of the patterns (`*`, `?`, `[...]`)."""
    return [s for s in (SMOKE_WORLDS if smoke else WORLDS) if any(fnmatchcase(s.id, pattern) for pattern in patterns)]


def world_ids_in_words() -> str:
    """What the parts of an id can be."""
    parts = ([w.name for w in (*MAIN, *CURVE)], USERS, (*REPORTED_ON, *CHOSEN_ON))
    return "; ".join(", ".join(map(str, part)) for part in parts)
