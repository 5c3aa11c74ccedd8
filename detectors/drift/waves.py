"""Attack waves: when a detector sees many odd subjects at once, or suddenly many are suspicious, it is said once, and
again when they have doubled.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detectors.base import Wave
from detectors.drift.cause import Cause
from detectors.drift.event import DriftEvent, Reaction, Watch
from detectors.drift.reference import SHARE_UNIT_MAX
from detectors.drift.spec import DriftSpec
from detectors.drift.surge import Surge
from state.types import DAY_US
from state.windows import WindowSpec

SHARE: Final = 0.05
"""Of the subjects: from here on it is a wave."""


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
        return [
            self._event(end_us, name, "wave", (end_us, 0.0), wave.share, _odd_alike(wave))
            for name, wave in (seen.items() if self._on else ())
            if wave is not None and wave.share >= SHARE and self._is_news(end_us, name, wave.share)
        ]

    def rises(self, end_us: int, suspicious: int, rows: int) -> tuple[int, float] | None:
        """Takes a round; where it is a surge and news, what `Surge.update` gives."""
        before = self._surge.update(end_us, suspicious, rows) if self._on else None
        return before if before and self._is_news(end_us, Watch.ALERT_RATE, suspicious / rows) else None

    def surge(self, end_us: int, before: tuple[int, float], share: float, features: Sequence[str]) -> DriftEvent:
        """The event of a rise.  before: what `rises` gave.  features: what those who are suspicious have in common."""
        told = f"{share:.1%} of the subjects are suspicious, {before[1]:.1%} were{_shared(features)}"
        return self._event(end_us, Watch.ALERT_RATE, "surge", before, share, told)

    def _is_news(self, end_us: int, name: str, share: float) -> bool:
        at_us, before = self.reported.get(name, (end_us - DAY_US, 0.0))
        news = end_us >= at_us + DAY_US or share >= 2 * before
        if news:
            self.reported[name] = (end_us, share)
        return news

    def _event(
        self, end_us: int, name: str, monitor: str, before: tuple[int, float], share: float, evidence: str
    ) -> DriftEvent:
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
            self._reaction,
            str(Cause.ATTACK_WAVE),
            evidence,
        )


def _odd_alike(wave: Wave) -> str:
    return f"{wave.share:.1%} of the subjects are odd in the same way{_shared(wave.features)}"


def _shared(features: Sequence[str]) -> str:
    return f"; they share {', '.join(features)}" if features else ""
