"""Driftnet from Python: the names that may be relied on.

What `driftnet.__all__`, `driftnet.kit.__all__` and `driftnet.checks.__all__` list stays, or the changelog says what
became of it.  `flows`, `detectors` and `state` may change at any time.

    >>> import driftnet
    >>> config = driftnet.loads('''
    ... [job]
    ... name = "cards"
    ... extends = "none"
    ... [event]
    ... id = ""
    ... subject = "card"
    ... time = { path = "at", unit = "s" }
    ... [event.columns]
    ... amount = { kind = "number" }
    ... [features]
    ... spent = { kind = "sum", column = "amount" }
    ... [windows]
    ... hour = { kind = "tumbling", size = "1h" }
    ... [detectors.limit]
    ... type = "rules"
    ... [[detectors.limit.params.rules]]
    ... name = "over_the_limit"
    ... feature = "spent"
    ... above = 500
    ... ''')
    >>> events = [{"card": f"c{i % 20}", "at": 1_700_000_000 + i, "amount": 9.5} for i in range(600)]
    >>> events += [{"card": "c7", "at": 1_700_000_600, "amount": 600}]
    >>> found = driftnet.replay(events, config)
    >>> found.summary.read, found.summary.balanced
    (601, True)
    >>> [(alert["subject"], alert["rules"]) for alert in found.alerts]
    [('c7', ['over_the_limit'])]

What is raised on purpose is a `DriftnetError`, and its message says what was seen, what was expected, and what to do.
"""

from driftnet._own_names import check_own_names

check_own_names()

from typing import TYPE_CHECKING, Any  # noqa: E402 - the names of what is imported from here on were just checked

from driftnet._features import feature_table  # noqa: E402
from driftnet._replay import Event, Replay, files, replay  # noqa: E402
from driftnet._table import score_table  # noqa: E402
from flows.config import load, loads  # noqa: E402
from flows.sinks.store import AlertStore, Run  # noqa: E402
from flows.summary import Summary  # noqa: E402
from flows.version import driftnet_version  # noqa: E402
from state.errors import (  # noqa: E402
    CheckpointError,
    ConfigError,
    DetectorError,
    DriftnetError,
    PluginError,
    SinkError,
    SnapshotError,
    SourceError,
)

if TYPE_CHECKING:
    from flows.config.models import Config
    from flows.scoring.prequential import Scores

__all__ = [
    "AlertStore",
    "CheckpointError",
    "Config",
    "ConfigError",
    "DetectorError",
    "DriftnetError",
    "Event",
    "PluginError",
    "Replay",
    "Run",
    "Scores",
    "SinkError",
    "SnapshotError",
    "SourceError",
    "Summary",
    "__version__",
    "feature_table",
    "files",
    "load",
    "loads",
    "replay",
    "score_table",
]

__version__ = driftnet_version()


def __getattr__(name: str) -> Any:
    """Config and Scores, which pull in River and all detectors, when somebody asks for them."""
    if name == "Config":
        from flows.config.models import Config

        return Config
    if name == "Scores":
        from flows.scoring.prequential import Scores

        return Scores
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
