"""Sinks, sources and formats of other distributions: how they are found, and what becomes of those that do not fit."""

import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from driftnet.kit import format_kinds, sink_kinds, source_kinds
from flows.cli import main
from flows.config import endpoints, formats, loads
from flows.config.endpoints import BUILT_IN_SINKS, BUILT_IN_SOURCES
from flows.config.formats import BUILT_IN
from flows.config.plugged import word_of
from flows.contract.job import events, run_whole, small_job
from flows.counters import REJECTED
from flows.drive.assembly import Assembly
from flows.drive.local import LocalDriver
from flows.sources.files import FilesSpec
from flows.streams import Stream
from state import plugins
from state.errors import ConfigError, SinkError, SourceError

EXAMPLE = Path(__file__).parents[3] / "examples" / "spool"
Install = Callable[[str, Mapping[str, Mapping[str, str]], Path], None]
FAULTY = '''
from dataclasses import dataclass
from typing import Literal
from pydantic import Field, field_validator
from driftnet.kit import Asked, Lines, Opening, SinkSettings, SourceSettings, Unwatched


class Gone(SinkSettings):
    """Raises."""

    kind: Literal["gone"] = Field(description="gone")
    when: str = Field("open", description="where it raises")

    @field_validator("when")
    @classmethod
    def _check(cls, value: str) -> str:
        if value == "validate":
            raise KeyError("not a ValueError")
        return value

    def sink(self):
        if self.when == "sink":
            raise ZeroDivisionError("in sink")
        return Spec(self.when)


class Squatter(Gone):
    kind: Literal["sqlite"] = "sqlite"


class Wordless(Gone):
    kind: str = "any"


class Unfinished(SinkSettings):
    kind: Literal["unfinished"] = "unfinished"


@dataclass(frozen=True)
class Spec:
    when: str
    name = "gone.x"

    def open(self, opening: Opening):
        if self.when == "open":
            raise ZeroDivisionError("in open")
        return self

    def write(self, records):
        if self.when == "write":
            raise ZeroDivisionError("in write")

    def flush(self):
        if self.when == "tuple":
            return (1, 2)
        return {1} if self.when == "set" else None

    def close(self):
        pass


class Well(SourceSettings):
    """Raises when it is read."""

    kind: Literal["well"] = Field(description="well")

    def source(self, name: str, asked: Asked):
        return Bucket(name)


@dataclass(frozen=True)
class Bucket:
    name: str

    def partition_names(self):
        return [self.name]

    def open(self, name: str):
        return Reader()


class Reader(Unwatched):
    name = "bucket"
    size_bytes = done_bytes = None

    def read(self, max_lines: int):
        raise IndexError("no water")

    def position(self):
        return 0

    def seek(self, position):
        pass

    def close(self):
        pass
'''


def forget() -> None:
    for known in (plugins._installed, endpoints.sink_kinds, endpoints.source_kinds, formats.format_kinds):
        known.cache_clear()  # type: ignore[attr-defined]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Lets a distribution be there, as pip does: metadata on the path of modules, beside the code."""
    before = set(sys.modules)

    def put(name: str, groups: Mapping[str, Mapping[str, str]], code: Path) -> None:
        info = tmp_path / "site" / f"{name.replace('-', '_')}-0.1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
        sections = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in own.items()) for group, own in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(sections))
        monkeypatch.syspath_prepend(str(info.parent))
        monkeypatch.syspath_prepend(str(code))
        forget()

    yield put
    for module in set(sys.modules) - before:
        if module.startswith(("driftnet_spool", "faulty_ends")):
            del sys.modules[module]
    monkeypatch.undo()
    forget()


@pytest.fixture
def spool(install: Install) -> None:
    """The example, as its own pyproject.toml says."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    install(project["name"], project["entry-points"], EXAMPLE)


@pytest.fixture
def faulty(install: Install, tmp_path: Path) -> None:
    """One that has all kinds of faults."""
    (tmp_path / "faulty_ends.py").write_text(FAULTY)
    sinks = {
        "gone": "faulty_ends:Gone",
        "sqlite": "faulty_ends:Squatter",
        "wordless": "faulty_ends:Wordless",
        "unfinished": "faulty_ends:Unfinished",
        "number": "faulty_ends:Literal",
        "absent": "no_such_package.sink:Settings",
    }
    install("driftnet-faulty", {"driftnet.sinks": sinks, "driftnet.sources": {"well": "faulty_ends:Well"}}, tmp_path)


def refused(toml: str) -> str:
    with pytest.raises(ConfigError) as error:
        loads(toml, "own.toml")
    return str(error.value)


def test_ours_are_found_in_the_same_way() -> None:
    """All of them, and nobody else is there."""
    assert list(sink_kinds()) == [word_of(model) for model in BUILT_IN_SINKS]
    assert list(source_kinds()) == [word_of(model) for model in BUILT_IN_SOURCES]
    assert list(format_kinds()) == [word_of(model) for model in BUILT_IN]


@pytest.mark.usefixtures("spool")
def test_tables_of_plug_ins_are_checked_as_ours_are() -> None:
    """By their own models; with file, line, dotted path and what is allowed."""
    assert "own.toml:2: sinks.alerts.0.folder: seen nothing" in refused('[sinks]\nalerts = [{ kind = "spool" }]\n')
    said = refused('[sinks]\nalerts = { kind = "spool", folder = "x", foldr = "y" }\n')
    assert "sinks.alerts.0.foldr: seen the key 'foldr', allowed: the keys kind, folder; did you mean 'folder'?" in said
    said = refused('[sources.a]\nkind = "spool"\nfolder = "x"\nfollow = "perhaps"\n')
    assert "own.toml:4: sources.a.follow: seen 'perhaps'" in said
    said = refused('[sources.a]\nkind = "spol"\n')
    assert "sources.a.kind: seen 'spol', allowed: files, kafka, simulator, spool, stdin; did you mean 'spool'?" in said
    said = refused('[sources.a]\nkind = "files"\npaths = ["x"]\nformat = { kind = "logfmt", texts = 3 }\n')
    assert "sources.a.format.texts: seen 3" in said


@pytest.mark.usefixtures("spool")
def test_they_are_shown_and_read_again() -> None:
    """The effective configuration gives the same settings."""
    text = """
[sources.a]
kind = "spool"
folder = "in"
format = { kind = "logfmt", texts = ["id"] }
[sources.b]
kind = "files"
paths = ["x"]
format = "logfmt"
[sinks]
alerts = [{ kind = "spool", folder = "out" }]
"""
    found = loads(text)
    again = loads(found.to_toml())
    assert again.sources == found.sources
    assert again.sinks == found.sinks
    assert found.is_live
    assert 'format = { kind = "logfmt", texts = ["id"] }' in found.to_toml()


@pytest.mark.usefixtures("spool")
def test_one_job_writes_what_another_one_reads(tmp_path: Path) -> None:
    """Lines of another format in, records out, through the folder into a second job."""
    log = tmp_path / "events.log"
    lines = [f"id=e{n} user=u{n // 5} at={1_772_409_600 + 720 * n} n={n}" for n in range(100)]
    log.write_text("\n".join([*lines, "torn"]))
    base = '[job]\nextends = "none"\n[event]\nsubject = "{}"\nid = ""\ntime = {{ path = "{}", unit = "{}" }}\n'
    sinks = f'[sinks]\nalerts = {{ kind = "spool", folder = "{tmp_path}/out" }}\n'
    first = loads(
        base.format("user", "at", "s") + f'[sources.a]\nkind = "files"\npaths = ["{log}"]\nformat = "logfmt"\n{sinks}'
    )
    assembly = Assembly(first)
    sinks_open = assembly.sinks()
    summary = LocalDriver(small_job(), assembly.partitions(), sinks_open).run()
    for sink in (s for of in sinks_open.values() for s in of):
        sink.close()
    assert (summary.read, summary.total(REJECTED)) == (101, 1)
    assert summary.alerts > 3
    second = loads(
        base.format("subject", "raised", "iso8601") + f'[sources.a]\nkind = "spool"\nfolder = "{tmp_path}/out"\n'
    )
    (partition,) = Assembly(second).partitions()
    assert sum(len(lines.lines) for lines in iter(lambda: partition.read(7), None)) == summary.alerts


@pytest.mark.usefixtures("faulty")
def test_what_cannot_be_used_is_named_with_its_distribution(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A job that does not name it goes on; one that does is told what is wrong, and what to do."""
    loads('[sinks]\nalerts = { kind = "sqlite" }\n')
    said = refused('[sinks]\nalerts = { kind = "absent" }\n')
    assert "sinks.alerts.0.kind: plug-in 'absent' of the distribution 'driftnet-faulty': ModuleNotFoundError" in said
    assert "repair it, or uninstall it" in said
    problems = {problem.name: problem.error for problem in endpoints.sink_kinds().problems}
    assert problems.keys() == {"sqlite", "wordless", "unfinished", "number", "absent"}
    assert "taken by flows.config.endpoints.SqliteConfig" in problems["sqlite"]
    assert 'must have a field kind: Literal["word"]' in problems["wordless"]
    assert "Unfinished lacks sink()" in problems["unfinished"]
    assert "is not a subclass of driftnet.kit.SinkSettings" in problems["number"]
    with pytest.raises(SystemExit) as ended:
        main(["plugins", "list"])
    assert ended.value.code == 2
    out, err = capfd.readouterr()
    assert "gone  sink, of driftnet-faulty" in out
    assert "plug-in 'absent' of the distribution 'driftnet-faulty'" in err


@pytest.mark.usefixtures("faulty")
def test_a_validator_that_raises_anything() -> None:
    """Is a mistake of the table's, in the plug-in's name."""
    said = refused('[sinks]\nalerts = { kind = "gone", when = "validate" }\n')
    assert "sinks.alerts.0: the settings of 'gone' of the distribution 'driftnet-faulty': KeyError" in said


def use(assembly: Assembly) -> None:
    ((_, opener),) = assembly.openers().values()
    sink = opener()
    sink.write([{"a": 1}])
    sink.flush()


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("sink", "sink raised ZeroDivisionError: in sink; tell its author"),
        ("open", "open raised ZeroDivisionError: in open; tell its author. Nothing is lost"),
        ("write", "write raised ZeroDivisionError: in write; tell its author"),
        ("tuple", r"flush gave \(1, 2\), which as JSON is \[1, 2\]"),
        ("set", r"flush gave \{1\}, expected a JSON value"),
    ],
)
def test_a_sink_that_raises_anything(when: str, said: str) -> None:
    """Ends the run in good order, and says whose fault it is."""
    toml = f'[job]\nextends = "none"\n[sinks]\nalerts = {{ kind = "gone", when = "{when}" }}\n'
    assembly = Assembly(loads(toml))
    whose = "sinks.alerts, kind 'gone' of the distribution 'driftnet-faulty': "
    with pytest.raises(SinkError, match=whose + said):
        use(assembly)


@pytest.mark.usefixtures("faulty")
def test_a_source_that_raises_anything() -> None:
    """The same, with where it is configured."""
    (partition,) = Assembly(loads('[sources.a]\nkind = "well"\n')).partitions()
    with pytest.raises(SourceError, match=r"a, kind 'well' of the .* 'driftnet-faulty': read raised IndexError"):
        partition.read(5)


def test_files_of_json_have_nothing_around_them(tmp_path: Path) -> None:
    """Reading them costs what it did."""
    file = tmp_path / "e.jsonl"
    file.write_bytes(b"\n".join(events()))
    (source,) = Assembly(loads(f'[sources.a]\nkind = "files"\npaths = ["{file}"]\n')).sources()
    assert isinstance(source, FilesSpec)
    summary, said = run_whole(source, Stream.ALERTS)
    assert (summary.read, len(said[Stream.ALERTS])) == (200, 40)
