"""Which checks there are, and how they are run."""

from collections.abc import Callable, Iterator
from functools import partial

from detectors.base import DetectorSpec, Scope
from detectors.checks import cost, scoring, state
from state.check import Check


def yield_checks(spec: DetectorSpec, *, timed: bool = False) -> Iterator[Check]:
    """The checks that apply to a specification, by its scope.

    timed: also the one that looks at a clock, which a busy machine can fail.
    """
    named: list[tuple[str, Callable[[DetectorSpec], None]]] = [
        ("a specification is frozen, hashable and equal to its copy", scoring.spec_is_a_value),
        ("score, explain and snapshot work before anything was learned, and score says nan", scoring.cold),
        ("scoring and explaining change nothing", scoring.pure),
        ("rows given to a detector stay as they were and are not kept", scoring.input_untouched),
        ("missing, huge and infinite values and empty rounds never crash it", scoring.odd_input),
        ("a row's score does not depend on the rows beside it", scoring.one_by_one),
        ("what was learned makes a difference", scoring.learns),
        ("a world without differences raises nothing", scoring.constant),
        ("same rounds, same bytes", state.deterministic),
        ("a snapshot gives back the state to the bit, and both go on alike", state.round_trip),
        ("damaged and foreign snapshots are refused with SnapshotError", state.refuses),
        ("explanations have the shape of the rows, are finite and not negative", scoring.explains),
        ("planted anomalies rank above normal rows", scoring.ranks),
        ("memory and snapshots level off on a ten-fold stream", state.levels_off),
    ]
    if spec.scope is Scope.SUBJECT:
        named.append(("subjects do not depend on the order of rows", scoring.order))
        named.append(("forgotten slots are new ones", state.forgets))
        named.append(("rows that changed since the last snapshot are in the next one", state.saves_changes))
    else:
        named.append(("a subject that is forgotten leaves no hash of its id", state.forgets_subject))
    if timed and spec.budget_us:
        named.append((f"a row costs at most {spec.budget_us:g} us", cost.within_budget))
    for name, check in named:
        yield Check(name, partial(check, spec))


def check_detector(spec: DetectorSpec) -> None:
    """Run all checks; the first broken one raises AssertionError that starts with its name."""
    for check in yield_checks(spec):
        try:
            check.run()
        except AssertionError as error:
            raise AssertionError(f"{spec.type}: {check.name}: {error}") from error
