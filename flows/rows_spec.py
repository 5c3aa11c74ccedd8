"""RowsSpec: what feature rows are made of, which is all that a judgement is told of the stream that they come from."""

from dataclasses import dataclass

from detectors.features.declare import FeatureInfo
from state.windows import WindowSpec


@dataclass(frozen=True, slots=True)
class WindowRows:
    """The rows of one window.  features: what the columns of their matrix mean, in its order."""

    window: WindowSpec
    features: tuple[FeatureInfo, ...]

    @property
    def name(self) -> str:
        """The window's."""
        return self.window.name


@dataclass(frozen=True, slots=True)
class RowsSpec:
    """The rows of all windows.  key_groups: how many senders they come from."""

    key_groups: int
    windows: tuple[WindowRows, ...]
