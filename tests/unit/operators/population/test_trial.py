"""A successor is promoted where it is better, by the stated tests."""

import numpy as np

from flows.operators.population.trial import Trial


def test_with_labels_it_has_to_win() -> None:
    """Rows that one of them got wrong decide: 15 to 5 is a win, 12 to 8 may be chance, none is none."""
    for old, new, promoted in ((15, 5, True), (12, 8, False), (5, 15, False), (0, 0, False)):
        trial = Trial()
        n = old + new + 100
        old_wrong, new_wrong = np.zeros(n), np.zeros(n)
        old_wrong[:old] = 1.0
        new_wrong[old : old + new] = 1.0
        old_wrong[-1] = np.nan
        trial.labelled(old_wrong, new_wrong)
        assert trial.promotes() is promoted
        assert Trial(trial.state()).promotes() is promoted


def test_without_labels_it_must_know_the_population_as_well() -> None:
    """Of a thousand rows 100 belong beyond its 10 % level; a successor for which half do does not know them."""
    rows = np.arange(1, 1001) / 1000
    for old, new, promoted in ((rows, rows, True), (rows, rows**3, False), (rows**3, rows, True)):
        trial = Trial()
        trial.unlabelled(old, new)
        assert trial.promotes() is promoted
    trial = Trial()
    trial.unlabelled(rows, np.full(1000, np.nan))
    assert not trial.promotes()
