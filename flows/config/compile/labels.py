"""[labels]: which event columns labels carry."""

from typing import TYPE_CHECKING

from detectors.features.verdicts import VERDICT
from flows.config.problems import Problems
from flows.wire.told import LABEL_KEYS
from state.words import one_of

if TYPE_CHECKING:
    from flows.config.models import Config


def check_labels(config: "Config", problems: Problems) -> None:
    """Whether labels can have these columns."""
    key, columns = ("labels", "columns"), config.event.columns
    for name in config.labels.columns:
        if name not in columns:
            if not problems.is_broken("event", "columns", name):
                problems.unknown(key, name, columns, "an event column")
        elif (columns[name].path or (name,))[0] in LABEL_KEYS:
            allowed = f"a column whose path does not begin with what a label says itself: {one_of(LABEL_KEYS)}"
            problems.add(key, name, allowed)
    if config.labels.columns and VERDICT.name in columns:
        problems.add(("event", "columns", VERDICT.name), VERDICT.name, "another name: with labels.columns it is taken")
