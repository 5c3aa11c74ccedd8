"""The detector contract as tests, for a plug-in's author; `driftnet detectors check` runs the same.

>>> from driftnet.checks import yield_checks
>>> from driftnet.kit import detector
>>> checks = list(yield_checks(detector("ecod", {})))
>>> len(checks), str(checks[0])
(15, 'a specification is frozen, hashable and equal to its copy')
>>> checks[0].run()
"""

from detectors.checks import FEATURES, Check, World, attacked, check_detector, ranking, rows_of, trained, yield_checks

__all__ = [
    "FEATURES",
    "Check",
    "World",
    "attacked",
    "check_detector",
    "ranking",
    "rows_of",
    "trained",
    "yield_checks",
]
