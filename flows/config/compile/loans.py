"""lends: which kind of subjects tells which other one what, by the columns that these use."""

from collections.abc import Iterator
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from flows.config.compile.named import check_names
from flows.config.problems import Problems
from flows.job import Job, SubjectKind
from flows.loans import Borrower, Borrows, Lends, lent_column
from state.schema import Column, Kind, Schema

if TYPE_CHECKING:
    from flows.config.models import Config, SubjectConfig


def with_lent(schema: Schema, config: "Config", borrower: str = "") -> Schema:
    """Event columns, with those that other kinds of subjects lend.  borrower: a kind; "" for the stream's own."""
    lent = [
        Column(lent_column(name, feature), Kind.NUMBER)
        for name, kind in config.subjects.items()
        for feature in kind.lends
        if name != borrower
    ]
    return Schema((*schema.columns, *(column for column in lent if column.name not in schema)), schema.has_event_id)


def lends_of(name: str, mine: "SubjectConfig", schema: Schema, problems: Problems) -> Lends | None:
    """What a kind lends, to nobody yet.  problems: of its table."""
    if not mine.lends:
        return None
    check_names(("lends",), mine.lends, mine.features, "features", problems)
    for feature in mine.lends:
        if lent_column(name, feature) in schema:
            allowed = f"a feature whose lent column {lent_column(name, feature)!r} is not called as an event column is"
            problems.add(("lends",), feature, allowed)
    has = {window: set(w.features or mine.features) >= set(mine.lends) for window, w in mine.windows.items()}
    fit = [window for window, all_of_them in has.items() if all_of_them]
    window = mine.lends_from or (fit[0] if len(fit) == 1 else "")
    if window not in fit:
        problems.unknown(("lends_from",), mine.lends_from or "nothing", fit, "a window that has all features of lends")
        return None
    return Lends(window, mine.lends, ())


def arranged(job: Job, kinds: tuple[SubjectKind, ...], problems: Problems) -> tuple[Job, tuple[SubjectKind, ...]]:
    """The same with who borrows from whom; kinds in an order in which lenders come first."""
    borrowed = {name: tuple(_borrows(mine, kinds)) for name, mine in (("", job), *((k.name, k.job) for k in kinds))}
    graph = {kind.name: [loan.kind for loan in borrowed[kind.name]] for kind in kinds}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        problems.add(("subjects",), circle, "kinds that lend to each other in one direction, without circles")
        return job, kinds
    by_name = {kind.name: kind for kind in kinds}
    done = []
    for kind in map(by_name.__getitem__, order):
        lends = kind.job.stream.lends
        to = tuple(Borrower(name, _key(job, by_name, name)) for name, loans in borrowed.items() if _is_in(kind, loans))
        kept = None if lends is None or not to else replace(lends, to=to)
        done.append(replace(kind, job=kind.job.with_stream(lends=kept, borrows=borrowed[kind.name])))
    return job.with_stream(borrows=borrowed[""]), tuple(done)


def _borrows(mine: Job, kinds: tuple[SubjectKind, ...]) -> Iterator[Borrows]:
    """From whom a kind borrows: those whose lent columns it uses."""
    for kind in kinds:
        lends = kind.job.stream.lends
        if kind.job is mine or lends is None:
            continue
        loan = Borrows(kind.name, kind.key, lends.features, kind.where)
        if mine.stream.plan.columns & set(loan.columns):
            yield loan


def _is_in(kind: SubjectKind, loans: tuple[Borrows, ...]) -> bool:
    return any(loan.kind == kind.name for loan in loans)


def _key(job: Job, kinds: dict[str, SubjectKind], name: str) -> str:
    """The column of a lender's rows that says whose they are."""
    return kinds[name].key if name else job.judgement.own_kind
