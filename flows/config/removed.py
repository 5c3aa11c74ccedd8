"""Keys that configurations of earlier versions had, and why they are gone."""

from collections.abc import Mapping
from typing import Any, Final

from flows.config.layers import Key

_LEARNED: Final = "nobody is left out of what is learned any more (docs/how_it_works.md): delete it"
REMOVED: Final[Mapping[Key, str]] = {
    ("learning", "exclude_line"): _LEARNED,
    ("learning", "exclude_share_max"): _LEARNED,
    ("learning", "quarantine"): _LEARNED,
    ("calibration", "contamination_max"): "attackers are told from people by the detector type 'extremes': delete it",
    ("alerts", "budget_burst"): "budget_per_day is that of any 24 hours, whenever its alerts come: delete it",
    ("alerts", "evidence"): "evidence lasts a day, or until a window of a day is replaced by the next: delete it",
}
"""Key -> what to do."""


def without_removed(table: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration that an earlier version wrote down, without the keys that mean nothing any more."""
    gone = {section: {key for s, key in REMOVED if s == section} for section, _ in REMOVED}
    return {
        section: {k: v for k, v in keys.items() if k not in gone.get(section, ())} if isinstance(keys, dict) else keys
        for section, keys in table.items()
    }
