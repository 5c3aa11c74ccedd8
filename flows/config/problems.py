"""Configuration errors as people read them: place, key, what was seen, what is allowed."""

from typing import Any, Final

from pydantic import ValidationError

from flows.config.layers import Key, Layers
from flows.config.removed import REMOVED
from flows.config.section import did_you_mean
from flows.redaction import hidden, shown
from state.errors import ConfigError

_SEEN_MAX: Final = 120
_OF_CLIENTS: Final = frozenset({"client", "registry"})


def message(layers: Layers, key: Key, seen: object, allowed: str, hint: str = "") -> str:
    """One line: `fraud.toml:12: windows.w1h.slide: seen '7m', allowed: ...; did you mean ...?`"""
    words = isinstance(seen, str) and seen.startswith(("the key", "the property", "nothing", "a text with"))
    name = "" if not key or _OF_CLIENTS.intersection(key) else key[-1]  # what is said of clients are words of ours
    text = str(seen) if words else hidden(repr(shown(seen, name)))
    if len(text) > _SEEN_MAX:
        text = f"{text[:_SEEN_MAX]}..."
    dotted = ".".join(key) or "the file"
    if key in REMOVED:
        return f"{layers.place(key)}: {dotted}: seen {text}, which is of an earlier version: {REMOVED[key]}"
    return f"{layers.place(key)}: {dotted}: seen {text}, allowed: {allowed}" + (f"; {hint}" if hint else "")


def of_validation(error: ValidationError, layers: Layers) -> ConfigError:
    """All entries of pydantic's report, one line each."""
    lines = dict.fromkeys(_entry(dict(entry), layers) for entry in error.errors(include_url=False))
    return ConfigError("\n".join(lines))


def _entry(entry: dict[str, Any], layers: Layers) -> str:
    context = entry.get("ctx", {})
    key = _key(entry["loc"], layers)
    if entry["type"] == "driftnet":
        return message(layers, (*key, *context["key"]), context["seen"], context["allowed"], context["hint"])
    if entry["type"] == "missing":
        return message(layers, key, "nothing", "a value; this key is needed")
    # Who mistypes a name or a quote among a client's properties has a secret there too.
    seen = f"a {type(entry['input']).__name__}" if _OF_CLIENTS.intersection(key) else entry["input"]
    words = [
        word for word in str(context.get("expected", context.get("expected_tags", ""))).split("'") if word.strip(" ,or")
    ]
    if entry["type"] in ("union_tag_invalid", "union_tag_not_found"):
        name = str(context["discriminator"]).strip("'")
        seen = seen.get(name, "nothing") if isinstance(seen, dict) else seen
        return message(
            layers, (*key, name), seen, " or ".join(words) or "a table with a kind", did_you_mean(seen, words)
        )
    if words:
        return message(layers, key, seen, ", ".join(words), did_you_mean(seen, words))
    if entry["type"] == "value_error":
        return message(layers, key, seen, str(context["error"]))
    return message(layers, key, seen, entry["msg"].removeprefix("Input should be ").removeprefix("String should "))


def _key(loc: tuple[int | str, ...], layers: Layers) -> Key:
    """Pydantic's path without what it adds: the tag of a union, the words for its own validators."""
    table: Any = layers.merged()
    key: list[str] = []
    for i, part in enumerate(loc):
        if key and not isinstance(table, (dict, list, tuple)):
            break
        if (
            isinstance(table, dict)
            and part not in table
            and (i + 1 < len(loc) or part in (table.get("kind"), table.get("type")))
        ):
            continue
        key.append(str(part))
        if isinstance(table, dict):
            table = table.get(str(part))
        elif isinstance(table, (list, tuple)) and isinstance(part, int) and part < len(table):
            table = table[part]
        else:
            table = None
    return tuple(key)
