"""What each watched series is expected to be: its level, its usual value at this hour, its spread."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.types import DAY_US, F64, HOUR_US, I64, MINUTE_US, Bool

Z_MAX: Final = 10.0
"""Standardised values are cut here: one wild round must not decide."""
_LEVEL_RATE: Final = 1 - 0.5 ** (1 / 12)
"""The level forgets half in 12 samples: an hour of 5-minute rounds."""
_LEVEL_STEP: Final = 0.5
"""A sample moves the level as if it were at most this many sd away: a change must be seen before it is absorbed."""
_SPREAD_RATE: Final = 1 / 288
_NOISE_RATE: Final = 1 / 864
_FIRST_DAY_SD: Final = 0.25
"""Before the hours are known, a round is taken to have at least this noise, in the unit of sizes."""
_SHARE_SD_MIN: Final = 0.05
"""sd of a share near 0 or 1: a change of a few rows in a thousand is not worth a person's time."""
SHARE_UNIT_MAX: Final = 0.15
_MEMORY_DAYS: Final = 3
_MEMORY_SAMPLES: Final = 1000
"""What is remembered of a series without rhythm."""


def _cut(values: F64, low: F64 | float, high: F64 | float) -> F64:
    """As np.clip, which takes five times as long for a few series."""
    return np.maximum(np.minimum(values, high), low)


class Reference:
    """State of S series, as arrays, and the one step that turns their samples into nearly independent z-values.

    Listening has a daily rhythm that is many times larger than the noise of a round. A series is therefore compared
    with its own values at the same hour of the days before (remembered for about 3 days, interpolated between hours).
    Its noise is measured, not assumed: residuals are divided by their usual size, and the part that the sample before
    predicts is taken out (AR(1) prewhitening), because ADWIN takes autocorrelation for change.
    In its first day (after the start, or after an alarm) a series is compared with its level of the last hour, on a
    scale so coarse that only large and sudden changes count.
    A series without rhythm (daily=False) is compared with its mean so far instead, as soon as its noise is known.

    share: (S,) bool, True for shares of rows (binomial spread), False for means.  cadence_us: time between samples.
    """

    ARRAYS: Final = (
        "seen", "first_us", "level", "spread", "season", "season_n", "noise", "noise_n", "product", "last",
    )  # fmt: skip

    def __init__(self, share: Bool, cadence_us: int, warmup: int, daily: bool = True) -> None:
        size = len(share)
        self.daily = daily
        self.share = share
        self.warmup = warmup
        self.cadence_us = max(min(cadence_us, HOUR_US), MINUTE_US)
        self.seen: I64 = np.zeros(size, np.int64)
        self.first_us: I64 = np.zeros(size, np.int64)
        self.level: F64 = np.zeros(size)
        self.spread: F64 = np.zeros(size)
        self.season: F64 = np.zeros((24 if daily else 1, size))
        self.season_n: I64 = np.zeros((24 if daily else 1, size), np.int64)
        self.noise: F64 = np.ones(size)
        self.noise_n: I64 = np.zeros(size, np.int64)
        self.product: F64 = np.zeros(size)
        self.last: F64 = np.zeros(size)

    def sd(self) -> F64:
        """(S,) standard deviation of the rows, above 0."""
        p = _cut(self.level, 0.0, 1.0)
        floor = 1e-6 + 1e-3 * np.abs(self.level)
        return np.where(
            self.share, np.maximum(np.sqrt(p * (1 - p)), _SHARE_SD_MIN), np.maximum(np.sqrt(self.spread), floor)
        )

    def unit(self, sd: F64) -> F64:
        """(S,) what the size of a change is told in: the sd of the rows, for shares at most 0.15.

        A share of one half that rises by 0.15 is news, though it is but 0.3 sd of a yes-or-no.
        """
        return np.where(self.share, np.minimum(sd, SHARE_UNIT_MAX), sd)

    def warm(self) -> Bool:
        """(S,) True where the level and the spread are known."""
        return self.seen >= self.warmup

    def step(self, t_us: int, ready: Bool, value: F64, count: F64, variance: F64, sd: F64) -> tuple[F64, F64, Bool]:
        """Judges one sample per ready series, then learns from it.

        t_us: time of the sample.  value: (S,) mean or share.  count: (S,) rows behind it.  variance: (S,) of the rows.
        sd: (S,) as `sd()` gives it before the step.
        Returns z: (S,), about standard normal while nothing changes, nan where there is nothing to compare with or
        the series is not ready; expected: (S,) in the value's unit; seasonal: (S,) bool, True where z is by hour.
        """
        by_hour, hour_known = self._season_at(t_us)
        aged = ready & (self.seen >= self.warmup)
        if self.daily:
            aged &= t_us - self.first_us >= DAY_US
        usable = aged & hour_known
        seasonal = aged & (self.noise_n >= self.warmup)
        expected = np.where(usable & seasonal, by_hour, self.level)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = sd / np.sqrt(count)
            u = np.where(usable, (value - by_hour) / error, 0.0)
        u = _cut(u, -1e6, 1e6)
        scaled = _cut(u / np.sqrt(np.maximum(self.noise, 1.0)), -Z_MAX, Z_MAX)
        phi = _cut(self.product, 0.0, 0.9)
        hourly = (scaled - phi * self.last) / np.sqrt(1 - phi * phi)
        coarse = _cut((value - self.level) / np.maximum(_FIRST_DAY_SD * self.unit(sd), error), -Z_MAX, Z_MAX)
        tested = ready & self.warm() & (hour_known | ~seasonal)
        z = np.where(tested, np.where(seasonal, hourly, coarse), np.nan)
        self._learn_noise(usable, u, scaled)
        self._learn_level(t_us, ready, value, variance, sd)
        return z, expected, seasonal

    def restart(self, series: int) -> None:
        """Forgets one series."""
        for name in self.ARRAYS:
            getattr(self, name)[..., series] = 1.0 if name == "noise" else 0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state by name, for a snapshot."""
        return {name: getattr(self, name) for name in self.ARRAYS}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Takes what `arrays` gave."""
        for name in self.ARRAYS:
            setattr(self, name, arrays[name])

    def _season_at(self, t_us: int) -> tuple[F64, Bool]:
        """The usual values at this time of day, and where they are known.

        An hour's reference is the mean of its samples, so it belongs to their middle; between two middles it is a line.
        """
        if not self.daily:
            return self.season[0], self.season_n[0] > 0
        at_us = t_us - (HOUR_US + self.cadence_us) // 2
        a, part = at_us // HOUR_US % 24, (at_us % HOUR_US) / HOUR_US
        if part == 0:
            return self.season[a], self.season_n[a] > 0
        b = (a + 1) % 24
        return (1 - part) * self.season[a] + part * self.season[b], (self.season_n[a] > 0) & (self.season_n[b] > 0)

    def _learn_noise(self, usable: Bool, u: F64, scaled: F64) -> None:
        """Size of the residuals, in standard errors squared, and their correlation with the one before."""
        rate = np.where(usable, np.maximum(1 / (self.noise_n + 1), _NOISE_RATE), 0.0)
        # A shift must not pass for noise: beyond the first few, a squared residual counts as at most 6 usual ones.
        most = np.where(self.noise_n >= self.warmup, 6 * np.maximum(self.noise, 1.0), np.inf)
        self.noise += rate * (np.minimum(u * u, most) - self.noise)
        now, before = _cut(scaled, -2.5, 2.5), _cut(self.last, -2.5, 2.5)
        self.product += rate * (now * before - self.product)
        self.last = np.where(usable, scaled, self.last)
        self.noise_n += usable

    def _learn_level(self, t_us: int, ready: Bool, value: F64, variance: F64, sd: F64) -> None:
        warm = self.warm()
        self.first_us = np.where(ready & (self.seen == 0), t_us, self.first_us)
        rate = np.where(ready, np.maximum(1 / (self.seen + 1), _LEVEL_RATE), 0.0)
        most = np.where(warm, _LEVEL_STEP * sd, np.inf)
        self.level += rate * _cut(value - self.level, -most, most)
        rate = np.where(ready, np.maximum(1 / (self.seen + 1), _SPREAD_RATE), 0.0)
        self.spread += rate * (np.minimum(variance, np.where(warm, 4 * sd * sd, np.inf)) - self.spread)
        hour = (t_us - 1) // HOUR_US % 24 if self.daily else 0
        memory = _MEMORY_DAYS * HOUR_US // self.cadence_us if self.daily else _MEMORY_SAMPLES
        rate = np.where(ready, np.maximum(1 / (self.season_n[hour] + 1), 1 / memory), 0.0)
        self.season[hour] += rate * (value - self.season[hour])
        self.season_n[hour] += ready
        self.seen += ready
