"""The job whose state is in a directory, by what was noted beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from flows.config.models import Config
from flows.config.saved import load_saved
from flows.engine.shape import SHAPE, read_shape
from flows.evolution.fates import KINDS, MADE_OF, UNSAID, Fate, cohort_numbers, fates, shape_of
from flows.evolution.layout import Layout, layout_of, state_settings
from flows.job import Job
from flows.savepoint.manifest import is_savepoint, require_whole
from state.errors import SnapshotError

CONFIG_NOTE: Final = "config.toml"
"""The effective configuration, in the state directory."""


def saved_job(directory: Path, own: Config) -> tuple[Job, dict[str, Any]]:
    """The job whose state is in a directory, and its shape.  own: the operator's configuration.

    Raises SnapshotError for what cannot be read, ConfigError for a saved configuration that names other code.
    """
    config = directory / CONFIG_NOTE
    try:
        toml = config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SnapshotError(f"{config}: without the configuration the state cannot be read: {error}") from None
    shape = read_shape(directory / SHAPE)
    return load_saved(toml, str(config), own).job(), shape


def unsaid_layout(directory: Path | None, config: Config) -> Layout | None:
    """The layout of what an earlier build saved in a directory, which does not say it; None where there is nothing.

    config: the operator's, which may differ from that of the state; where it does, that lies beside the state.  Raises
    what `saved_job` does.
    """
    if directory is None or not (directory / SHAPE).exists():
        return None
    shape = read_shape(directory / SHAPE)
    if UNSAID in shape:
        return Layout.from_plain(shape[UNSAID])
    if MADE_OF in shape:
        return None
    job = config.job()
    if shape["layout"] != state_settings(job):
        # Another host of the cluster may be writing both, the shape first, and then they are read the other way round.
        job, shape = saved_job(directory, config)
        if UNSAID in shape:
            return Layout.from_plain(shape[UNSAID])
        if state_settings(job) != shape["layout"]:
            raise SnapshotError(
                f"{directory / CONFIG_NOTE} is not the configuration that the state was saved with; run the job once as"
                " it was then, which makes the state fit to go on with another"
            )
    return layout_of(job)


def numbered_cohorts(directory: Path | None, job: Job) -> dict[str, int]:
    """Numbers of the cohorts of a job that goes on from the state in a directory."""
    if directory is None or not (directory / SHAPE).exists():
        return {}
    saved = read_shape(directory / SHAPE)
    numbers = _numbers(saved, job)
    for kind in job.kinds:
        if kind.name in saved.get(KINDS, {}):
            numbers |= _numbers(saved[KINDS][kind.name], kind.job)
    return numbers


def _numbers(saved: Mapping[str, Any], job: Job) -> dict[str, int]:
    return cohort_numbers(saved, {"cohorts": job.judgement.cohorts.names, "layout": state_settings(job)})


def fates_against(directory: Path, config: Config) -> list[Fate]:
    """What would become of the state in a directory, or in a savepoint, if it went on with a configuration.

    Source partitions are not asked for.  Raises what `saved_job` does.
    """
    if is_savepoint(directory):
        require_whole(directory)
    if not (directory / SHAPE).exists():
        raise SnapshotError(f"{directory} is neither a savepoint nor a state directory: it has no {SHAPE}")
    job, shape = config.job(), read_shape(directory / SHAPE)
    unsaid = unsaid_layout(directory, config)
    saved = shape if unsaid is None else {UNSAID: unsaid.to_plain()} | shape
    return fates(saved, shape_of(job, numbered_cohorts(directory, job)))
