"""Is what the project says about itself true?"""

import ast
import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from setuptools import find_packages

from detectors.features.declare import FeatureKind, SequenceKind
from detectors.features.reference import with_tables
from driftnet import _reference
from flows.config import loads
from flows.config.reference import configuration_markdown
from flows.counters import markdown as counters_markdown
from flows.metrics.reference import markdown as metrics_markdown
from flows.streams import STREAMS
from flows.streams.reference import schemas, streams_markdown
from state.windows import WindowKind

_ROOT = Path(__file__).parents[2]


def _project() -> Any:
    return tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]


def test_readme_names_two_commands_that_exist() -> None:
    """The two commands of the README's first screen are targets of the Makefile, and CI runs the second."""
    readme, makefile = (_ROOT / "README.md").read_text(), (_ROOT / "Makefile").read_text()
    for target in ("run", "test"):
        assert f"$ make {target}" in readme
        assert re.search(rf"^{target}: .*## ", makefile, re.MULTILINE)
    assert "make test" in (_ROOT / ".ci" / "run").read_text()


def test_what_is_run_quickly_is_there() -> None:
    """Each path of `make quick`'s part of the tests holds some, and each step of CI is a file that can be run."""
    makefile = (_ROOT / "Makefile").read_text()
    paths = re.search(r"^QUICK := ((?:.*\\\n)*.*)\n", makefile, re.MULTILINE)
    assert paths is not None
    part = (_ROOT / ".ci" / "part").read_text()
    for path in [*paths[1].replace("\\\n", " ").split(), *part.split()]:
        place = _ROOT / path
        assert list(place.rglob("test_*.py")) if place.is_dir() else place.is_file(), path
    steps = set(re.findall(r"\.ci/\w+", (_ROOT / ".ci" / "run").read_text()))
    assert len(steps) == 3
    assert all(os.access(_ROOT / step, os.X_OK) for step in steps)


def test_tables_of_kinds_are_current() -> None:
    """Those of docs/features.md are what `make docs` writes."""
    page = (_ROOT / "docs" / "features.md").read_text()
    assert page == with_tables(page)


def test_every_kind_is_documented() -> None:
    """Each kind of feature, of sequence and of window stands in docs/features.md."""
    page = (_ROOT / "docs" / "features.md").read_text()
    kinds = [*FeatureKind, *SequenceKind, *WindowKind]
    assert [kind.value for kind in kinds if f"| `{kind}` |" not in page] == []


def test_every_stream_is_explained() -> None:
    """docs/events.md says when each output stream says something; its fields are in the reference."""
    page = (_ROOT / "docs" / "events.md").read_text()
    assert [stream.value for stream in STREAMS if f"`{stream}`" not in page] == []


@pytest.mark.parametrize(
    ("page", "written"),
    [
        ("configuration", configuration_markdown),
        ("counters", counters_markdown),
        ("metrics", metrics_markdown),
        ("api", _reference.api_markdown),
        ("plug_ins", _reference.plug_ins_markdown),
        ("streams", streams_markdown),
    ],
)
def test_reference_is_current(page: str, written: Callable[[], str]) -> None:
    """The generated pages are what `make docs` writes."""
    assert (_ROOT / "docs" / f"{page}.md").read_text() == written()


def test_schemas_of_records_are_current() -> None:
    """So are the schemas of all streams."""
    for name, text in schemas().items():
        assert (_ROOT / "docs" / "schemas" / name).read_text() == text


@pytest.mark.parametrize("example", sorted(_ROOT.glob("examples/*.toml")), ids=lambda p: p.name)
def test_examples_can_run(example: Path) -> None:
    """Every example configuration is a job."""
    assert loads(example.read_text(), example.name).job().stream.windows


def test_changes_begin_with_this_version() -> None:
    """The newest entry of the changelog is the version in pyproject.toml."""
    newest = re.search(r"^## \[([^\]]+)\]", (_ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == _project()["version"]


def test_the_citation_is_of_this_version() -> None:
    """CITATION.cff and pyproject.toml say the same."""
    assert f"version: {_project()['version']}\n" in (_ROOT / "CITATION.cff").read_text()


def test_lock_holds_pinned_names_only() -> None:
    """The lock pins each package once, with hashes, and names no address, index or file; it covers all direct
    dependencies.
    """
    lines = (_ROOT / "requirements.lock").read_text().splitlines()
    lines = [line for line in lines if not re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}(?: \\)?", line)]
    pinned = [re.fullmatch(r"([a-z0-9.-]+)==[0-9a-z.]+ \\", line) for line in lines]
    assert all(pinned), [line for line, found in zip(lines, pinned, strict=True) if not found]
    names = [found[1] for found in pinned if found]
    assert len(set(names)) == len(names)
    project = _project()
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    assert {re.split(r"[\[=<>]", d)[0] for d in wanted} <= set(names)


def test_unit_tests_lie_where_what_they_test_lies() -> None:
    """Each in a folder that is called as a package is, at any of the roots; those of `driftnet` in `api`."""
    unit = _ROOT / "tests" / "unit"
    folders = sorted({file.parent.relative_to(unit) for file in unit.rglob("test_*.py")})
    roots = [_ROOT, *(_ROOT / name for name in ("flows", "detectors", "state"))]
    astray = [str(f) for f in folders if str(f) != "api" and not any((root / f).is_dir() for root in roots)]
    assert astray == []
    assert not list(unit.glob("test_*.py"))


def test_every_test_states_its_behaviour() -> None:
    """Each test has a docstring: a sentence, or a drawing."""
    silent = [
        f"{path.relative_to(_ROOT)}:{node.lineno} {node.name}"
        for path in sorted(_ROOT.glob("tests/**/test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        if len((ast.get_docstring(node) or "").split()) < 3
    ]
    assert not silent, "\n".join(silent)


def test_one_module_reads_pickles() -> None:
    """And it is the one whose exception to ruff's S rules is for that."""
    files = [
        file
        for package in ("state", "detectors", "flows", "driftnet")
        for file in sorted((_ROOT / package).rglob("*.py"))
    ]
    reads = re.compile(
        r"^\s*(?:import|from) (?:pickle|marshal|shelve|dill|joblib)\b|S301|allow_pickle=True", re.MULTILINE
    )
    assert [str(file.relative_to(_ROOT)) for file in files if reads.search(file.read_text())] == ["state/pickles.py"]


def test_the_wheel_has_every_package() -> None:
    """What lies at the top and is not tests is found by setuptools, and says that it is typed."""
    tool = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {file.parent.name for file in _ROOT.glob("*/__init__.py")}
    found = {name.partition(".")[0] for name in find_packages(str(_ROOT), include=tool["packages"]["find"]["include"])}
    assert found == packages >= {"driftnet", "flows", "detectors", "state", "bench"}
    for name in packages - {"bench"}:
        assert (_ROOT / name / "py.typed").is_file()
        assert "py.typed" in tool["package-data"][name]


def test_hooks_and_containers_use_what_make_uses() -> None:
    """Each hook is a tool that `make check` runs, none is fetched; the container is made ready by a target of make."""
    makefile = (_ROOT / "Makefile").read_text()
    (repository,) = yaml.safe_load((_ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert len(repository["hooks"]) == 4
    for hook in repository["hooks"]:
        program = re.match(r"\.venv/bin/(\S+(?: format| check)?)", hook["entry"])
        assert program is not None
        assert f"$(BIN)/{program[1]}" in makefile
    container = json.loads((_ROOT / ".devcontainer" / "devcontainer.json").read_text())
    make, target = container["postCreateCommand"].split()
    assert make == "make"
    assert re.search(rf"^{target}: .*## ", makefile, re.MULTILINE)
