"""What saved state has to fit: the parts of a job by name, each with its settings as text."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from flows.job import DetectorUse, Job

Settings = Mapping[str, str]
"""Field -> value, without those that are as by default: a field that a newer build adds changes nothing."""


def settings_of(thing: Any) -> dict[str, str]:
    """The settings of a dataclass instance, and its type."""
    told = {"type": type(thing).__name__}
    for field in fields(thing):
        value = getattr(thing, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if value != default:
            told[field.name] = repr(value)
    return told


def layout(job: Job) -> dict[str, Settings]:
    """What rows, cells and windows are made of: state that was saved with another layout cannot be read."""
    found: dict[str, Settings] = {
        "event ids": {"present": str(job.schema.has_event_id)},
        "cohorts": settings_of(job.cohorts),
    }
    columns = [c for c in job.schema.columns if c.name in job.columns]
    for kind, things in (("column", columns), ("sequence", job.sequences), ("feature", job.features)):
        found |= {f"{kind} {thing.name}": settings_of(thing) for thing in things}
    for window in job.windows:
        found[f"window {window.window.name}"] = settings_of(window.window) | {"features": ", ".join(window.features)}
    return found


def replaceable(job: Job) -> dict[str, Settings]:
    """What starts cold where it is not as it was saved, while all the rest goes on."""
    detectors = {f"detector {use.name}": detector_settings(use) for use in job.detectors}
    return detectors | {"calibration": settings_of(job.calibration), "drift": settings_of(job.drift)}


def detector_settings(use: DetectorUse) -> Settings:
    """Of a detector: what it knows holds for these alone."""
    return settings_of(use.spec) | {"features": ", ".join(use.features) or "all"}
