"""Playing without end: what loops, farms, long nights and new albums have in common."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flows.simulate.rows import Rows
from state.types import I32, I64, MS_US, SECOND_US


@dataclass(frozen=True, slots=True)
class Script:
    """What each of m accounts plays, in order: (m, k) each.  gap_us: silence after it.  context: may be (m, 1)."""

    track: I32
    ms: I32
    gap_us: I64
    context: I32


def perform(script: Script, user: I32, device: I32, ip: I32, from_us: I64, until_us: I64) -> Rows:
    """The plays of each account (m,) that end in [from, until), account by account in time order."""
    length_us = script.ms.astype(np.int64) * MS_US
    end_us = from_us[:, None] + np.cumsum(length_us + script.gap_us, axis=1) - script.gap_us
    who, at = np.nonzero(end_us < until_us[:, None])
    context = np.broadcast_to(script.context, script.track.shape)
    return Rows.of(
        end_us[who, at],
        user[who],
        device=device[who],
        ip=ip[who],
        track=script.track[who, at],
        context=context[who, at],
        ms=script.ms[who, at],
    )


def gaps_us(rng: np.random.Generator, shape: tuple[int, int], median_s: float, sigma: float) -> I64:
    """Log-normal silences between plays, microseconds."""
    return (rng.lognormal(np.log(median_s), sigma, shape) * SECOND_US).astype(np.int64)


def sometimes(rng: np.random.Generator, values: I64, chance: float, extra: Callable[[int], I64]) -> I64:
    """The values, with extra(n) added to a random share of them."""
    rows, columns = np.nonzero(rng.random(values.shape) < chance)
    values = values.copy()
    values[rows, columns] += extra(len(rows))
    return values
