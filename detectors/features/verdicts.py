"""Verdicts among the rows of a kind of subjects: what people found out, counted per entity like any event.

A verdict is a row of its own, told apart by one column.  Features that do not speak of that column are about events;
those that do are about verdicts.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from detectors.features.declare import Condition, FeatureDecl, FeatureKind, SequenceDecl, Where
from detectors.features.kinds import FEATURES
from state.schema import Column, Kind

WORDS: Final = ("genuine", "fraud")
"""By code: what was found out."""
VERDICT: Final = Column("verdict", Kind.ENUM, values=WORDS)
"""What was found out; an event has no value."""
_NONE: Final = Condition(VERDICT.name, excluded=WORDS)
_ANY: Final = Condition(VERDICT.name, present=True)


def speaks(where: Where) -> bool:
    """Whether conditions are about verdicts."""
    return any(condition.column == VERDICT.name for condition in where)


def counts_verdicts(features: Sequence[FeatureDecl], sequences: Sequence[SequenceDecl]) -> bool:
    """Whether somebody asks for verdicts."""
    return any(speaks((*f.where, *f.of)) for f in features) or any(speaks((*s.where, *s.sign_up)) for s in sequences)


def feature_apart(f: FeatureDecl) -> FeatureDecl:
    """The same, of events alone or of verdicts alone, as it speaks of them or not.  A share of verdicts without `of` is
    that of all verdicts.
    """
    keys = FEATURES[f.kind].keys.all
    if "where" not in keys:
        return f
    if "of" not in keys:
        return replace(f, where=_events(f.where))
    if f.kind is FeatureKind.SHARE and speaks(f.where) and not f.of:
        return replace(f, of=(_ANY,))
    return replace(f, where=_events(f.where), of=_events(f.of))


def sequence_apart(s: SequenceDecl) -> SequenceDecl:
    """The same of events alone, where it does not speak of verdicts."""
    return replace(s, where=_events(s.where))


def _events(where: Where) -> Where:
    return where if speaks(where) else (*where, _NONE)
