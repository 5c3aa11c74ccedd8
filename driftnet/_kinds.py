"""Which sinks, sources and formats a configuration can name: our own, and those of installed plug-ins."""

from flows.config import endpoints, formats
from flows.config.plugged import FormatSettings, SinkSettings, SourceSettings


def sink_kinds() -> dict[str, type[SinkSettings]]:
    """Settings of sinks by the word used in configuration."""
    return dict(endpoints.sink_kinds().types)


def source_kinds() -> dict[str, type[SourceSettings]]:
    """Settings of sources by the word used in configuration."""
    return dict(endpoints.source_kinds().types)


def format_kinds() -> dict[str, type[FormatSettings]]:
    """Settings of formats by the word used in configuration."""
    return dict(formats.format_kinds().types)
