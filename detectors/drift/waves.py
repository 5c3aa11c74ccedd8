"""Attack waves: when a detector sees many odd subjects at once, or suddenly many are suspicious, it is said once, and
again when they have doubled.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from detectors.base import WAVE_SHARE, Wave
from detectors.drift.cause import Cause
from detectors.drift.event import DriftEvent, Reaction, Watch
from detectors.drift.reference import SHARE_UNIT_MAX
from detectors.drift.spec import DriftSpec
from detectors.drift.surge import Surge
from state.types import DAY_US
from state.windows import WindowSpec

_OVER_US: Final = 7 * DAY_US
"""A wave that goes on is told each day: one that was not told for so long is over, and the next one is another."""


class Waves:
    """Of one window of one cohort.

    reported: detector, or "alert_rate" for a surge -> (when it was reported last, the share then).  surge: its state.
    """

    def __init__(
        self,
        spec: DriftSpec,
        cohort: str,
        window: WindowSpec,
        reported: Mapping[str, tuple[int, float]],
        surge: Sequence[Any] = (),
    ) -> None:
        self._cohort = cohort
        self._window = window.name
        watched = next((m for m in spec.monitors if m.watch is Watch.WAVE), None)
        self._on = watched is not None
        self._reaction = Reaction(spec.on_attack_wave or (watched and watched.reaction) or spec.reaction)
        self.reported = {name: (int(at_us), float(share)) for name, (at_us, share) in reported.items()}
        self._surge = Surge(window.span_us, *surge)

    @property
    def surge_state(self) -> Sequence[Any]:
        """What `surge` takes back, as JSON values."""
        return self._surge.state()

    def update(self, end_us: int, seen: Mapping[str, Wave | None]) -> list[DriftEvent]:
        """What detectors have to tell of a round.  seen: detector -> what it sees now."""
        found = {name: wave for name, wave in seen.items() if wave is not None and wave.share >= WAVE_SHARE}
        told = [
            self._news(end_us, name, "wave", (end_us, 0.0), wave.share, partial(_odd_alike, wave))
            for name, wave in found.items()
        ]
        return [event for event in told if event is not None]

    def surge(
        self, end_us: int, suspicious: int, rows: int, features: Callable[[], Sequence[str]]
    ) -> DriftEvent | None:
        """What there is to tell of a round by how many are suspicious.

        suspicious: of `rows`, those for which there is an opinion.  features: what they have in common; asked for where
        it is told.
        """
        before = self._surge.update(end_us, suspicious, rows)
        if before is None:
            return None
        share = suspicious / rows
        told = partial(_suspicious, share, before[1], features)
        return self._news(end_us, Watch.ALERT_RATE, "surge", before, share, told)

    def _news(
        self, end_us: int, name: str, monitor: str, before: tuple[int, float], share: float, told: Callable[[], str]
    ) -> DriftEvent | None:
        """The event, if it is one day after the last or has doubled since; only to what is new or has grown there is a
        reaction, and not where detectors know less than one window: what they do not know of people they have to learn.
        """
        at_us, last = self.reported.get(name, (end_us - DAY_US, 0.0))
        grown = share >= 2 * last or end_us >= at_us + _OVER_US
        if not self._on or (not grown and end_us < at_us + DAY_US):
            return None
        self.reported[name] = (end_us, share)
        return DriftEvent(
            Watch.WAVE,
            name,
            self._cohort,
            self._window,
            monitor,
            end_us,
            before[0],
            before[1],
            share,
            (share - before[1]) / SHARE_UNIT_MAX,
            self._reaction if grown and self._surge.is_full(end_us) else Reaction.NOTIFY,
            str(Cause.ATTACK_WAVE),
            told(),
        )


def _odd_alike(wave: Wave) -> str:
    return f"{wave.share:.1%} of the subjects are odd in the same way{_shared(wave.features)}"


def _suspicious(share: float, before: float, features: Callable[[], Sequence[str]]) -> str:
    return f"{share:.1%} of the subjects are suspicious, {before:.1%} were{_shared(features())}"


def _shared(features: Sequence[str]) -> str:
    return f"; they share {', '.join(features)}" if features else ""
