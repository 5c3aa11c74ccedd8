"""Every feature and every sequence agrees with the oracle on input that nobody thought of."""

from hypothesis import given, settings

from detectors.features.declare import FeatureKind, SequenceKind
from detectors.features.running import KINDS
from tests.oracle.stream import Declared, Event, run
from tests.property.adapter import differences, run_implementation
from tests.property.strategies import FEATURES, SEQUENCES, Turn, declarations, partitions, turns


def test_every_kind_is_compared() -> None:
    """A kind of feature or sequence that is declared nowhere here would go unchecked; those that go on from window to
    window are compared in tests/oracle/test_company.py.
    """
    assert {f.kind for f in FEATURES} == set(FeatureKind) - KINDS
    assert {s.kind for s in SEQUENCES} == set(SequenceKind)
    assert {f.sequence for f in FEATURES if f.sequence} == {s.name for s in SEQUENCES}


@settings(deadline=None, max_examples=100)
@given(declared=declarations(), given_=partitions(), cut=turns)
def test_features(declared: Declared, given_: list[list[Event]], cut: list[Turn]) -> None:
    """All features of all windows have the oracle's values, at any batch size, across restarts."""
    assert list(differences(run_implementation(declared, given_, cut), run(declared, given_))) == []
