"""The contracts as tests, for a plug-in's author: of detectors, sinks, sources and formats.

    >>> from driftnet.checks import yield_checks
    >>> from driftnet.kit import detector
    >>> checks = list(yield_checks(detector("ecod", {})))
    >>> len(checks), str(checks[0])
    (15, 'a specification is frozen, hashable and equal to its copy')
    >>> checks[0].run()

`driftnet detectors check` runs the same.  Of sinks, sources and formats a trial says what is tried, and how the checks
look at what became of it; `driftnet plugins check` takes a file with a function `trial(folder)` that gives one:

    >>> from driftnet.checks import FormatTrial, checks_of
    >>> from driftnet.kit import format_kinds
    >>> json = format_kinds()["json"]
    >>> checks = list(checks_of(FormatTrial(json(kind="json"), [(b'{"a": 1}', {"a": 1})])))
    >>> str(checks[-2])
    'garbage is a line or a reason, and never another exception'
    >>> checks[-2].run()
"""

from detectors.checks import FEATURES, Check, World, attacked, check_detector, ranking, rows_of, trained, yield_checks
from flows.contract.kit import checks_of
from flows.contract.trial import FormatTrial, SinkTrial, SourceTrial

__all__ = [
    "FEATURES",
    "Check",
    "FormatTrial",
    "SinkTrial",
    "SourceTrial",
    "World",
    "attacked",
    "check_detector",
    "checks_of",
    "ranking",
    "rows_of",
    "trained",
    "yield_checks",
]
