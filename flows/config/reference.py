"""Reference of all keys and parameters, made from the models: docs/configuration.md, `driftnet detectors list`.

`python -m flows.config.reference` prints docs/configuration.md; a test compares the two.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from enum import Enum
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from detectors.features.derived import SEQUENCES
from detectors.features.kinds import FEATURES
from detectors.registry import detector_types
from detectors.settings import keys_of, parameters
from flows.config.campaigns import CampaignsConfig
from flows.config.company import CompanyConfig
from flows.config.declarations import (
    DetectorConfig,
    FeatureConfig,
    SequenceConfig,
    WindowConfig,
)
from flows.config.endpoints import BUILT_IN_SINKS, BUILT_IN_SOURCES, SinksConfig, sink_kinds, source_kinds
from flows.config.formats import BUILT_IN as BUILT_IN_FORMATS
from flows.config.formats import format_kinds
from flows.config.load import load
from flows.config.models import (
    CohortsConfig,
    ColumnConfig,
    Config,
    EventConfig,
    EventTimeConfig,
    ExemptConfig,
    JobConfig,
    StateConfig,
    SubjectConfig,
    TimeConfig,
)
from flows.config.plugged import Settings, word_of
from flows.config.section import Section, SpecTable, describe
from flows.config.toml import value_text
from flows.wire.path_text import format_path
from state.durations import format_duration, format_moment
from state.kinds import Keys
from state.plugins import PluginProblem, Registry
from state.windows import WINDOWS

_HEAD: Final = """\
# Configuration

<!-- Made by `make docs` from flows/config; edit the descriptions there. -->

One TOML file says what a job reads, remembers, computes and emits. Every key has a default, so a file holds only what
differs; `driftnet config show --defaults` prints the shipped configuration, a music-streaming platform, with comments.

- **Layers.** The shipped defaults, then your file, then environment variables `DRIFTNET_<SECTION>__<KEY>`, then
  `--set section.key=value`. `driftnet config show` prints the result, `driftnet config check` says whether it can run.
- **Defaults.** `default` is what holds where nothing is said, `shipped` what the shipped file says instead: yours
  starts from the latter, unless it extends nothing.
- **Named things** (`event.columns`, `sequences`, `features`, `windows`, `detectors`): your entry changes single keys of
  the shipped one of that name; another `kind` or `type` replaces it; `name = false` removes it. Your `sources` replace
  the shipped ones. `campaigns = false`, above all sections, removes that section ([campaigns.md](campaigns.md)).
- **Other streams.** `extends = "none"` under `[job]` starts from nothing instead of the shipped configuration.
- **Durations** are texts such as "250ms", "30s", "5m", "1h30m", "30d", or numbers of seconds. **Moments** are ISO 8601.
- **Paths** into a line are keys by dots and indices in brackets: `user.id`, `items[0].price`. A key that holds a dot, a
  bracket or a quote stands in quotes: `'"odd.key".id'`; a list will do too: `["odd.key", "id"]`. Two paths that take
  one value for different things, `user` and `user.id`, are refused: no line has both.
- **`where`** tables hold conditions that must all be met: `type = "play"`, `type = ["play", "skip"]`,
  `type = { not = "skip" }`, `ms_played = { min = 30000, max = 45000 }` (min included, max not),
  `device = { present = true }`.
  A row without a value meets `not` and nothing else.
"""


@dataclass(frozen=True, slots=True)
class Param:
    """One key: its default as TOML ("needed" without one, "" for absent) and what it is about."""

    key: str
    default: str
    about: str


@dataclass(frozen=True, slots=True)
class DetectorReference:
    """A detector type, for people."""

    type: str
    version: int
    scope: str
    summary: str
    params: tuple[Param, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def detector_reference() -> list[DetectorReference]:
    """All installed detector types, by name."""
    return [
        DetectorReference(name, spec.version, spec.scope.value, summary(spec), tuple(_spec_params(spec)))
        for name, spec in sorted(detector_types().items())
    ]


@dataclass(frozen=True, slots=True)
class SettingsReference:
    """A kind of sink, source or format, for people.  of: which of these.  distribution: whose it is."""

    of: str
    kind: str
    distribution: str
    summary: str
    params: tuple[Param, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def settings_reference() -> tuple[list[SettingsReference], tuple[PluginProblem, ...]]:
    """All kinds of sinks, sources and formats, by name, and what is installed and cannot be used."""
    registries: dict[str, Registry[Any]] = {"sink": sink_kinds(), "source": source_kinds(), "format": format_kinds()}
    found = [
        SettingsReference(
            of,
            kind,
            registry.origins.get(kind, "driftnet"),
            summary(model),
            tuple(_param(name, field) for name, field in model.model_fields.items() if name != "kind"),
        )
        for of, registry in registries.items()
        for kind, model in sorted(registry.types.items())
    ]
    return found, tuple(problem for registry in registries.values() for problem in registry.problems)


def configuration_markdown() -> str:
    """docs/configuration.md."""
    return "\n".join([_HEAD, *_sections()]).rstrip() + "\n"


def _sections() -> Iterator[str]:
    yield from _section("[job]", JobConfig)
    yield from _section("[job.cohorts]", CohortsConfig)
    yield from _section("[event]", EventConfig)
    yield from _section("[event.time]", EventTimeConfig)
    yield from _section("[event.columns.NAME]", ColumnConfig)
    yield from _section("[time]", TimeConfig)
    yield from _section("[state]", StateConfig)
    yield from _section("[sequences.NAME]", SequenceConfig)
    yield from _kinds({kind: entry.keys for kind, entry in SEQUENCES.items()})
    yield from _section("[features.NAME]", FeatureConfig)
    yield from _kinds({kind: entry.keys for kind, entry in FEATURES.items()})
    yield from _section("[windows.NAME]", WindowConfig)
    yield from _kinds({kind: entry.keys for kind, entry in WINDOWS.items()}, ("features",))
    yield from _section("[detectors.NAME]", DetectorConfig)
    for detector in detector_reference():
        scope = "one model per cohort" if detector.scope == "cohort" else "one history per subject"
        yield from (
            f'### `params` of type "{detector.type}"',
            "",
            f"{detector.summary} Version {detector.version}, {scope}.",
            "",
        )
        yield from _table(detector.params)
    yield from _section("[subjects.NAME]", SubjectConfig)
    for name, field in Config.model_fields.items():
        if any(isinstance(m, SpecTable) for m in field.metadata):
            default = field.get_default()
            yield from (f"## `[{name}]`", "", summary(type(default)), "")
            spec_table = next(m for m in field.metadata if isinstance(m, SpecTable))
            yield from _table(_spec_params(type(default), spec_table), _shipped(name))
    yield from _section("[campaigns]", CampaignsConfig)
    yield from _section("[exempt]", ExemptConfig)
    for source in BUILT_IN_SOURCES:
        yield from _section(f'[sources.NAME] with kind = "{word_of(source)}"', source)
    yield from _section("[sources.NAME.company] of a simulator", CompanyConfig)
    for format_ in BUILT_IN_FORMATS:
        yield from _section(f'A format with kind = "{word_of(format_)}"', format_)
    yield from _section("[sinks]", SinksConfig)
    for sink in BUILT_IN_SINKS:
        yield from _section(f'A sink with kind = "{word_of(sink)}"', sink, level="###")


def _section(title: str, model: type[Section], level: str = "##") -> Iterator[str]:
    heading, _, rest = title.partition("]")
    table = _shipped(heading.removeprefix("[")) if title.startswith("[") and not rest else {}
    heading = f"`{heading}]`{rest}" if title.startswith("[") else title
    yield from (f"{level} {heading}", "", summary(model), "")
    yield from _table([_param(name, field) for name, field in model.model_fields.items()], table)


def _shipped(dotted: str) -> dict[str, str]:
    """Key -> what the shipped configuration says, of a section; nothing of named things and of tables in a section."""
    table: Any = load(None, environ={}).model_dump(exclude_none=True, by_alias=True)
    for part in dotted.split("."):
        table = table.get(part, {}) if isinstance(table, Mapping) else {}
    return {} if dotted == "sinks" else {k: value_text(v) for k, v in table.items() if not isinstance(v, Mapping)}


def _kinds(kinds: Mapping[Any, Keys], always: tuple[str, ...] = ()) -> Iterator[str]:
    yield from ("| kind | needs | may have |", "|---|---|---|")
    for kind, keys in kinds.items():
        need = [
            *keys.needs,
            *(" or ".join(keys.one),) * bool(keys.one),
            *(" and/or ".join(keys.some),) * bool(keys.some),
        ]
        yield f"| {kind} | {', '.join(need)} | {', '.join((*keys.may, *always))} |"
    yield ""


def _table(params: Iterable[Param], shipped: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    """shipped: key -> what the shipped configuration says, told where it is not the default."""
    rows = list(params)
    told = {p.key: _cell(shipped[p.key]) for p in rows if shipped.get(p.key, p.default) != p.default}
    if rows:
        head = ["key", "default", *(["shipped"] if told else []), "meaning"]
        yield from (f"| {' | '.join(head)} |", "|---" * len(head) + "|")
        for p in rows:
            cells = [p.key, _cell(p.default), *([told.get(p.key, "")] if told else []), p.about.replace("|", "\\|")]
            yield f"| {' | '.join(cells)} |"
        yield ""


def _cell(default: str) -> str:
    return default if default in ("", "needed") else f"`{default}`"


def _param(name: str, field: FieldInfo) -> Param:
    words = _words(field.annotation)
    about = field.description or ""
    if len(words) > 1 and not all(word in about for word in words):
        about += f" ({', '.join(words)})"
    return Param(name, "needed" if field.is_required() else _default(name, field), about)


def _default(name: str, field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Settings):
        return value_text(value.kind)
    if value in (None, "", (), {}) or isinstance(value, Section):
        return ""
    schema = next((m.json_schema.get("type") for m in field.metadata if hasattr(m, "json_schema")), None)
    if schema == "duration":
        return _duration(value)
    if schema == "durations":
        return f"[{', '.join(map(_duration, value))}]"
    if schema == "moment":
        return f'"{format_moment(value)}"'
    if name in ("subject", "id"):
        value = format_path(value)
    return value_text(value)


def _duration(value: int) -> str:
    return f'"{format_duration(value)}"' if value else '"0s"'


def _spec_params(spec: type[Any], table: SpecTable | None = None) -> Iterator[Param]:
    about = describe(spec)
    default = (
        spec() if all(f.default is not MISSING or f.default_factory is not MISSING for f in fields(spec)) else None
    )
    shown = {} if default is None else (table or SpecTable()).table_of(default)
    for key, name in keys_of(spec).items():
        text = value_text(_plain(shown[key])) if key in shown else "" if default is not None else "needed"
        said = re.sub(r"(\w+)_us\b", r"`\1`", about[name].rstrip(".; "))
        yield Param(key, text, said or ("a duration" if name.endswith("_us") else parameters(spec)[name][0]))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {k: v for k, v in asdict(value).items() if v is not None}
    if isinstance(value, Enum):
        return value.value
    return value


def _words(annotation: Any) -> list[str]:
    """The words that an annotation allows, if it is a choice of words."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return [word for part in get_args(annotation) for word in _words(part)]
    return []


def summary(thing: type[Any]) -> str:
    """The first paragraph of a class's docstring, on one line, without the descriptions of fields."""
    text = " ".join((thing.__doc__ or "").strip().split("\n\n")[0].split())
    known = [f.name for f in fields(thing)] if is_dataclass(thing) else []
    ends = [found.start() for found in (re.search(rf"(?<![\w.`]){name}(, \w+)*: ", text) for name in known) if found]
    return text[: min(ends, default=len(text))].strip()


if __name__ == "__main__":
    sys.stdout.write(configuration_markdown())
