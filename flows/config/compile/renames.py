"""renamed_from: what had other names in state that was saved earlier -> Renames."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flows.config.problems import Problems
from flows.evolution.renames import Renames

if TYPE_CHECKING:
    from flows.config.declarations import Declared, DetectorConfig, FeatureConfig, WindowConfig

    Renamable = FeatureConfig | WindowConfig | DetectorConfig


def renames_in(config: "Declared", problems: Problems) -> Renames:
    """Of features, windows and detectors."""
    return Renames(
        _before("features", config.features, problems),
        _before("windows", config.windows, problems),
        _before("detectors", config.detectors, problems),
    )


def _before(kind: str, table: Mapping[str, "Renamable"], problems: Problems) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for name, declared in table.items():
        was, key = declared.renamed_from, (kind, name, "renamed_from")
        if was in table:
            problems.add(key, was, f"a name that nothing in [{kind}] has now")
        elif was in found:
            problems.add(key, was, f"each name once; {found[was]!r} has it too")
        elif was:
            found[was] = name
    return tuple(found.items())
