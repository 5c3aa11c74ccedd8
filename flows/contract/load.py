"""A trial from a file, as its author keeps it beside a plug-in."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from flows.contract.kit import checks_of
from flows.contract.trial import FormatTrial, SinkTrial, SourceTrial
from state.check import Check
from state.errors import ConfigError, PluginError


def trial_of(file: str, folder: Path, outage_s: float | None) -> Iterator[Check]:
    """The checks of what the function `trial(folder)` of a file gives.  outage_s: in the place of the trial's own.

    Raises ConfigError for a file that is not there, PluginError for one that gives no trial.
    """
    path = Path(file).resolve()
    if not path.is_file():
        raise ConfigError(f"no such file: {path}")
    try:
        found = importlib.import_module(_module_name(path)).trial(folder)
    except Exception as error:
        raise PluginError(f"{file}: {type(error).__name__}: {error}") from error
    if not isinstance(found, SinkTrial | SourceTrial | FormatTrial):
        raise PluginError(f"{file}: trial(folder) gave {found!r:.80}, expected a trial of driftnet.checks")
    if outage_s is not None and isinstance(found, SinkTrial):
        found = replace(found, outage_s=outage_s)
    return checks_of(found)


def _module_name(path: Path) -> str:
    """Its name in the package that it is in, which is then found; processes of the checks find it too."""
    parts, root = [path.stem], path.parent
    while (root / "__init__.py").exists():
        parts.insert(0, root.name)
        root = root.parent
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return ".".join(parts)
