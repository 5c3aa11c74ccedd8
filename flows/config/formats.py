"""Formats of values: tables, the specs they stand for, and the sources of lines that have one."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import Field
from pydantic_core import PydanticCustomError

from flows.config.plugged import FormatSettings, OfKind, SourceSettings, kinds_of
from flows.config.properties import Registry
from flows.config.section import problem

if TYPE_CHECKING:
    from flows.formats.base import FormatSpec

FORMATS_SAID: Final = 'json, or a table such as { kind = "avro", ... }, see the formats below'
OF_FORMATS: Final = ("registry", "descriptor", "message", "framed")
"""Keys of formats that once stood beside `format`."""
IN_FORMAT: Final = 'it stands inside of format, as in format = { kind = "avro", registry = { url = ... } }'


class JsonFormat(FormatSettings):
    """JSON, an object in each line or message."""

    kind: Literal["json"] = Field(description="json")

    def format(self) -> None:
        """Lines are taken as they are."""


class AvroConfig(FormatSettings):
    """Avro in Confluent's framing, schemas by id from a registry; needs `driftnet[avro]`."""

    of_lines: ClassVar[bool] = False
    kind: Literal["avro"] = Field(description="avro")
    registry: Registry = Field(repr=False, description="properties of the schema registry's client, at least url")

    def mistakes(self) -> Iterator[PydanticCustomError]:
        if not self.registry.get("url"):
            yield problem("nothing", 'the registry\'s address, such as "http://localhost:8081"', ("registry", "url"))

    def format(self) -> "FormatSpec":
        """What it stands for."""
        from flows.formats.avro import AvroSpec

        return AvroSpec(tuple(self.registry.items()))


class ProtobufConfig(FormatSettings):
    """Protocol Buffers of a descriptor; needs `driftnet[protobuf]`."""

    of_lines: ClassVar[bool] = False
    kind: Literal["protobuf"] = Field(description="protobuf")
    descriptor: str = Field(min_length=1, description="file of a descriptor set, with all imports")
    message: str = Field(min_length=1, description="full name of the message")
    framed: bool = Field(False, description="whether Confluent's framing is in front of each value")

    def format(self) -> "FormatSpec":
        """What it stands for."""
        from flows.formats.protobuf import ProtobufSpec

        return ProtobufSpec(self.descriptor, self.message, self.framed)


BUILT_IN: Final[tuple[type[FormatSettings], ...]] = (JsonFormat, AvroConfig, ProtobufConfig)
format_kinds = kinds_of("driftnet.formats", FormatSettings, BUILT_IN)  # type: ignore[type-abstract]
AnyFormat = Annotated[FormatSettings, OfKind(FormatSettings, format_kinds, a_word_will_do=True)]


class LinesSettings(SourceSettings):
    """The table of a source of lines that may be of another format than JSON: each is decoded as it is read."""

    format: AnyFormat = Field(JsonFormat(kind="json"), description=f"of lines: {FORMATS_SAID}")

    def mistakes(self) -> Iterator[PydanticCustomError]:
        if not self.format.of_lines:
            kinds = [kind for kind, model in format_kinds().types.items() if model.of_lines]
            yield problem(self.format.kind, f"formats of lines of text: {', '.join(sorted(kinds))}", "format")


def as_of_now(source: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a source as it was written down when keys of its format stood beside `format`."""
    table = {key: value for key, value in source.items() if key not in OF_FORMATS}
    keys = {"avro": ("registry",), "protobuf": ("descriptor", "message", "framed")}.get(str(source.get("format")), ())
    if keys:
        table["format"] = {"kind": source["format"]} | {key: source[key] for key in keys if key in source}
    return table
