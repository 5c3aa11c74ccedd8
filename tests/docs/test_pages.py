"""Pages: links lead somewhere, code and commands are what the program takes, names of files are there."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main

from flows.cli import app
from flows.config import loads
from tests.docs.pages import GENERATED, ROOT, WIDTH, anchors, blocks, links, pages, prose, wrapped

PAGES = pages()
TEXT = {page: (ROOT / page).read_text() for page in PAGES}
LANGUAGES = {"text", "toml", "json", "console", "python"}
RUN_ELSEWHERE = {"docs/tutorial.md", "README.md", "docs/api.md", "docs/plug_ins.md"}
"""Pages whose Python is run as it stands: tests/docs/test_tutorial.py, tests/unit/api/test_api.py."""
OTHERS = {"cd", "docker", "export", "kafka-consumer-groups.sh", "kubectl", "pip", "python"}
"""Programs that pages name and that are not ours: they need what a test does not have, or are run elsewhere."""
COMMANDS = {
    f"{page}: {line}": line
    for page in PAGES
    for block in blocks(TEXT[page])
    if block.language == "console"
    for line in (line.partition("$ ")[2] for line in block.text.splitlines() if re.match(r"\S*\$ ", line))
}
INLINE = {
    f"{page}: {command}": command
    for page in PAGES
    for command in re.findall(r"`(driftnet [a-z][^`]*)`", " ".join(prose(TEXT[page]).split()))
    if page != Path("CHANGELOG.md")
}
PROGRAM: Any = typer.main.get_command(app)
FOLDERS = ("bench", "deploy", "detectors", "docs", "driftnet", "examples", "flows", "state", "tests")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links(page: Path) -> None:
    """Each leads to a file, and to a heading where it names one."""
    for target, anchor in links(TEXT[page]):
        file = (ROOT / page.parent / target).resolve() if target else ROOT / page
        assert file.exists(), f"links to {target}, which is not there"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file.read_text()), (
                f"links to {target}#{anchor}; there are {anchors(file.read_text())}"
            )


@pytest.mark.parametrize("page", [page for page in PAGES if page != Path("CHANGELOG.md")], ids=str)
def test_files_that_are_named(page: Path) -> None:
    """A path in backquotes, from the top of the repository, is a file or a folder of it; changes speak of what was."""
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`", prose(TEXT[page]))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_code(page: Path) -> None:
    """Configurations are jobs that can run, JSON is JSON, Python is run as it stands."""
    for block in blocks(TEXT[page]):
        assert block.language in LANGUAGES, f"a block of code says what it is: one of {LANGUAGES}"
        if block.language == "toml":
            loads(block.text, str(page)).job()
        elif block.language == "json":
            for line in block.text.splitlines():
                json.loads(line)
        elif block.language == "python" and str(page) not in RUN_ELSEWHERE:
            compile(block.text, str(page), "exec")
            assert "not run" in block.before, "says why it is not run"


def _words(command: str) -> list[str]:
    """Of the command itself: no comment, no variables before it, nothing behind a pipe."""
    words = shlex.split(command.removesuffix("& ").removesuffix("&"), comments=True)
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    return words


def _parse(words: list[str]) -> None:
    """As the program parses it, without doing it.  Raises click's UsageError."""
    command = PROGRAM
    context = click.Context(command, info_name="driftnet")
    while hasattr(command, "commands"):
        name = words[0]
        assert name in command.commands, f"no command {name!r}; there are {', '.join(command.commands)}"
        command, words = command.commands[name], words[1:]
    if command.name != "bench":  # its arguments are bench's own
        command.make_context(command.name, words, parent=context)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_commands(command: str) -> None:
    """A command of ours is one that the program takes, with these options; a target of make is there."""
    program, *words = _words(command)
    if program == "driftnet":
        _parse(["0" if word == "$!" else word for word in words])
    elif program == "make":
        assert re.search(rf"^{words[0]}: .*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        assert program in OTHERS


@pytest.mark.parametrize("command", INLINE.values(), ids=INLINE)
def test_commands_in_sentences(command: str) -> None:
    """Those are often cut short; the command is there, and so is each option."""
    words = command.replace("\\|", "|").split()[1:]
    found = PROGRAM
    while hasattr(found, "commands") and words and words[0].rstrip("/") in found.commands:
        found, words = found.commands[words[0]], words[1:]
    if hasattr(found, "commands"):
        assert not words or words[0] in ("...", "--help"), f"no command {words[0]!r}"
    if found.name != "bench":
        known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known | {"--help"}


@pytest.mark.parametrize("page", [page for page in PAGES if str(page) not in GENERATED], ids=str)
def test_prose_is_wrapped(page: Path) -> None:
    """Paragraphs fit 120 columns; `make fmt` wraps them."""
    long = [line for line in prose(TEXT[page]).splitlines() if len(line) > WIDTH and line != wrapped(line)]
    assert long == []


def test_wrapping() -> None:
    """Lists, code and tables stay; a line never begins with what would make it something else; twice is once."""
    text = "\n".join(
        [
            "- " + "word " * 40,
            "",
            "```text",
            "x" * 200,
            "```",
            "| " + "cell " * 60 + "|",
            "word " * 23 + "more + b",
            "",
            "word " * 22 + "`one command`",
            "",
            "1. one",
            "   two",
        ]
    )
    done = wrapped(text)
    assert done.splitlines()[1].startswith("  word")
    assert "x" * 200 in done
    assert not any(line.startswith("+") for line in done.splitlines())
    assert "`one command`" in done.splitlines()
    assert wrapped(done) == done
    assert done.splitlines()[-1] == "1. one two"


def test_all_pages_are_in_the_index() -> None:
    """docs/README.md leads to every page of the folder."""
    found = {(ROOT / "docs" / path).resolve() for path, _ in links(TEXT[Path("docs/README.md")])}
    missing = [str(page) for page in PAGES if page.parent == Path("docs") and (ROOT / page).resolve() not in found]
    assert missing == ["docs/README.md"]


def test_all_decisions_are_in_their_index() -> None:
    """docs/decisions/README.md leads to every decision; each says why, what it costs, and what would change it."""
    folder = ROOT / "docs" / "decisions"
    found = {path for path, _ in links((folder / "README.md").read_text())}
    assert {file.name for file in folder.glob("*.md")} == found | {"README.md"}
    for name in found:
        assert re.findall(r"^## (.*)$", (folder / name).read_text(), re.MULTILINE) == [
            "Why",
            "What it costs",
            "What would change it",
        ]
