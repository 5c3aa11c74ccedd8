"""The detector contract as a public kit: what a plug-in's author runs, and what our own detectors pass.

    from detectors.checks import Check, yield_checks

    @pytest.mark.parametrize("check", list(yield_checks(MySpec())), ids=str)
    def test_contract(check: Check) -> None:
        check.run()

gives one test per check; `check_detector(MySpec())` runs them all, and `driftnet detectors check` shows them.  No test
framework is needed: a check raises AssertionError and says what was seen.
"""

from detectors.checks.kit import check_detector, yield_checks
from detectors.checks.world import FEATURES, World, attacked, ranking, rows_of, trained
from state.check import Check

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
