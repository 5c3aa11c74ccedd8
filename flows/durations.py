"""Values of a configuration that are durations or moments."""

from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from state.durations import format_duration, format_moment, parse_duration_us, parse_moment_us

Duration = Annotated[
    int,
    BeforeValidator(parse_duration_us),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "duration"}),
]
"""A configuration value in microseconds, written as a duration."""

Moment = Annotated[
    int,
    BeforeValidator(parse_moment_us),
    PlainSerializer(format_moment),
    WithJsonSchema({"type": "moment"}),
]
"""A configuration value in microseconds since 1970, written as ISO 8601."""
