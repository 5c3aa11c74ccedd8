"""Growth: how a cost rises as one thing grows, its exponent, and a red flag where that is worse than it should be."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.measure.fit import Fit, fit_power, upper_half
from bench.report.drawing import BAD, MUTED, log_ticks, plot, series, sheet, short
from bench.report.tables import Cell, Column, Plot, Section, Table
from bench.report.units import number, whole
from bench.results import Results

TOLERANCE = 0.1
"""How far a fitted exponent may lie above the expected one: 7 % more cost for twice the size."""
_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Curve:
    """One cost against one size.  x ascending.  expect: the exponent that is right; 1 is linear."""

    name: str
    axis: str
    metric: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    expect: float

    @property
    def fit(self) -> Fit:
        """Over all points."""
        return fit_power(self.x, self.y)

    @property
    def upper(self) -> Fit:
        """Over the upper half of the range, where fixed costs no longer hide growth."""
        return fit_power(*upper_half(self.x, self.y))

    @property
    def worse(self) -> bool:
        """Whether the cost grows faster than it may, where it is large."""
        return self.upper.exponent > self.expect + TOLERANCE


def curves(results: Results) -> list[Curve]:
    """Every curve that can be fitted: at least two points, all above 0."""
    by_name: dict[str, list[tuple[float, float]]] = {}
    about = {}
    for case in results.of("growth"):
        info = case.info
        by_name.setdefault(info["curve"], []).append((info["x"], info["metrics"][info["fit_metric"]]))
        about[info["curve"]] = (info["axis"], info["fit_metric"], info["expect"])
    found = []
    for name, points in by_name.items():
        if len({x for x, _ in points}) > 1 and all(x > 0 and y > 0 for x, y in points):
            axis, metric, expect = about[name]
            x, y = zip(*sorted(points), strict=True)
            found.append(Curve(name, axis, metric, x, y, expect))
    return found


def sections(results: Results) -> list[Section]:
    """The exponents and the plots; nothing when no curve ran."""
    found = curves(results)
    if not found:
        return []
    columns = [Column("curve", left=True), Column("cost", left=True), Column("from"), Column("to"), Column("exponent")]
    columns += [Column("upper half"), Column("expected"), Column("r²"), Column("", left=True)]
    rows: list[list[Cell | str]] = [
        [
            curve.name,
            in_words(curve.metric),
            *(f"{number(y)} at {whole(x)}" for x, y in ((curve.x[0], curve.y[0]), (curve.x[-1], curve.y[-1]))),
            f"{curve.fit.exponent:.2f}",
            Cell(f"{curve.upper.exponent:.2f}", "bad" if curve.worse else "good"),
            f"{curve.expect:.2f}",
            f"{curve.fit.r2:.3f}",
            Cell("too steep", "bad") if curve.worse else Cell("ok", "good"),
        ]
        for curve in found
    ]
    note = (
        "Fitted to all points, and to the upper half of the range, where fixed costs no longer hide growth. Red: there "
        f"the exponent lies more than {TOLERANCE} above the expected one, a defect."
    )
    return [
        Section(
            "growth",
            "Growth",
            "Cost against size, both on logarithmic scales, where a power law is a straight line and its slope is the "
            "exponent: 0 is a cost that stays, 1 is linear.",
            [Table("Fitted exponents", columns, rows, note), _plot(found)],
        )
    ]


def in_words(metric: str) -> str:
    """A metric's name for people: "cpu_us_per_event" is "CPU (µs) per event"."""
    words = {"cpu": "CPU", "rss": "RSS", "s": "(s)", "us": "(µs)", "ns": "(ns)", "bytes": "(bytes)"}
    return " ".join(words.get(word, word) for word in metric.split("_"))


def _plot(found: Sequence[Curve]) -> Plot:
    rows = -(-len(found) // _COLUMNS)
    with sheet(2.7 * rows, min(_COLUMNS, len(found)), rows) as drawn:
        for axes, curve in zip(drawn.axes, found, strict=False):
            colour = BAD if curve.worse else series(0)
            upper = upper_half(curve.x, curve.y)[0]
            axes.loglog(curve.x, [curve.fit.at(x) for x in curve.x], color=MUTED, linewidth=1)
            axes.loglog(upper, [curve.upper.at(x) for x in upper], color=colour, linewidth=1.5)
            axes.loglog(curve.x, curve.y, "o", color=colour, markersize=5)
            axes.set_title(curve.name)
            axes.set_xlabel(curve.axis)
            axes.set_ylabel(in_words(curve.metric))
            text = f"exponent {curve.upper.exponent:.2f}, expected {curve.expect:g}"
            x, side = (0.05, "left") if curve.fit.exponent >= 0 else (0.95, "right")
            axes.text(x, 0.95, text, transform=axes.transAxes, va="top", ha=side, color=colour, fontweight="bold")
            low, high = min(curve.y), max(curve.y)
            # A flat cost must look flat: at least a decade of room.
            middle = (low * high) ** 0.5
            axes.set_ylim(min(low / 1.5, middle / 4), max(high * 1.5, middle * 4))
            log_ticks(axes.xaxis)
            log_ticks(axes.yaxis)
            axes.set_xticks(curve.x, [short(x) for x in curve.x])
        for axes in drawn.axes[len(found) :]:
            axes.set_visible(False)
        return plot(drawn, "Costs against sizes on logarithmic scales, with the fitted lines")
