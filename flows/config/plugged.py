"""Tables of sinks, sources and formats: what each kind of them is, whoever brings it, and how its `kind` finds it.

A plug-in is such a class, named in its distribution's pyproject.toml:

    [project.entry-points."driftnet.sinks"]
    spool = "driftnet_spool.sink:SpoolSettings"
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Literal, Self, TypeVar, get_args

from pydantic import Field, GetCoreSchemaHandler, SerializationInfo, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from flows.config.section import Section, problem, said
from flows.sinks.base import Delivery
from flows.streams import Stream
from state.errors import ConfigError, Mistake, PluginError
from state.plugins import Registry, installed, load
from state.words import did_you_mean, one_of

if TYPE_CHECKING:
    from flows.formats.base import FormatSpec
    from flows.sinks.base import SinkSpec
    from flows.sources.base import Asked, Source

_MORE: Final = "others come with plug-ins, which have to be installed here (driftnet plugins list)"


class Settings(Section):
    """A table with a kind.  A class that extends one of those below says `kind: Literal["word"]`, and has a field with
    a description for each further key; it is picklable, and its values never change.
    """

    kind: str


class SinkSettings(Settings):
    """The table of a sink.

    columnar: whether each field of a record is a column of its own, so that the job's features and detectors are.
    """

    columnar: ClassVar[bool] = False

    @property
    def delivery(self) -> Delivery:
        """What it promises of a record that comes again: `Delivery.AGAIN` where nothing is said."""
        return Delivery.AGAIN

    @abstractmethod
    def sink(self) -> "SinkSpec":
        """What it stands for."""

    def refuses(self, stream: Stream) -> Iterator[PydanticCustomError]:
        """Why it cannot take the records of a stream, as `problem(seen, allowed, key)`; nothing where it can."""
        if why := stream.records.refuses.get(self.kind):
            yield problem(f"kind {self.kind}", f"another kind of sink for {stream}: {why}", "kind")


class SourceSettings(Settings):
    """The table of a source.

    resumes: whether its readers go back to a position; a pipe's do not.  begins: keys that `pinned` changes, which are
    kept beside the state of a run.
    """

    resumes: ClassVar[bool] = True
    begins: ClassVar[tuple[str, ...]] = ()
    reads: Literal["events", "labels", "control"] = Field(
        "events", description="events; labels of subjects; or control, commands to detectors"
    )

    @property
    def is_live(self) -> bool:
        """Whether it can be silent while time passes."""
        return False

    @property
    def discover_s(self) -> float:
        """How often to look for partitions that were added; 0 for never."""
        return 0.0

    @abstractmethod
    def source(self, name: str, asked: "Asked") -> "Source":
        """What it stands for.  name: as it is configured."""

    def bounded(self) -> Self:
        """The same, until what is there now: what `driftnet replay` reads."""
        return self

    def pinned(self, name: str) -> Self:
        """The same, beginning where it would begin now, for good.  Raises SourceError."""
        del name
        return self

    def absolute(self) -> Self:
        """The same, with paths that can be found from everywhere."""
        return self


class FormatSettings(Settings):
    """The table of a format.  of_lines: whether values are lines of text, so that files can be of it."""

    of_lines: ClassVar[bool] = True

    @abstractmethod
    def format(self) -> "FormatSpec | None":
        """What it stands for; None for lines that are JSON as they are."""


Kind = TypeVar("Kind", bound=Settings)


def word_of(model: type[Settings]) -> str:
    """The word that its `kind` allows.  Raises ConfigError."""
    words = get_args(model.model_fields["kind"].annotation)
    if len(words) != 1 or not isinstance(words[0], str):
        raise ConfigError(f'{model.__qualname__} must have a field kind: Literal["word"]')
    return words[0]


def checked(base: type[Kind]) -> Callable[[object], type[Kind]]:
    """What an entry point names, if it can be used as such settings."""

    def check(found: object) -> type[Kind]:
        if not (isinstance(found, type) and issubclass(found, base)):
            raise ConfigError(f"{found!r} is not a subclass of driftnet.kit.{base.__name__}")
        if lacks := getattr(found, "__abstractmethods__", ()):
            raise ConfigError(f"{found.__qualname__} lacks {', '.join(sorted(lacks))}()")
        word_of(found)
        return found

    return check


def kinds_of(group: str, base: type[Kind], own: tuple[type[Kind], ...]) -> Callable[[], Registry[type[Kind]]]:
    """What looks up, once per process, our own settings and those of installed plug-ins."""
    return cache(lambda: load(own, installed(group), word_of, checked(base)))


class OfKind(Generic[Kind]):
    """Annotated[SinkSettings, OfKind(...)]: a table whose `kind` says which settings it is of.

    base: of all of them.  registry: which there are.  a_word_will_do: the kind alone may stand for a table without
    other keys.
    """

    def __init__(self, base: type[Kind], registry: Callable[[], Registry[type[Kind]]], a_word_will_do: bool) -> None:
        self._base = base
        self._registry = registry
        self._a_word_will_do = a_word_will_do

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """What pydantic validates this annotation by."""
        return core_schema.no_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(self._plain, info_arg=True),
        )

    def _read(self, value: Any) -> Kind:
        if isinstance(value, self._base):
            return value
        table = {"kind": value} if self._a_word_will_do and isinstance(value, str) else value
        if not isinstance(table, Mapping):
            raise problem(value, "a table with a kind")
        at = ("kind",) if table is value else ()
        kind, known = table.get("kind", "nothing"), sorted(self._registry().types)
        try:
            model = self._registry().of(kind) if isinstance(kind, str) else None
        except PluginError as error:
            raise said(Mistake(at, str(error))) from None
        if model is None:
            raise problem(kind, one_of(known), at, "; ".join(filter(None, (did_you_mean(kind, known), _MORE))))
        needs = [name for name, field in model.model_fields.items() if field.is_required() and name != "kind"]
        if table is not value and needs:
            more = ", ".join(f"{name} = ..." for name in needs)
            raise problem(value, f'a table, {{ kind = "{kind}", {more} }}')
        try:
            return model.model_validate(table)
        except (ValidationError, PydanticCustomError):
            raise
        except Exception as error:  # a stranger's validator
            whose = self._registry().origins.get(kind, "driftnet")
            text = f"the settings of {kind!r} of the distribution {whose!r}: {type(error).__name__}: {error}"
            raise said(Mistake((), text)) from None

    def _plain(self, settings: Kind, info: SerializationInfo) -> Any:
        table = settings.model_dump(exclude_none=info.exclude_none, by_alias=bool(info.by_alias))
        return table["kind"] if self._a_word_will_do and len(table) == 1 else table
