"""Attack waves: when a detector sees many odd subjects at once, it is said once, and again when they have doubled."""

from collections.abc import Mapping
from typing import Final

from detectors.base import Wave
from detectors.drift.cause import Cause
from detectors.drift.event import DriftEvent, Reaction, Watch
from detectors.drift.reference import SHARE_UNIT_MAX
from detectors.drift.spec import DriftSpec
from state.types import DAY_US

SHARE: Final = 0.05
"""Of the subjects: from here on it is a wave."""


class Waves:
    """Of one window of one cohort.  reported: detector -> (when it was reported last, the share then)."""

    def __init__(self, spec: DriftSpec, cohort: str, window: str, reported: Mapping[str, tuple[int, float]]) -> None:
        self._cohort = cohort
        self._window = window
        watched = next((m for m in spec.monitors if m.watch is Watch.WAVE), None)
        self._on = watched is not None
        self._reaction = Reaction(spec.on_attack_wave or (watched and watched.reaction) or spec.reaction)
        self.reported = {name: (int(at_us), float(share)) for name, (at_us, share) in reported.items()}

    def update(self, end_us: int, seen: Mapping[str, Wave | None]) -> list[DriftEvent]:
        """What a round has to tell.  seen: detector -> what it sees now."""
        return [
            self._event(end_us, name, wave)
            for name, wave in (seen.items() if self._on else ())
            if wave is not None and wave.share >= SHARE and self._is_news(end_us, name, wave.share)
        ]

    def _is_news(self, end_us: int, name: str, share: float) -> bool:
        at_us, before = self.reported.get(name, (end_us - DAY_US, 0.0))
        news = end_us >= at_us + DAY_US or share >= 2 * before
        if news:
            self.reported[name] = (end_us, share)
        return news

    def _event(self, end_us: int, name: str, wave: Wave) -> DriftEvent:
        alike = f"; they share {', '.join(wave.features)}" if wave.features else ""
        return DriftEvent(
            Watch.WAVE,
            name,
            self._cohort,
            self._window,
            "wave",
            end_us,
            end_us,
            0.0,
            wave.share,
            wave.share / SHARE_UNIT_MAX,
            self._reaction,
            str(Cause.ATTACK_WAVE),
            f"{wave.share:.1%} of the subjects are odd in the same way{alike}",
        )
