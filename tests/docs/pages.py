"""Pages of Markdown, taken apart.

`python -m tests.docs.pages wrap` wraps their prose at 120 (`make fmt`); `collect FOLDER` copies them, and the files
that they link to, to where a site is made of them (`make site`).
"""

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
GENERATED: Final = (
    "docs/api.md",
    "docs/capacity.md",
    "docs/configuration.md",
    "docs/metrics.md",
    "docs/plug_ins.md",
    "docs/streams.md",
)
WIDTH: Final = 120
_FENCE: Final = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_ITEM: Final = re.compile(r"^( *)([-*]|\d+\.) +")
_ALONE: Final = re.compile(r"^ *(?:#|\||<|```|---|\[\^?[\w-]+\]: )")
_CODE: Final = re.compile(r"`[^`]{1,80}`")
"""Code in a sentence, which stays on one line unless it is long."""
_MARKUP: Final = re.compile(r" (?=(?:[-+*>#|=]|\d+[.)])(?: |$))")
"""A space after which a line must not begin: what follows would be a list, a heading, a table."""


class Block(NamedTuple):
    """A block of code.  language: "" for none.  before: the line above it."""

    language: str
    text: str
    before: str


def pages() -> list[Path]:
    """All pages, relative to the root, in a fixed order."""
    top = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "bench/README.md", "bench/others/*.md")
    found = [
        path for pattern in (*top, "docs/**/*.md", "examples/**/*.md", ".github/**/*.md") for path in ROOT.glob(pattern)
    ]
    return sorted({path.relative_to(ROOT) for path in found})


def blocks(text: str) -> list[Block]:
    """The blocks of code of a page."""
    return [
        Block(match[2], textwrap.dedent(match[3]), text[: match.start()].rstrip().rpartition("\n")[2])
        for match in _FENCE.finditer(text)
    ]


def prose(text: str) -> str:
    """The page without its blocks of code."""
    return _FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """What links can lead to in a page, as GitHub and Zensical make it of headings."""
    found: set[str] = set()
    for title in re.findall(r"^#+ +(.+?) *$", prose(text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower()
        slug = again = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        n = 0
        while again in found:
            n += 1
            again = f"{slug}-{n}"
        found.add(again)
    return found


def links(text: str) -> Iterator[tuple[str, str]]:
    """(path, anchor) of the links to other pages and files; "" where there is none."""
    for path, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", prose(text)):
        if ":" not in path:
            yield path, anchor


def wrapped(text: str) -> str:
    """The page with paragraphs and items of lists wrapped, and lists apart from the text above them; tables, headings
    and code stay as they are.
    """
    out: list[str] = []
    waiting: list[str] = []
    code = front = False

    def flush() -> None:
        if not waiting:
            return
        first = waiting[0]
        item = _ITEM.match(first)
        lead = item[0] if item else first[: len(first) - len(first.lstrip())]
        words = " ".join([first[len(lead) :], *(line.strip() for line in waiting[1:])])
        whole = _CODE.sub(lambda code: code[0].replace(" ", "\0"), _MARKUP.sub("\0", words))
        filled = textwrap.wrap(
            whole, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead),
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        out.extend(line.replace("\0", " ") for line in filled)
        waiting.clear()

    for number, line in enumerate(text.split("\n")):
        if line.lstrip().startswith("```") or (line == "---" and (number == 0 or front)):
            flush()
            code = not code
            front = number == 0 or (front and not code)
            out.append(line)
        elif code or not line.strip() or _ALONE.match(line):
            flush()
            out.append(line)
        else:
            if _ITEM.match(line):
                text_before = bool(waiting) and not _ITEM.match(waiting[0])
                flush()
                out.extend([""] * text_before)
            waiting.append(line)
    flush()
    return "\n".join(out)


def wrap() -> None:
    """Wraps all pages that people write."""
    for page in pages():
        if str(page) not in GENERATED:
            before = (ROOT / page).read_text()
            after = wrapped(before)
            if after != before:
                (ROOT / page).write_text(after)


def collect(folder: Path) -> None:
    """Copies pages, and files that they link to, as they lie: the site's links are those of the repository."""
    shutil.rmtree(folder, ignore_errors=True)
    shown = [page for page in pages() if page.parts[0] != ".github"]
    linked = {(ROOT / page.parent / path).resolve() for page in shown for path, _ in links((ROOT / page).read_text())}
    for file in {*(ROOT / page for page in shown), *(path for path in linked if path.is_file())}:
        target = folder / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["wrap"]:
            wrap()
        case ["collect", folder]:
            collect(Path(folder))
        case other:
            sys.exit(f"seen {other}, allowed: wrap, or collect FOLDER")
