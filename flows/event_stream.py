"""EventStream: what is known of events before anybody judges them, as frozen specs that operators are built from."""

from dataclasses import dataclass, field
from functools import lru_cache

from detectors.features.declare import FeatureDecl, SequenceDecl
from detectors.features.parts import PartKind
from detectors.features.plan import FeaturePlan
from flows.loans import Borrows, Lends
from flows.rows_spec import RowsSpec, WindowRows
from flows.wire.spec import WireSpec
from state.plain import LATER
from state.schema import Schema
from state.windows import WindowSpec, pane_us


@dataclass(frozen=True, slots=True)
class TimeSpec:
    """Event-time settings, in microseconds.

    out_of_orderness_us: the watermark stays this far behind the largest event time.  allowed_lateness_us: windows wait
    this much longer before they close.  idle_timeout_us: live runs only.  dedup_horizon_us: how long ids are known.
    ahead_max_us: how far an event may be ahead of its partition before others must bear it out; 0 for any distance.
    """

    out_of_orderness_us: int
    allowed_lateness_us: int
    idle_timeout_us: int
    dedup_horizon_us: int
    ahead_max_us: int = 0


@dataclass(frozen=True, slots=True)
class StateSpec:
    """Bounds per key group.  capacity: subjects.  ttl_us: silence after which one leaves.  rows_per_pane_max: row
    budget.
    """

    capacity: int
    ttl_us: int
    rows_per_pane_max: int


@dataclass(frozen=True, slots=True)
class WindowFeatures:
    """One window and the names of its features, in matrix order."""

    window: WindowSpec
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventStream:
    """Lines to feature rows: how events are read, when windows close, what is computed and what is remembered.

    features, windows: those that are declared, and those that detectors bring along.  beside: the windows of other
    kinds of subjects over the same events, with which they share panes.  lends, borrows: see flows.loans.
    """

    key_groups: int
    schema: Schema
    wire: WireSpec
    time: TimeSpec
    state: StateSpec
    sequences: tuple[SequenceDecl, ...]
    features: tuple[FeatureDecl, ...]
    windows: tuple[WindowFeatures, ...]
    beside: tuple[WindowSpec, ...] = field(default=(), metadata=LATER)
    lends: Lends | None = field(default=None, metadata=LATER)
    borrows: tuple[Borrows, ...] = field(default=(), metadata=LATER)

    @property
    def plan(self) -> FeaturePlan:
        """The compiled features.  Raises ConfigError for declarations that do not fit the schema."""
        return _plan(self.schema, self.sequences, self.features, tuple((w.window, w.features) for w in self.windows))

    @property
    def columns(self) -> frozenset[str]:
        """The event columns that it needs, beside the system's."""
        lent = {column for loan in self.borrows for column in loan.columns}
        keys = {column for loan in self.borrows for column in (loan.key, *(c.column for c in loan.where))}
        return (self.plan.columns - lent).union(keys, (to.column for to in (self.lends.to if self.lends else ())))

    @property
    def rows(self) -> RowsSpec:
        """What its feature rows are made of."""
        return RowsSpec(self.key_groups, tuple(WindowRows(w.spec, w.features) for w in self.plan.windows))

    @property
    def tells_duplicates(self) -> bool:
        """Whether a feature counts each subject's duplicates."""
        return self.plan.marks(PartKind.DUPLICATES)

    @property
    def tells_rejects(self) -> bool:
        """Whether a feature counts each subject's rejected lines."""
        return self.plan.marks(PartKind.REJECTS)

    @property
    def pane_us(self) -> int:
        """The base pane that all windows are made of."""
        return pane_us((*(w.window for w in self.windows), *self.beside))


@lru_cache(maxsize=8)
def _plan(
    schema: Schema,
    sequences: tuple[SequenceDecl, ...],
    features: tuple[FeatureDecl, ...],
    windows: tuple[tuple[WindowSpec, tuple[str, ...]], ...],
) -> FeaturePlan:
    return FeaturePlan(schema, sequences, features, windows)
