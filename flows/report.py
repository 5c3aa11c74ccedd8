"""Summary: what a run did, as numbers, as JSON and as text."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flows.printing import shown

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

FATES: Final = ("accepted", "late", "duplicate", "rejected", "filtered")
"""Where an input line can end; each line ends in exactly one of them."""
_SEVERITIES: Final = ("critical", "high", "medium", "low")
_REASONS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Summary:
    """The totals of a run.

    read: input lines.  accepted, late, duplicate, rejected: where they ended; filtered: those that `event.where` leaves
    out.  open: rows in panes that had not closed
    when the run stopped (0 after the end of bounded input).  windows: window -> rows scored.  severities, reasons:
    alerts by severity and by the feature that told most.  drift: drift events by what was watched.  detector_faults:
    failures by detector; detectors_off: of those that are off since.  outputs: records by stream.  labels: lines "read"
    and "rejected", and "rows" that were joined with one; labelled: of those, by what they are and whether they had been
    suspected.  control: lines of commands.  spared: alerts that an exemption kept back, by who vouches;
    spared_subjects: by whom they are about, of the first hundred.  withheld: subjects for whom the budget had no room,
    by severity; released: those of them that were alerted later.  evicted, expired: subjects that left, for want of
    room and after `state.ttl`.  lag: partition -> (records that were written and not read, seconds of event time from
    the watermark to now where there are any); lag_unknown: partitions whose source cannot be asked now, of which lag is
    the last known.  notes: partition -> why time does not go by it as usual.  held_back: partition -> seconds of event
    time that it is ahead of the one it waits for, in a live run.  paused: source partitions that were read to an end
    after which there may be more; nothing_new: whether none of them had anything in this run.  resumed: lines that
    earlier runs on the same state had read.  filled: columns of the input -> source partitions that gave a value of it.
    """

    read: int = 0
    accepted: int = 0
    late: int = 0
    duplicate: int = 0
    rejected: int = 0
    filtered: int = 0
    open: int = 0
    windows: dict[str, int] = field(default_factory=dict)
    severities: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    rejects: dict[str, int] = field(default_factory=dict)
    drift: dict[str, int] = field(default_factory=dict)
    detector_faults: dict[str, int] = field(default_factory=dict)
    detectors_off: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    labelled: dict[str, int] = field(default_factory=dict)
    control: dict[str, int] = field(default_factory=dict)
    spared: dict[str, int] = field(default_factory=dict)
    spared_subjects: dict[str, int] = field(default_factory=dict)
    evicted: int = 0
    expired: int = 0
    elapsed_s: float = 0.0
    lag: dict[str, tuple[int, float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    held_back: dict[str, float] = field(default_factory=dict)
    paused: int = 0
    nothing_new: bool = False
    resumed: int = 0
    lag_unknown: list[str] = field(default_factory=list)
    filled: dict[str, int] = field(default_factory=dict)
    withheld: dict[str, int] = field(default_factory=dict)
    released: int = 0

    @staticmethod
    def of_counts(counts: Mapping[str, int], elapsed_s: float) -> "Summary":
        """From the counters of `Stream.COUNTS`: plain names, and families such as "rows.w1h" or "severity.high"."""

        def family(prefix: str) -> dict[str, int]:
            found = {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}
            return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

        plain: dict[str, Any] = {
            n: counts.get(n, 0) for n in ("read", *FATES, "open", "evicted", "expired", "released")
        }
        return Summary(
            **plain,
            windows=family("rows."),
            severities=dict(sorted(family("severity.").items(), key=lambda item: _severity_rank(item[0]))),
            reasons=family("reason."),
            rejects=family("rejected."),
            drift=family("drift."),
            detector_faults=family("detector_faults."),
            detectors_off=family("detector_off."),
            outputs=family("out."),
            labels=family("labels."),
            labelled=family("labelled."),
            control=family("control."),
            spared=family("spared."),
            spared_subjects=family("spared_subject."),
            filled=family("filled."),
            withheld=dict(sorted(family("withheld.").items(), key=lambda item: _severity_rank(item[0]))),
            elapsed_s=elapsed_s,
        )

    @property
    def alerts(self) -> int:
        """Alerts raised."""
        return self.outputs.get("alerts", 0)

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
        """Input lines per second of wall-clock time; 0 for a run that took none."""
        return self.read / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def balanced(self) -> bool:
        """Whether every line read ended in exactly one place (promise P2)."""
        return self.read == sum(getattr(self, fate) for fate in FATES) + self.open

    @property
    def unreadable(self) -> bool:
        """Whether more than half of the lines could not be read: hardly the input that the configuration is about."""
        return 2 * (self.rejected - self.rejects.get("ahead", 0)) > self.read

    def to_json(self) -> dict[str, Any]:
        """All totals as JSON values, with `alerts`, `events_per_s` and `balanced`."""
        derived = {"alerts": self.alerts, "events_per_s": round(self.events_per_s), "balanced": self.balanced}
        return asdict(self) | derived

    @property
    def fates(self) -> list[str]:
        """How many lines ended in each way, such as "7 late"; nothing of those left out where none is."""
        return [f"{n:,} {fate}" for fate in FATES if (n := getattr(self, fate)) or fate != "filtered"]

    def _quality(self) -> str:
        """What labels say of earlier verdicts."""
        hit, missed, alarm = (
            self.labelled.get(name, 0) for name in ("fraud_suspected", "fraud_missed", "genuine_suspected")
        )
        found, right = _share(hit, hit + missed), _share(hit, hit + alarm)
        return (
            f"{sum(self.labelled.values()):,}: of fraud {found} was suspected, of what was suspected {right} is fraud"
        )

    def _spared(self) -> str:
        """Alerts that were not told, and whose they would have been."""
        most = dict(list(self.spared_subjects.items())[:_REASONS_SHOWN])
        more = ", ..." if len(self.spared_subjects) > len(most) else ""
        return f"{sum(self.spared.values()):,} kept back: {listing(self.spared)}; {listing(most)}{more}"

    def status(self) -> str:
        """All of it that fits on one line, for a log."""
        totals = f"{self.read:,} read = {' + '.join([*self.fates, f'{self.open:,} open'])}"
        return f"{totals}; {self.alerts:,} alerts, {self.events_per_s:,.0f} events/s"

    def table(self) -> "RenderableType":
        """The same for people."""
        grid = two_columns("Summary")
        for name, text in self._lines():
            plain = shown(text)
            grid.add_row(name, plain if self.balanced or name != "events" else f"[bold red]{plain}[/]")
        return grid

    def _lines(self) -> Iterator[tuple[str, str]]:
        parts = self.fates + [f"{self.open:,} open"] * bool(self.open)
        verdict = "" if self.balanced else "  NOT BALANCED: lines were lost or counted twice"
        yield "events", f"{self.read:,} read = {' + '.join(parts)}{verdict}"
        if self.paused:
            what = "nothing new in the input" if self.nothing_new else "read to the end of the input"
            yield (
                "paused",
                (
                    f"{what}; {self.open:,} events are in windows that are still open: a run that finds more input goes"
                    " on from here, one with --finish closes them"
                ),
            )
        if self.filtered and self.filtered == self.read:
            yield "nothing kept", "event.where leaves out every line: are its words those of the events?"
        if self.late * 20 > self.read:
            yield (
                "late events",
                (
                    f"{self.late / self.read:.0%} came after their windows had closed: files written side by side need"
                    ' --per-file (partitions = "per_file"); else raise time.out_of_orderness'
                ),
            )
        if self.rejects:
            yield "rejected for", listing(self.rejects)
        if self.unreadable:
            yield (
                "unreadable",
                (
                    "most lines: is it one JSON object per line, in UTF-8, with the paths that the configuration names?"
                    " See the rejects stream"
                ),
            )
        if self.rejects.get("ahead"):
            yield (
                "events ahead",
                (
                    f"{self.rejects['ahead']:,} were dated further ahead than time.ahead_max, and others did not bear"
                    " them out: clocks that are wrong, or somebody who lies; see the rejects stream"
                ),
            )
        never = [name for name, partitions in self.filled.items() if not partitions]
        if never:
            what = "never had a value; are the path, and of an enum the words, right (event.columns)?"
            yield "empty columns", f"{', '.join(never)}: {what}"
        if 5 * self.duplicate > self.read:
            yield "duplicates", f"{self.duplicate / self.read:.0%} of all lines: somebody sends events again"
        if self.detector_faults:
            yield "detectors", f"{listing(self.detector_faults)} rounds in which one failed; see the rejects stream"
        if self.detectors_off:
            yield "off", f"{', '.join(self.detectors_off)}: failed too often, and judge nothing any more"
        yield "window rows", listing(self.windows) or "none"
        yield "alerts", f"{self.alerts:,}" + (f": {listing(self.severities)}" if self.severities else "")
        if self.spared:
            yield "spared", self._spared()
        if self.withheld:
            late = f", of whom {self.released:,} were alerted later" if self.released else ""
            yield (
                "withheld",
                (
                    f"{sum(self.withheld.values()):,}: {listing(self.withheld)}{late}; the budget had no room"
                    " (alerts.budget_per_day)"
                ),
            )
        if self.reasons:
            yield "top reasons", listing(dict(list(self.reasons.items())[:_REASONS_SHOWN]))
        yield "drift events", listing(self.drift) or "none"
        if self.labels:
            yield "labels", listing(self.labels)
        if self.labelled:
            yield "labelled rows", self._quality()
        if self.control:
            yield "commands", listing(self.control)
        if self.evicted or self.expired:
            yield "subjects gone", f"{self.expired:,} silent for too long, {self.evicted:,} for want of room"
        if self.lag:
            yield "lag", self.lag_in_words
        for partition, ahead_s in self.held_back.items():
            yield "held back", f"{partition}, {ahead_s:,.0f} s of event time ahead"
        for partition, note in self.notes.items():
            yield "note", f"{partition}: {note}"
        yield "speed", f"{self.events_per_s:,.0f} events/s, {self.elapsed_s:.1f} s"


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


def _severity_rank(name: str) -> tuple[int, str]:
    return (_SEVERITIES.index(name) if name in _SEVERITIES else len(_SEVERITIES), name)
