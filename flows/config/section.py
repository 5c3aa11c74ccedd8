"""Section: the base of all configuration tables.  SpecTable: a table that mirrors a frozen spec dataclass."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from detectors.settings import keys_of, spec_of
from state.durations import format_duration
from state.errors import ConfigError, Mistake
from state.words import did_you_mean, one_of


def problem(seen: object, allowed: str, key: str | tuple[str, ...] = (), hint: str = "") -> PydanticCustomError:
    """An entry of pydantic's error report, in our words.  key: path below the value that is being validated."""
    path = (key,) if isinstance(key, str) else key
    return PydanticCustomError("driftnet", "problem", {"seen": seen, "allowed": allowed, "key": path, "hint": hint})


class Section(BaseModel):
    """A table of the configuration: unknown keys are errors, values never change.  Its mistakes come all at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    moved: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Keys that were once here -> where what they say stands now."""

    @classmethod
    def mistakes_of_keys(cls, table: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        """What is wrong with which keys are there, whatever their values."""
        del table
        return iter(())

    def mistakes(self) -> Iterator[PydanticCustomError]:
        """What is wrong with values that are right one by one."""
        return iter(())

    @model_validator(mode="wrap")
    @classmethod
    def _check_all(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise problem(value, "a table")
        known = [field.alias or name for name, field in cls.model_fields.items()]
        found = [
            problem(
                f"the key {key!r}", f"the keys {one_of(known)}", key, cls.moved.get(key) or did_you_mean(key, known)
            )
            for key in value
            if key not in known
        ]
        found += cls.mistakes_of_keys(value)
        try:
            built = handler({key: each for key, each in value.items() if key in known})
        except ValidationError as error:
            raise together(cls.__name__, found, error) from None
        found += built.mistakes()
        if found:
            raise together(cls.__name__, found)
        return built


def together(
    name: str, problems: Iterable[PydanticCustomError], error: ValidationError | None = None
) -> ValidationError:
    """One report of our entries, and of those of another one."""
    details = [InitErrorDetails(type=entry, loc=(), input=None) for entry in problems]
    for entry in error.errors(include_url=False) if error is not None else ():
        kind = PydanticCustomError(entry["type"], entry["msg"], entry.get("ctx"))
        details.append(InitErrorDetails(type=kind, loc=entry["loc"], input=entry["input"]))
    return ValidationError.from_exception_data(name, details)


class Declaration(Section):
    """A named thing whose kind decides which other keys it has: only the keys that were given are shown."""

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}


class SpecTable:
    """Annotated[Spec, SpecTable()]: a table with the spec's fields as keys (detectors.settings).

    keys: annotations for fields that TOML writes differently.
    """

    def __init__(self, **keys: Any) -> None:
        self._adapters = {name: TypeAdapter(annotation) for name, annotation in keys.items()}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """What pydantic validates this annotation by."""
        return core_schema.no_info_plain_validator_function(
            lambda value: self._read(source, value),
            serialization=core_schema.plain_serializer_function_ser_schema(self.table_of),
        )

    def _read(self, spec: type[Any], value: Any) -> Any:
        if isinstance(value, spec):
            return value
        if not isinstance(value, Mapping):
            raise problem(value, "a table")
        problems, rest = [], dict(value)
        for name, adapter in self._adapters.items():
            if name in rest:
                try:
                    rest[name] = adapter.validate_python(rest[name])
                except ValidationError as error:
                    problems += [_below(name, entry) for entry in error.errors(include_url=False)]
                    del rest[name]
        try:
            built = spec_of(spec, rest, dict.fromkeys(self._adapters, lambda read: read))
        except ConfigError as error:
            problems += [said(mistake) for mistake in error.mistakes]
        if problems:
            raise together(spec.__name__, problems)
        return built

    def table_of(self, spec: Any) -> dict[str, Any]:
        """A spec as the table that gives it."""
        table = {key: self._plain(name, getattr(spec, name)) for key, name in keys_of(type(spec)).items()}
        return {key: value for key, value in table.items() if value is not None}

    def _plain(self, name: str, value: Any) -> Any:
        if name in self._adapters:
            return self._adapters[name].dump_python(value)
        return format_duration(value) if name.endswith("_us") else value.value if isinstance(value, Enum) else value


def said(mistake: Mistake) -> PydanticCustomError:
    """An entry of pydantic's error report, of what a specification says itself."""
    return PydanticCustomError("driftnet_spec", "problem", {"text": mistake.text, "key": mistake.key})


def _below(name: str, entry: Any) -> PydanticCustomError:
    context = dict(entry["ctx"])
    return PydanticCustomError(entry["type"], "problem", context | {"key": (name, *context["key"])})


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
