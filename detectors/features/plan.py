"""FeaturePlan: all declarations of a job compiled together, so that shared work is done once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.features import sequences as seq
from detectors.features.declare import FeatureDecl, FeatureInfo, SequenceDecl
from detectors.features.derived import SEQUENCES
from detectors.features.finish import Finish
from detectors.features.kernel import Kernel
from detectors.features.kinds import FEATURES, Reads, computed, parts, sources
from detectors.features.parts import MARK_KINDS, Part, PartKind
from detectors.features.running import GO_ON, KINDS, RunningFeature, arranged, check_circles
from detectors.features.where import Filters, check
from state.batch import MicroBatch
from state.cells import TABLE_BITS, Cells, merge, run_starts
from state.errors import ConfigError
from state.schema import Column, Kind, Schema
from state.spans import Spans
from state.types import F64, Bool
from state.windows import WindowSpec


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """One window: its features in matrix order and the formulas that fill the columns.

    tables: (32,) by table, whether a feature looks at it; None where they look at all.  marks: rows of the sums that
    hold counts of what does not count, of its features.  running: those of them that are made of others, in the order
    in which they are worked out; the matrices hold the plain values that they are made of in the end.
    """

    spec: WindowSpec
    features: tuple[FeatureInfo, ...]
    finish: Finish
    tables: Bool | None
    marks: tuple[int, ...]
    running: tuple[RunningFeature, ...] = ()

    def of(self, pane: Cells | None, marks: Cells | None) -> Cells | None:
        """A pane's cells without what only other windows look at (merging distinct values is what costs most), and with
        the counts of what does not count, where features ask for these.
        """
        pane = None if pane is None else self.seen(pane)
        if marks is None or not self.marks:
            return pane
        mine = marks.where(marks.sums[list(self.marks)].sum(axis=0) > 0)
        if not len(mine):
            return pane
        return mine if pane is None else merge([pane, mine])

    def seen(self, cells: Cells) -> Cells:
        """Cells without what only other windows look at."""
        return cells if self.tables is None else cells.with_tables(self.tables)

    @property
    def held(self) -> frozenset[int]:
        """Numbers of the tables that its cells hold."""
        return frozenset(self.finish.tables)

    def matrix(self, several: Sequence[Spans]) -> F64:
        """(F, n) float64 of these windows' cells, one row per feature, one column per subject and window."""
        length_us = [self.spec.length_us(w.end_us, w.cells.first_us, w.cells.last_us) for w in several]
        return self.finish.matrix(Spans.together(several), np.concatenate(length_us))


class FeaturePlan:
    """Checked declarations.  Raises ConfigError naming the sequence or feature that does not fit.

    columns: the event columns that must be decoded.
    """

    def __init__(
        self,
        schema: Schema,
        sequences: tuple[SequenceDecl, ...],
        features: tuple[FeatureDecl, ...],
        windows: tuple[tuple[WindowSpec, tuple[str, ...]], ...],
    ) -> None:
        declared = {f.name: f for f in features}
        check_circles(declared)
        used = {name for _, names in windows for name in names}
        read = {f.name: computed(f, declared) for f in features if f.name in used and _there(f, declared)}
        wanted = {f.sequence or f.column for f in read.values()}
        self.sequences = tuple(s for s in sequences if s.name in wanted)
        self.columns: frozenset[str] = frozenset().union(*(seq.needs(schema, s) for s in self.sequences))
        for s in self.sequences:
            check(schema, (*s.where, *s.sign_up), f"sequence {s.name!r}")
        self.schema = Schema(
            (*schema.columns, *(Column(s.name, SEQUENCES[s.kind].gives) for s in sequences)), schema.has_event_id
        )
        for name in sorted(used):
            self.columns |= self._needs(schema, read[name])
        needed = tuple(dict.fromkeys(part for name in sorted(used) for part in parts(read[name])))
        wheres = [*(p.where for p in needed), *(w for s in self.sequences for w in (s.where, s.sign_up))]
        self.filters = Filters(self.schema, wheres)
        self.kernel = Kernel(self.schema, needed, self.filters)
        self.windows = tuple(
            self._window(spec, [declared[n] for n in names], declared, read) for spec, names in windows
        )

    def _window(
        self,
        spec: WindowSpec,
        told: list[FeatureDecl],
        declared: Mapping[str, FeatureDecl],
        read: Mapping[str, FeatureDecl],
    ) -> WindowPlan:
        running = arranged(told, declared, spec.name)
        going_on = [f.decl.name for f in running if f.decl.kind in GO_ON]
        if going_on and spec.overlaps:
            raise ConfigError(
                f"feature {going_on[0]!r}: seen in the window {spec.name!r}, which holds an event several"
                " times; allowed: windows that hold each event once, as tumbling ones and sessions do"
            )
        features = [read[f.name] for f in told]
        finish = Finish(features, self.kernel.index)
        wanted = np.isin(np.arange(1 << TABLE_BITS), list(finish.tables))
        tables = None if len(finish.tables) == self.kernel.tables else wanted
        marks = tuple(self.kernel.index[p] for f in features for p in parts(f) if p.kind in MARK_KINDS)
        return WindowPlan(spec, tuple(f.info for f in told), finish, tables, marks, running)

    def marks(self, kind: PartKind) -> bool:
        """Whether a window asks for marks of this kind."""
        return Part(kind) in self.kernel.index

    def tally(self, surplus: MicroBatch) -> Cells:
        """Cells of rows beyond the budget, by subject hash: their slots are given when the pane closes."""
        starts = run_starts(surplus.subject)
        keys = surplus.subject[starts].view(np.int64)
        return self.kernel.surplus(surplus, self.filters.masks(surplus), starts, keys)

    def _needs(self, schema: Schema, f: FeatureDecl) -> frozenset[str]:
        owner = f"feature {f.name!r}"
        check(schema, (*f.where, *f.of), owner)
        reads, source = FEATURES[f.kind].reads, f.sequence or f.column
        if reads is Reads.ROWS:
            if source:
                raise ConfigError(f"{owner}: kind {f.kind} reads {reads.value}; seen {source!r}")
        elif not source or (reads is Reads.SEQUENCE and not f.sequence):
            raise ConfigError(f"{owner}: kind {f.kind} needs {reads.value}")
        elif reads is not Reads.VALUES and (kind := self.schema.column(source).kind) in (Kind.ID, Kind.ENUM):
            raise ConfigError(f"{owner}: kind {f.kind} needs {reads.value}; {source!r} is of kind {kind}")
        columns = {c.column for c in (*f.where, *f.of)}
        return frozenset(columns | ({f.column} if f.column else set()))


def _there(f: FeatureDecl, declared: Mapping[str, FeatureDecl]) -> bool:
    """Raises ConfigError for a feature that is made of one that there is not."""
    for key, source in (("feature", f.feature), ("by", f.by)) if f.kind in KINDS else ():
        if source not in declared and source in sources(f):
            known = ", ".join(sorted(name for name in declared if name != f.name))
            raise ConfigError(f"feature {f.name!r}: seen {key} = {source!r}, allowed: one of {known}")
    return True
