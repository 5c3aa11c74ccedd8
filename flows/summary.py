"""Summary: what a run did, as numbers, as JSON and as text."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flows import counters
from flows.counters import Counter
from flows.printing import shown
from flows.wire.reject import Reason

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_REASONS_SHOWN: Final = 5
_OF_KINDS: Final = (counters.ACCEPTED, counters.CAPPED, counters.EVICTED, counters.EXPIRED, counters.SCORED)
"""What is told of further kinds of subjects, beside their rows."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The totals of a run, and what is known of its input.

    totals: by key (flows.counters, docs/counters.md); `to_json` has all of them by name.  `open` among them: rows in
    panes that had not closed when the run stopped (0 after the end of bounded input).  lag: partition -> (records that
    were written and not read, seconds of event time from the watermark to now where there are any); lag_unknown:
    partitions whose source cannot be asked now, of which lag is the last known.  notes: partition -> why time does not
    go by it as usual.  held_back: partition -> seconds of event time that it is ahead of the one it waits for, in a
    live run.  paused: source partitions that were read to an end after which there may be more; nothing_new: whether
    none of them had anything in this run.  resumed: lines that earlier runs on the same state had read.
    """

    totals: Mapping[str, int] = field(default_factory=dict)
    elapsed_s: float = 0.0
    lag: dict[str, tuple[int, float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    held_back: dict[str, float] = field(default_factory=dict)
    paused: int = 0
    nothing_new: bool = False
    resumed: int = 0
    lag_unknown: list[str] = field(default_factory=list)

    def total(self, counter: Counter) -> int:
        """Of all its labels together."""
        return counter.total(self.totals)

    def by_label(self, counter: Counter) -> dict[str, int]:
        """Label -> total, as `Counter.by_label`."""
        return counter.by_label(self.totals)

    @property
    def read(self) -> int:
        """Input lines."""
        return self.total(counters.READ)

    @property
    def alerts(self) -> int:
        """Alerts raised; of a campaign it is one, however often it was told again."""
        return counters.OUT.of(self.totals, "alerts") - self.total(counters.CAMPAIGN_UPDATES)

    @property
    def lag_in_words(self) -> str:
        """Of all partitions together, and of the worst one in time; nothing where none is known."""
        if not self.lag:
            return ""
        if self.lag_unknown:
            others = f" and {len(self.lag_unknown) - 1} more" if len(self.lag_unknown) > 1 else ""
            return f"unknown: nobody says what there is in {self.lag_unknown[0]}{others}"
        records = sum(n for n, _ in self.lag.values())
        worst = max(self.lag, key=lambda name: self.lag[name][1])
        return f"{records:,} records, {self.lag[worst][1]:,.1f} s in {worst}" if records else "none"

    @property
    def events_per_s(self) -> float:
        """Lines that this run has read, per second of wall-clock time; 0 for a run that took none."""
        return (self.read - self.resumed) / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def balanced(self) -> bool:
        """Whether every line read ended in exactly one place (promise P2)."""
        return counters.unaccounted(self.totals) == self.total(counters.OPEN)

    @property
    def unreadable(self) -> bool:
        """Whether more than half of the lines could not be read: hardly the input that the configuration is about."""
        unreadable = self.total(counters.REJECTED) - self._ahead
        return 2 * unreadable > self.read

    @property
    def _ahead(self) -> int:
        return counters.REJECTED.of(self.totals, Reason.AHEAD)

    def to_json(self) -> dict[str, Any]:
        """All totals as JSON values, as the catalogue names them, with `alerts`, `events_per_s` and `balanced`."""
        told: dict[str, Any] = {}
        for counter in counters.CATALOGUE.values():
            if counter.labels:
                told[counter.told or counter.name] = self.by_label(counter)
            if counter.fate or not counter.labels:
                told[counter.name] = self.total(counter)
        facts = {name: value for name, value in asdict(self).items() if name != "totals"}
        derived = {"alerts": self.alerts, "events_per_s": round(self.events_per_s), "balanced": self.balanced}
        return told | facts | derived | {"kinds": {kind: _of_kind(of) for kind, of in self.kinds.items()}}

    @property
    def kinds(self) -> "dict[str, Summary]":
        """Further kind of subjects -> what was counted of it."""
        return {kind: Summary(of) for kind, of in counters.of_kinds(self.totals).items()}

    def _quality(self) -> str:
        """What labels say of earlier verdicts."""
        hit, missed, alarm = (
            counters.LABELLED.of(self.totals, verdict)
            for verdict in ("fraud_suspected", "fraud_missed", "genuine_suspected")
        )
        found, right = _share(hit, hit + missed), _share(hit, hit + alarm)
        rows = self.total(counters.LABELLED)
        return f"{rows:,}: of fraud {found} was suspected, of what was suspected {right} is fraud"

    def _spared(self) -> str:
        """Alerts that were not told, and whose they would have been."""
        subjects = self.by_label(counters.SPARED_SUBJECT)
        most = dict(list(subjects.items())[:_REASONS_SHOWN])
        more = ", ..." if len(subjects) > len(most) else ""
        origins = listing(self.by_label(counters.SPARED))
        whose = f"; {listing(most)}{more}" if most else ""
        return f"{self.total(counters.SPARED):,} kept back: {origins}{whose}"

    def status(self) -> str:
        """All of it that fits on one line, for a log."""
        return f"{self._account(with_open=True)}; {self.alerts:,} alerts, {self.events_per_s:,.0f} events/s"

    def _account(self, *, with_open: bool) -> str:
        """Where all lines are, as in "2 read = 1 accepted + 1 late + 0 duplicate + 0 rejected"; nothing of those left
        out where there are none.
        """
        fates = [fate for fate in counters.FATES if fate is not counters.FILTERED or self.total(fate)]
        places = [*fates, *[counters.OPEN] * with_open]
        return f"{self.read:,} read = {' + '.join(f'{self.total(place):,} {place.name}' for place in places)}"

    def table(self) -> "RenderableType":
        """The same for people."""
        grid = two_columns("Summary")
        for name, text in self._lines():
            plain = shown(text)
            grid.add_row(name, plain if self.balanced or name != "events" else f"[bold red]{plain}[/]")
        return grid

    def _lines(self) -> Iterator[tuple[str, str]]:
        still_open, late, rejected = (self.total(c) for c in (counters.OPEN, counters.LATE, counters.REJECTED))
        duplicate = self.total(counters.DUPLICATE)
        verdict = "" if self.balanced else "  NOT BALANCED: lines were lost or counted twice"
        yield "events", f"{self._account(with_open=bool(still_open))}{verdict}"
        if self.paused:
            what = "nothing new in the input" if self.nothing_new else "read to the end of the input"
            yield (
                "paused",
                (
                    f"{what}; {still_open:,} events are in windows that are still open: a run that finds more input"
                    " goes on from here, one with --finish closes them"
                ),
            )
        filtered = self.total(counters.FILTERED)
        if filtered and filtered == self.read:
            yield "nothing kept", "event.where leaves out every line: are its words those of the events?"
        if late * 20 > self.read:
            yield (
                "late events",
                (
                    f"{late / self.read:.0%} came after their windows had closed: files written side by side need"
                    ' --per-file (partitions = "per_file"); else raise time.out_of_orderness'
                ),
            )
        if rejected:
            yield "rejected for", listing(self.by_label(counters.REJECTED))
        if self.unreadable:
            yield (
                "unreadable",
                (
                    "most lines: is it one JSON object per line, in UTF-8, with the paths that the configuration names?"
                    " See the rejects stream"
                ),
            )
        if self._ahead:
            yield (
                "events ahead",
                (
                    f"{self._ahead:,} were dated further ahead than time.ahead_max, and others did not bear"
                    " them out: clocks that are wrong, or somebody who lies; see the rejects stream"
                ),
            )
        never = [name for name, partitions in self.by_label(counters.FILLED).items() if not partitions]
        if never:
            what = "never had a value; are the path, and of an enum the words, right (event.columns)?"
            yield "empty columns", f"{', '.join(never)}: {what}"
        if 5 * duplicate > self.read:
            yield "duplicates", f"{duplicate / self.read:.0%} of all lines: somebody sends events again"
        if faults := self.by_label(counters.DETECTOR_FAULTS):
            yield "detectors", f"{listing(faults)} rounds in which one failed; see the rejects stream"
        if off := self.by_label(counters.DETECTOR_OFF):
            yield "off", f"{', '.join(off)}: failed too often, and judge nothing any more"
        yield "window rows", listing(self.by_label(counters.ROWS)) or "none"
        for kind, told in self.kinds.items():
            yield f"{kind} rows", listing(told.by_label(counters.ROWS)) or "none"
        severities = self.by_label(counters.ALERTS)
        yield "alerts", f"{self.alerts:,}" + (f": {listing(severities)}" if severities else "")
        if campaigns := self.total(counters.CAMPAIGN_ALERTS):
            yield "campaigns", f"{campaigns:,} of them, told again {self.total(counters.CAMPAIGN_UPDATES):,} times"
        if self.total(counters.SPARED):
            yield "spared", self._spared()
        if withheld := self.total(counters.WITHHELD):
            released = self.total(counters.RELEASED)
            later = f", of whom {released:,} were alerted later" if released else ""
            by_severity = listing(self.by_label(counters.WITHHELD))
            yield "withheld", f"{withheld:,}: {by_severity}{later}; the budget had no room (alerts.budget_per_day)"
        if reasons := self.by_label(counters.REASON):
            yield "top reasons", listing(dict(list(reasons.items())[:_REASONS_SHOWN]))
        yield "drift events", listing(self.by_label(counters.DRIFT)) or "none"
        if lines := self.by_label(counters.LABELS):
            yield "labels", listing(lines)
        if self.total(counters.LABELLED):
            yield "labelled rows", self._quality()
        if commands := self.by_label(counters.CONTROL):
            yield "commands", listing(commands)
        evicted, expired = self.total(counters.EVICTED), self.total(counters.EXPIRED)
        if evicted or expired:
            yield "subjects gone", f"{expired:,} silent for too long, {evicted:,} for want of room"
        if self.lag:
            yield "lag", self.lag_in_words
        for partition, ahead_s in self.held_back.items():
            yield "held back", f"{partition}, {ahead_s:,.0f} s of event time ahead"
        for partition, note in self.notes.items():
            yield "note", f"{partition}: {note}"
        yield "speed", f"{self.events_per_s:,.0f} events/s, {self.elapsed_s:.1f} s"


def _of_kind(told: Summary) -> dict[str, Any]:
    rows = {counters.ROWS.told: told.by_label(counters.ROWS)}
    return rows | {c.name: told.total(c) for c in _OF_KINDS}


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"


def listing(counts: Mapping[str, int]) -> str:
    """As in "12 high, 3 low"."""
    return ", ".join(f"{n:,} {name}" for name, n in counts.items())


def two_columns(title: str) -> "Table":
    """An empty table of names and texts, without lines."""
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", title_style="bold", show_header=False, box=None, padding=(0, 2, 0, 0)
    )
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    return table
