"""A table without a medium: the same one goes to the terminal, into Markdown and into the page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import rich.table

Tone = Literal["", "good", "bad", "quiet"]
_STYLES = {"": "", "good": "green", "bad": "bold red", "quiet": "dim"}


@dataclass(frozen=True, slots=True)
class Cell:
    """What one cell says.  tone: whether that is good news.  share: 0..1, shown as a shade where that can be."""

    text: str
    tone: Tone = ""
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """text: the title, with the unit.  left: words, not figures."""

    text: str
    left: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """title: what is compared.  note: what a reader has to know about the figures."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell | str]]
    note: str = ""

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows, all of cells."""
        return [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in self.rows]

    def rich(self) -> "rich.table.Table":
        """For a terminal."""
        import rich.box
        import rich.table
        from rich.text import Text

        found = rich.table.Table(
            title=Text(self.title, "bold"), title_justify="left", box=rich.box.SIMPLE_HEAD, caption=self.note or None,
            caption_justify="left", pad_edge=False,
        )  # fmt: skip
        for column in self.columns:
            found.add_column(column.text, justify="left" if column.left else "right")
        for row in self.cells:
            # Text, not markup: a case's id has brackets.
            found.add_row(*(Text(c.text, _STYLES[c.tone]) for c in row))
        return found

    def markdown(self) -> str:
        """For a pull request."""
        rows = [[column.text for column in self.columns], [":--" if c.left else "--:" for c in self.columns]]
        rows += [[f"**{c.text}**" if c.tone == "bad" else c.text for c in row] for row in self.cells]
        lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
        return "\n".join([f"**{self.title}**", "", *lines, *(["", self.note] if self.note else [])])


@dataclass(frozen=True, slots=True)
class Plot:
    """An SVG drawing.  caption: what is drawn, for those who cannot see it too."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class Flames:
    """Flame graphs to choose from: name -> nested {"name", "value", "children"}."""

    graphs: dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report.  text: how to read it, in a sentence or two."""

    id: str
    title: str
    text: str
    parts: Sequence[Table | Plot | Flames] = field(default=())

    @property
    def tables(self) -> list[Table]:
        """The tables alone."""
        return [part for part in self.parts if isinstance(part, Table)]
