"""Drawings as SVG that takes its colours and its font from the page, so that they are right on light and on dark.

Matplotlib, not plotly: plotly's script alone weighs 5 MB and names map servers and CDNs in a page that must need none.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.report.tables import Plot
from bench.report.units import number

INK: Final = "#010100"
MUTED: Final = "#010101"
GRID: Final = "#010102"
BAD: Final = "#010103"
SERIES: Final = tuple(f"#0102{n:02x}" for n in range(10))
"""Stand-ins, which become the page's CSS variables --ink, --muted, --grid, --bad and --series-0 to --series-9."""
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", BAD: "bad"} | {c: f"series-{n}" for n, c in enumerate(SERIES)}
_STYLE: Final[dict[str, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "driftnet",
    "font.size": 9,
    "font.sans-serif": ["DejaVu Sans"],
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
}
_WIDTH_IN: Final = 10.0


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is drawn on.  axes: row by row."""

    figure: Figure
    axes: Sequence[Axes]

    def legend(self) -> None:
        """One legend for all axes, above them."""
        labels = {
            label: handle for axes in self.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        columns = min(len(labels), 6)
        self.figure.legend(labels.values(), labels.keys(), loc="outside upper left", ncols=columns, columnspacing=1.4)


@contextmanager
def sheet(height_in: float, columns: int = 1, rows: int = 1, **options: Any) -> Iterator[Sheet]:
    """A drawing as wide as the page, in the page's style.  options: of `Figure.subplots`."""
    with mpl.rc_context(cast(Any, _STYLE)):
        figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **options)
        yield Sheet(figure, [*np.asarray(axes).ravel()])


def plot(drawn: Sheet, caption: str) -> Plot:
    """The finished drawing, to be put into a page.  Must be called inside `sheet`."""
    text = io.StringIO()
    drawn.figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Inside HTML the namespaces are known, and ids must differ between drawings; those of markers and clips do.
    svg = re.sub(r' (?:xmlns(?::xlink)?|version)="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r' id="(?![pm][0-9a-f]{10}")[^"]*"', "", svg)
    svg = re.sub(r'<svg (?:width|height)="[^"]*"([^>]*?) (?:width|height)="[^"]*"', r"<svg \1", svg, count=1)
    for colour, name in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{name})")
    return Plot(svg.replace("<svg ", '<svg role="img" ', 1), caption)


def note(axes: Axes, text: str, x: float, y: float, colour: str) -> None:
    """A small text to the right of a point."""
    axes.annotate(text, (x, y), (4, 0), textcoords="offset points", va="center", fontsize=7.5, color=colour)


def log_ticks(axis: Axis) -> None:
    """Numbers as people write them, on a logarithmic axis that has its data: 1, 2, 5, 10, or decades."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axis.set_minor_formatter(NullFormatter())


def short(value: float) -> str:
    """1 k, 20 k, 1 M; small numbers as they are."""
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= factor:
            return f"{value / factor:g} {unit}"
    return f"{value:g}" if abs(value) >= 0.001 else number(value)


def series(index: int) -> str:
    """The colour of a series."""
    return SERIES[index % len(SERIES)]
