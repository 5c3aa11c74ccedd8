"""`[sources.NAME.company]`: the simulator's harder world, and how hard it is."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from flows.config.section import Section, problem
from flows.durations import Duration
from state.types import DAY_US, HOUR_US

_Organic = Annotated[float, Field(ge=0, le=10)]
_Plays = Annotated[float, Field(ge=1, le=1000)]
_Decoys = Annotated[float, Field(ge=0, le=0.95)]
_Jitter = Annotated[Duration, Field(ge=0, le=DAY_US // 8)]


class CompanyConfig(Section):
    """The harder world.  Pairs are the least and the most that a campaign draws; equal ones fix it."""

    organic: tuple[_Organic, _Organic] = Field(
        (0.1, 3.0), description="what people play of a campaign's tracks, per play of the campaign"
    )
    heavy: float = Field(0.3, ge=0, le=1, description="share of it that comes from a few who play them a lot")
    plays: tuple[_Plays, _Plays] = Field(
        (20.0, 500.0), description="plays a day of a farm's account, decoys included; each account draws its own"
    )
    decoys: tuple[_Decoys, _Decoys] = Field(
        (0.3, 0.8), description="share of a farm's plays that are popular tracks instead"
    )
    jitter: Annotated[tuple[_Jitter, _Jitter], WithJsonSchema({"type": "durations"})] = Field(
        (0, HOUR_US), description="within how long a lockstep farm's accounts begin the same play"
    )
    partitions: int = Field(
        10, ge=1, le=50, description="a partitioned farm's account plays one in so many of the tracks"
    )
    thinned: float = Field(0.5, ge=0, le=1, description="share of the plays of the other kinds of attack that is left")
    device_accounts: int = Field(4, ge=1, le=100, description="accounts on each device of operators and phone farms")
    carrier_accounts: int = Field(
        1000, ge=1, le=100_000, description="residents of a country per carrier address; a day sees half of them there"
    )
    crowds: float = Field(1.0, ge=0, le=10, description="factor on the number of innocent crowds; 0 for none")
    tracks_per_user: float = Field(8.0, ge=1, le=100, description="size of the genuine catalogue, in place of tracks")

    def mistakes(self) -> Iterator[PydanticCustomError]:
        for name in ("organic", "plays", "decoys", "jitter"):
            low, high = getattr(self, name)
            if low > high:
                yield problem([low, high], "the least first, then the most", name)

    def settings(self) -> Any:
        """The CompanySettings.  Raises ConfigError."""
        from flows.simulate.company.settings import CompanySettings

        given = {name: getattr(self, name) for name in type(self).model_fields}
        return CompanySettings(jitter_us=given.pop("jitter"), **given)
