"""Loans, as specs: what subjects of one kind tell those that met them.

An artist's audience, an address's accounts, a sender's destinations: the values of one subject, lent to another whose
event names it.  They become columns of the borrower's events, pane by pane: what the lender knew when the pane ended.
"""

from dataclasses import dataclass

from detectors.features.declare import Where


@dataclass(frozen=True, slots=True)
class Borrower:
    """Who is told.  kind: of the subjects; "" for those that the stream is keyed by.  column: of the lender's rows,
    that holds their ids.
    """

    kind: str
    column: str


@dataclass(frozen=True, slots=True)
class Lends:
    """What a kind of subjects lends: these features of the latest row of this window, in order."""

    window: str
    features: tuple[str, ...]
    to: tuple[Borrower, ...]


@dataclass(frozen=True, slots=True)
class Borrows:
    """What a kind of subjects borrows.  kind: of the lenders.  key: the event column that holds their ids.  where:
    conditions on the events that are the lenders' too; to others nothing is lent.
    """

    kind: str
    key: str
    features: tuple[str, ...]
    where: Where = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """What the values are called among the borrower's columns."""
        return tuple(lent_column(self.kind, feature) for feature in self.features)


def lent_column(kind: str, feature: str) -> str:
    """The column in which a feature of another kind of subjects is lent."""
    return f"{kind}_{feature}"
