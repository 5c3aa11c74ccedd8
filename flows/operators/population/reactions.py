"""What drift events do to learning in one window: it stops for a while, or goes on without some features."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from detectors.base import FeatureInfo, Rows
from detectors.drift.event import DriftEvent, Reaction, Watch
from detectors.drift.spec import DriftSpec
from state.types import START_OF_TIME_US


class Reactions:
    """Until when nothing is learned, and which features are muted."""

    def __init__(self, spec: DriftSpec, features: tuple[FeatureInfo, ...]) -> None:
        self._spec = spec
        self._features = features
        self._frozen_until_us = START_OF_TIME_US
        self._muted_until_us: dict[str, int] = {}
        """Feature -> when detectors see it again."""

    def take(self, event: DriftEvent) -> None:
        """Does what the event asks for, if that is one of the two."""
        match event.reaction:
            case Reaction.FREEZE:
                self._frozen_until_us = event.at_us + self._spec.freeze_us
            case Reaction.MUTE if event.what in (Watch.FEATURE, Watch.MISSING):
                # A monitor starts over after an alarm: the next one tells that the feature is as it was.
                if self._muted_until_us.pop(event.name, START_OF_TIME_US) <= event.at_us:
                    self._muted_until_us[event.name] = event.at_us + self._spec.mute_us

    def is_frozen(self, end_us: int) -> bool:
        """Whether nothing is learned from the round that ends there."""
        return end_us < self._frozen_until_us

    def muted(self, end_us: int) -> int:
        """How many features detectors do not see in the round that ends there."""
        return sum(until_us > end_us for until_us in list(self._muted_until_us.values()))

    def unmuted(self, rows: Rows) -> Rows:
        """The rows as detectors see them: without the values of muted features."""
        if not self._muted_until_us:
            return rows
        muted = [i for i, f in enumerate(self._features) if self._muted_until_us.get(f.name, 0) > rows.end_us]
        if not muted:
            return rows
        x = rows.x.copy()
        x[:, muted] = np.nan
        return replace(rows, x=x, ahead=None)

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {"frozen_until_us": self._frozen_until_us, "muted_until_us": self._muted_until_us}

    def restore(self, state: Mapping[str, Any], new: Collection[str]) -> None:
        """Takes what `state` gave.  new: features that are not what they were."""
        self._frozen_until_us = state["frozen_until_us"]
        here = {f.name for f in self._features}.difference(new)
        muted = state["muted_until_us"]
        self._muted_until_us = {name: until_us for name, until_us in muted.items() if name in here}
