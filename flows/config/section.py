"""Section: the base of all configuration tables.  SpecTable: a table that mirrors a frozen spec dataclass."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidatorFunctionWrapHandler,
    create_model,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from flows.config.durations import Duration


def problem(seen: object, allowed: str, key: str | tuple[str, ...] = (), hint: str = "") -> PydanticCustomError:
    """An entry of pydantic's error report, in our words.  key: path below the value that is being validated."""
    path = (key,) if isinstance(key, str) else key
    return PydanticCustomError("driftnet", "problem", {"seen": seen, "allowed": allowed, "key": path, "hint": hint})


def did_you_mean(seen: object, known: Iterable[str]) -> str:
    """A hint such as "did you mean 'plays'?", or nothing."""
    close = difflib.get_close_matches(str(seen), [str(word) for word in known], n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def one_of(known: Iterable[str]) -> str:
    """What is allowed, as a list for people."""
    return ", ".join(known) or "nothing"


class Section(BaseModel):
    """A table of the configuration: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _check_keys(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise problem(value, "a table")
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in value:
            if key not in known:
                raise problem(f"the key {key!r}", f"the keys {one_of(known)}", key, did_you_mean(key, known))
        return handler(value)


class SourceSection(Section):
    """A source's table."""

    reads: Literal["events", "labels", "control"] = Field(
        "events", description="events; labels of subjects; or control, commands to detectors"
    )

    @property
    def is_live(self) -> bool:
        """Whether it can be silent while time passes."""
        return False


class Declaration(Section):
    """A named thing whose kind decides which other keys it has: only the keys that were given are shown."""

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}


class SpecTable:
    """Annotated[Spec, SpecTable()]: a table with the spec's fields as keys; a field `x_us` is the duration `x`.

    keys: annotations for fields that TOML writes differently.
    """

    def __init__(self, **keys: Any) -> None:
        self.keys = keys

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """What pydantic validates this annotation by."""
        model = table_model(source, tuple(self.keys.items()))
        table = core_schema.no_info_after_validator_function(
            lambda found: source(**{f: getattr(found, key) for key, f in keys_of(source).items()}),
            model.__pydantic_core_schema__,
        )
        return core_schema.no_info_wrap_validator_function(
            lambda value, table: value if isinstance(value, source) else table(value),
            table,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda spec: table_of(spec, self.keys)),
        )


def table_model(spec: type[Any], annotations: tuple[tuple[str, Any], ...] = ()) -> type[Section]:
    """The configuration table of a spec dataclass."""
    hints = get_type_hints(spec, include_extras=True)
    chosen = dict(annotations)
    columns: dict[str, Any] = {}
    for f in fields(spec):
        default = (
            f.default if f.default is not MISSING else f.default_factory() if f.default_factory is not MISSING else ...
        )
        key = f.name.removesuffix("_us")
        columns[key] = (chosen.get(f.name, Duration if key != f.name else hints[f.name]), default)
    model: type[Section] = create_model(spec.__name__, __base__=Section, **columns)
    return model


def keys_of(spec: type[Any]) -> dict[str, str]:
    """Key in the configuration -> field of the spec dataclass."""
    return {f.name.removesuffix("_us"): f.name for f in fields(spec)}


def table_of(spec: Any, annotations: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A spec as the table that gives it."""
    model = table_model(type(spec), tuple((annotations or {}).items()))
    found = model.model_construct(**{key: getattr(spec, name) for key, name in keys_of(type(spec)).items()})
    return found.model_dump(exclude_none=True)


def describe(spec: type[Any]) -> dict[str, str]:
    """Field -> its description, cut out of the docstring ("size, slide: what they say.  kind: ..."); "" without one."""
    names = [f.name for f in fields(spec)]
    text = " ".join((spec.__doc__ or "").split())
    name = "|".join(re.escape(n) for n in sorted(names, key=len, reverse=True))
    starts = list(re.finditer(rf"(?<![\w.`])((?:{name})(?:, (?:{name}))*): ", text))
    found = dict.fromkeys(names, "")
    for i, start in enumerate(starts):
        end = starts[i + 1].start() if i + 1 < len(starts) else len(text)
        for field_name in start.group(1).split(", "):
            found[field_name] = text[start.end() : end].strip()
    return found
