"""What is watched for drift, how carefully, and what follows."""

from dataclasses import dataclass
from typing import Final

from detectors.drift.cause import Cause
from detectors.drift.event import Reaction, Watch
from detectors.limits import require
from state.errors import ConfigError
from state.types import HOUR_US

RHYTHMS: Final = ("daily", "none")
TESTS: Final = ("adwin", "page_hinkley")


@dataclass(frozen=True, slots=True)
class MonitorSpec:
    """One family of monitors.  reaction: None for the DriftSpec's.

    tests: "adwin" finds small and slow changes, "page_hinkley" sudden ones sooner and in short series; the first to
    fire reports. Both are River's. Errors are watched by ADWIN alone, see `detectors.drift.errors`.
    """

    watch: Watch
    tests: tuple[str, ...] = TESTS
    reaction: Reaction | None = None

    def __post_init__(self) -> None:
        if not self.tests or not set(self.tests) <= set(TESTS):
            raise ConfigError(
                f"drift.monitors.{self.watch}.tests: seen {self.tests!r}, allowed: any of {', '.join(TESTS)}"
            )


ALL_MONITORS: Final = tuple(MonitorSpec(watch) for watch in Watch)


@dataclass(frozen=True, slots=True)
class DriftSpec:
    """Which series are watched, how carefully, and what follows.

    monitors: at most one per Watch; empty switches drift off.  reaction: for monitors that name none.
    on_data_fault, on_population_shift, on_attack_wave, on_detector_decay: reactions by cause, before those by monitor.
    rhythm: "daily" compares with the same hour of the days before, "none" (rows without a time) with all so far.
    delta: ADWIN's confidence for a whole cohort and window; each series gets its share, delta / number of series, and
    so does each detector whose errors are watched.
    warmup_rounds: samples of a series before it is tested, at the start and again after an alarm.
    size_min: smallest change worth an event, in standard deviations of the population (for shares at most 0.15);
    size_min_first: the same until a series has a full day as reference, and cannot tell the daily rhythm from a change.
    rows_min: rounds with fewer rows are added up until they hold this many.  rows_max: larger rounds are sampled.
    freeze_us, mute_us, retrain_rounds: how long a reaction lasts.
    """

    monitors: tuple[MonitorSpec, ...] = ALL_MONITORS
    reaction: Reaction = Reaction.NOTIFY
    on_data_fault: str = ""
    on_population_shift: str = ""
    on_attack_wave: str = ""
    on_detector_decay: str = ""
    rhythm: str = "daily"
    delta: float = 0.002
    warmup_rounds: int = 12
    size_min: float = 0.25
    size_min_first: float = 1.0
    rows_min: int = 30
    rows_max: int = 1024
    freeze_us: int = 6 * HOUR_US
    mute_us: int = 24 * HOUR_US
    retrain_rounds: int = 288

    def __post_init__(self) -> None:
        watches = [m.watch for m in self.monitors]
        reactions = ("", *Reaction)
        require(
            self,
            "drift",
            monitors=(len(watches) == len(set(watches)), "each of feature, score, alert_rate, missing at most once"),
            rhythm=(self.rhythm in RHYTHMS, f"one of {', '.join(RHYTHMS)}"),
            delta=(0 < self.delta < 1, "between 0 and 1"),
            warmup_rounds=(self.warmup_rounds >= 2, "at least 2"),
            size_min=(self.size_min >= 0, "at least 0"),
            size_min_first=(self.size_min_first >= self.size_min, f"at least size_min ({self.size_min:g})"),
            rows_min=(self.rows_min >= 1, "at least 1"),
            rows_max=(self.rows_max >= 2, "at least 2"),
            freeze_us=(self.freeze_us >= 0, "at least 0"),
            mute_us=(self.mute_us >= 0, "at least 0"),
            retrain_rounds=(self.retrain_rounds >= 1, "at least 1"),
            **{
                key: (getattr(self, key) in reactions, f"one of {', '.join(Reaction)}")
                for key in map("on_{}".format, Cause)
            },
        )
