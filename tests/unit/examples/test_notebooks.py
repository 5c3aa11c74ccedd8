"""Notebooks do what they show: their cells run one after the other, and print what is stored below them."""

import io
import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[3] / "examples" / "notebooks").glob("*.ipynb"))


def cells_of(notebook: Path) -> list[dict[str, Any]]:
    """Its cells of code."""
    found = json.loads(notebook.read_text())
    assert (found["nbformat"], found["nbformat_minor"]) >= (4, 5)
    assert len({cell["id"] for cell in found["cells"]}) == len(found["cells"])
    return [cell for cell in found["cells"] if cell["cell_type"] == "code"]


def stored(cell: dict[str, Any]) -> str:
    """What a cell had printed when the notebook was saved; anything else that it had shown is not compared."""
    assert {out["output_type"] for out in cell["outputs"]} <= {"stream"}, "print what is to be seen"
    return "".join("".join(out["text"]) for out in cell["outputs"])


def printed(cell: dict[str, Any], names: dict[str, Any]) -> str:
    """What a cell prints now."""
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    return out.getvalue()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_cells_print_what_is_stored(notebook: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In their order, in one namespace, from an empty folder, with `driftnet` on the path."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    cells = cells_of(notebook)
    assert cells
    for cell in cells:
        assert printed(cell, names) == stored(cell), f"cell {cell['id']}: run it again in Jupyter, look, and save"


def test_there_are_notebooks() -> None:
    """A folder that was moved would otherwise leave nothing to test."""
    assert [notebook.name for notebook in NOTEBOOKS] == ["alerts.ipynb"]
