"""Writes docs/api.md and docs/plug_ins.md from signatures and docstrings; a test holds the pages to them.

`python -m driftnet._reference api` and `python -m driftnet._reference plug_ins` print one each.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import is_dataclass
from enum import Enum
from types import ModuleType
from typing import Any, Final, NamedTuple, get_args

import driftnet
import driftnet.checks
import driftnet.kit
from driftnet.kit import Detector, DetectorSpec


class _Part(NamedTuple):
    """A section of a page: its title, what is to be said before, the names it is about; brief: one line for each."""

    title: str
    about: str
    names: tuple[str, ...]
    brief: bool = False


_NOTE: Final = "<!-- Made by `make docs` from docstrings; edit them there (driftnet/). -->"
API: Final = (
    _Part("Configuration", "", ("load", "loads", "Config")),
    _Part("Replaying events", "", ("replay", "Event", "files", "Replay", "Summary")),
    _Part(
        "Scoring a table",
        "The detectors without the stream: see [scoring.md](scoring.md) for what they do with rows.",
        ("score_table", "Scores"),
    ),
    _Part(
        "A training set",
        "Window rows with their features and labels, correct at each point in time: see"
        " [training_sets.md](training_sets.md).",
        ("feature_table",),
    ),
    _Part(
        "Reading a store",
        "What a run wrote to SQLite. Records are as [events.md](events.md) describes them.",
        ("AlertStore", "Run"),
    ),
    _Part(
        "Errors",
        "",
        (
            "DriftnetError",
            "ConfigError",
            "PluginError",
            "SourceError",
            "SinkError",
            "DetectorError",
            "CheckpointError",
            "SnapshotError",
        ),
        brief=True,
    ),
    _Part("Version", "", ("__version__",), brief=True),
)
KIT: Final = (
    _Part(
        "Detectors",
        "[tutorial.md](tutorial.md) makes one in ten minutes; [failures.md](failures.md) says what happens to one that"
        " raises, stalls or answers nonsense.",
        (
            "DetectorSpec",
            "Detector",
            "SubjectDetector",
            "Scope",
            "Rows",
            "FeatureInfo",
            "Direction",
            "Wave",
            "detector",
            "detector_types",
            "RefittedSpec",
            "Scorer",
        ),
    ),
    _Part(
        "Features and windows that a detector brings",
        "What can be counted is in [features.md](features.md).",
        ("FeatureDecl", "FeatureKind", "Condition", "WindowSpec", "WindowKind"),
    ),
    _Part(
        "Parts to build a detector from",
        "",
        (
            "require",
            "require_features",
            "Sample",
            "Scale",
            "fit_scale",
            "scale_of",
            "SlotColumns",
            "pack",
            "unpack",
        ),
    ),
    _Part(
        "Sinks",
        "Settings stand for a `SinkSpec`, which opens a `Sink` for the records of one stream.",
        (
            "SinkSettings",
            "Delivery",
            "SinkSpec",
            "Opening",
            "Sink",
            "Record",
            "BufferedSink",
            "Patience",
            "Stream",
            "record_id",
            "told_id",
            "sink_kinds",
        ),
    ),
    _Part(
        "Sources",
        "Settings stand for a `Source`, which names its partitions and opens them one by one.",
        (
            "SourceSettings",
            "LinesSettings",
            "Asked",
            "Source",
            "Partition",
            "Lines",
            "Unwatched",
            "source_kinds",
        ),
    ),
    _Part(
        "Formats",
        "Settings stand for a `FormatSpec`, which builds a `Format`: files, standard input, topics of Kafka and sources"
        " of plug-ins have one (`LinesSettings`).",
        ("FormatSettings", "FormatSpec", "Format", "format_kinds"),
    ),
    _Part(
        "Parts of settings",
        'Settings are models of [pydantic](https://docs.pydantic.dev) with `kind: Literal["word"]` and, for each'
        " further key, a `Field` that says default, limits and description; `mistakes()` yields a `problem` for each"
        " thing that is wrong with several of them together.",
        ("problem", "expanded"),
    ),
    _Part(
        "Types of values in settings",
        "",
        ("Duration", "Moment", "Secret", "Address"),
        brief=True,
    ),
    _Part(
        "Errors to raise",
        "",
        ("ConfigError", "SnapshotError", "SourceError", "SinkError", "UndecodableError"),
        brief=True,
    ),
    _Part(
        "Array types and units",
        "",
        ("F64", "I64", "I32", "U64", "SECOND_US", "MINUTE_US", "HOUR_US", "DAY_US"),
        brief=True,
    ),
)
CHECKS: Final = (
    _Part(
        "The contract as tests",
        "",
        ("yield_checks", "check_detector", "Check", "World", "FEATURES", "trained", "attacked", "rows_of", "ranking"),
    ),
    _Part(
        "The contracts of sinks, sources and formats as tests",
        "",
        ("checks_of", "SinkTrial", "SourceTrial", "FormatTrial"),
    ),
)
_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Config": ("job", "to_toml"),
    "Summary": ("read", "alerts", "balanced", "unreadable", "events_per_s", "to_json", "status"),
    "FeatureDecl": (),
    "Condition": (),
    "WindowSpec": (),
    "Sample": ("add", "state", "resume"),
    "Scale": ("apply",),
    "SlotColumns": (),
    "Stream": (),
}
"""Of classes that can do more than anybody outside should lean on: what is shown."""
_TEXT: Final = {
    "__version__": "The version in pyproject.toml, as text.",
    "Event": "One input line: a mapping that orjson can write, or JSON text.",
    "Record": "One record of a stream: a dict that orjson can write.",
    "Scorer": "What scores rows: (n, F) float64, nan for no value -> (n,) float64, finite, higher is odder.",
    "FEATURES": "The columns of the checks' world, a tuple of `FeatureInfo`.",
    "Duration": 'microseconds, an integer, written as a duration: "5m".',
    "Moment": "microseconds since 1970, an integer, written as ISO 8601.",
    "Secret": 'a text that is never shown; "${NAME}" in it is an environment variable, which `expanded` reads.',
    "Address": "a text that may hold a user and a password, which are never shown.",
}
"""Names that have no docstring of their own."""
_LINE: Final = 110
"""A longer signature has a line for each argument."""
_MEMBERS_ALONE: Final = ("Summary", "Check", "World")
"""Dataclasses that nobody outside makes."""


def api_markdown() -> str:
    """docs/api.md."""
    return _page("The Python API", driftnet, API)


def plug_ins_markdown() -> str:
    """docs/plug_ins.md."""
    cohort, subject = (
        [str(check) for check in driftnet.checks.yield_checks(driftnet.kit.detector(word, {}))]
        for word in ("ecod", "history_baseline")
    )
    checks = [f"- {name}" for name in cohort] + [f"- of scope SUBJECT: {n}" for n in subject if n not in cohort]
    of_trials = [line for title, found in _trials() for line in ("", f"Of a {title}:", "", *(f"- {c}" for c in found))]
    about = [_paragraphs(inspect.getdoc(driftnet.checks) or ""), "", "What is checked of a detector:", "", *checks]
    about += [*of_trials, ""]
    return "\n".join([_page("Plug-ins", driftnet.kit, KIT), *_sections(driftnet.checks, CHECKS), *about])


def _trials() -> Iterator[tuple[str, list[str]]]:
    """What is checked of a sink, a source and a format that can do all that a trial may ask."""
    from driftnet.checks import FormatTrial, SinkTrial, SourceTrial, checks_of

    sink = driftnet.kit.sink_kinds()["sqlite"](kind="sqlite")
    source = driftnet.kit.source_kinds()["files"].model_validate({"kind": "files", "paths": ["events"]})
    format_ = driftnet.kit.format_kinds()["json"](kind="json")
    of_sink = SinkTrial(lambda: sink, list, outage=nullcontext, broken=lambda: sink, secret=".")  # noqa: S106
    yield "sink", list(map(str, checks_of(of_sink)))
    yield "source", list(map(str, checks_of(SourceTrial(lambda: source, (), "."))))
    yield "format", list(map(str, checks_of(FormatTrial(format_, (), "."))))


def names(parts: tuple[_Part, ...]) -> list[str]:
    """What a page is about."""
    return [name for part in parts for name in part.names]


def _page(title: str, module: ModuleType, parts: tuple[_Part, ...]) -> str:
    head = [f"# {title}", "", _NOTE, "", _paragraphs(inspect.getdoc(module) or ""), ""]
    return "\n".join([*head, *_sections(module, parts)])


def _sections(module: ModuleType, parts: tuple[_Part, ...]) -> Iterator[str]:
    for part in parts:
        yield f"## {part.title}\n"
        if part.about:
            yield textwrap.fill(part.about, 120) + "\n"
        if part.brief:
            yield "\n".join(f"- `{name}`: {_brief(name, getattr(module, name))}" for name in part.names) + "\n"
            continue
        for name in part.names:
            yield from _entry(name, getattr(module, name))


def _brief(name: str, value: Any) -> str:
    if inspect.isclass(value):
        doc, root = _own_doc(value), value.__bases__[0]
        return doc if root is Exception else f"a {root.__name__}. {doc}"
    return _TEXT.get(name) or (f"{value:_} microseconds." if isinstance(value, int) else _array(value))


def _entry(name: str, value: Any) -> Iterator[str]:
    yield f"### {name}\n"
    if inspect.isclass(value):
        yield from _class(name, value)
    elif name in _TEXT:
        yield _TEXT[name] + "\n"
    else:
        yield _code(_signature(value, name))
        yield _paragraphs(inspect.getdoc(value) or "") + "\n"


def _array(value: Any) -> str:
    return f"`NDArray[np.{get_args(get_args(value)[-1])[0].__name__}]`"


def _class(name: str, value: type[Any]) -> Iterator[str]:
    bases = [base.__name__ for base in value.__bases__ if base.__module__.partition(".")[0] in ("flows", "detectors")]
    inner = [f"    {line}" for line in _fields(value)]
    head = f"class {name}({', '.join(bases)})" if bases else f"class {name}"
    yield _code("\n".join([f"{head}:", *inner]) if inner else head)
    yield _paragraphs(_own_doc(value)) + "\n"
    shown = _MEMBERS.get(name, tuple(n for n in vars(value) if not n.startswith("_")))
    for member in shown:
        found = inspect.getattr_static(value, member)
        plain = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        if inspect.isfunction(plain):
            about = _paragraphs(inspect.getdoc(getattr(value, member)) or f"See {name}.")
            yield (
                f"**`{member}`** {about}\n"
                if isinstance(found, property)
                else f"{_code(_signature(plain, member))}\n{about}\n"
            )


def _fields(value: type[Any]) -> Iterator[str]:
    """The members of an enumeration; what a dataclass is made of, and the class variables of a contract."""
    if issubclass(value, Enum):
        yield from (f"{found.name} = {found.value!r}" for found in value)
        return
    if not (is_dataclass(value) or issubclass(value, DetectorSpec | Detector)) or value.__name__ in _MEMBERS_ALONE:
        return
    for node in ast.parse(textwrap.dedent(inspect.getsource(value))).body[0].body:  # type: ignore[attr-defined]
        if isinstance(node, ast.AnnAssign):
            yield ast.unparse(node).replace("'", '"')


def _own_doc(value: type[Any]) -> str:
    doc = inspect.cleandoc(value.__doc__ or "")
    return "" if doc.startswith(f"{value.__name__}(") else doc


def _code(text: str) -> str:
    return f"```text\n{text}\n```\n"


def _signature(function: Callable[..., Any], name: str) -> str:
    """As it is written in the source, with short names of types."""
    node = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    assert isinstance(node, ast.FunctionDef)
    if node.args.args and node.args.args[0].arg in ("self", "cls"):
        del node.args.args[0]
    arguments = [_unquoted(text) for text in _parted(ast.unparse(node.args))]
    returned = f" -> {_unquoted(ast.unparse(node.returns))}" if node.returns else ""
    line = f"{name}({', '.join(arguments)}){returned}"
    inner = ",\n    ".join(arguments)
    return line if len(line) <= _LINE else f"{name}(\n    {inner},\n){returned}"


def _unquoted(text: str) -> str:
    """Without the quotes of a type that is written as text."""
    return re.sub(r"(^|: )'([^']*)'", r"\1\2", text)


def _parted(arguments: str) -> Iterator[str]:
    """One text per argument: parted at commas outside of brackets."""
    depth, start = 0, 0
    for i, letter in enumerate(arguments):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            yield arguments[start:i].strip()
            start = i + 1
    if arguments:
        yield arguments[start:].strip()


def _paragraphs(doc: str) -> str:
    """A docstring as Markdown: examples and drawings in blocks of code."""
    told = []
    for paragraph in doc.split("\n\n"):
        lines = textwrap.dedent(paragraph).strip("\n")
        if lines.startswith(">>>"):
            told.append(f"```python\n{lines}\n```")
        elif paragraph.startswith("    ") or "├" in lines:
            told.append(f"```text\n{lines}\n```")
        else:
            told.append(re.sub(r"<(?=\w)", r"\\<", lines))
    return "\n\n".join(told)


if __name__ == "__main__":
    sys.stdout.write({"api": api_markdown, "plug_ins": plug_ins_markdown}[sys.argv[1]]())
