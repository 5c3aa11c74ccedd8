"""Configuration errors as people read them: place, key, what was seen, what is allowed."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from flows.config.layers import Key, Layers
from flows.config.removed import REMOVED
from flows.printing import printable
from flows.redaction import hidden, shown
from state.errors import ConfigError, Mistake
from state.words import did_you_mean, one_of

if TYPE_CHECKING:
    from pydantic import ValidationError

Built = TypeVar("Built")

_SEEN_MAX: Final = 120
_OF_CLIENTS: Final = frozenset({"client", "registry"})


def message(layers: Layers, key: Key, seen: object, allowed: str, hint: str = "") -> str:
    """One line: `fraud.toml:12: windows.w1h.slide: seen '7m', allowed: ...; did you mean ...?`"""
    words = isinstance(seen, str) and seen.startswith(("the key", "the property", "nothing", "a text with", "a path "))
    name = "" if not key or _OF_CLIENTS.intersection(key) else key[-1]  # what is said of clients are words of ours
    text = str(seen) if words else hidden(repr(shown(seen, name)))
    if len(text) > _SEEN_MAX:
        text = f"{text[:_SEEN_MAX]}..."
    dotted = printable(".".join(key)) or "the file"
    if key in REMOVED:
        return f"{layers.place(key)}: {dotted}: seen {text}, which is of an earlier version: {REMOVED[key]}"
    return f"{layers.place(key)}: {dotted}: seen {text}, allowed: {allowed}" + (f"; {hint}" if hint else "")


def placed(mistake: Mistake, layers: Layers, key: Key = ()) -> str:
    """What a specification says of itself, with the place before it.  key: of the table that it was made from."""
    key = (*key, *mistake.key)
    dotted = f"{'.'.join(key)}: " if key else ""
    return f"{layers.place(key)}: {dotted}{mistake.text}"


class Problems:
    """Mistakes, collected to be told together.

    broken: keys that are known to be wrong, and what depends on them: nothing more is said of it.
    """

    def __init__(self, layers: Layers, broken: Iterable[Key] = ()) -> None:
        self._layers = layers
        self._broken = set(broken)
        self._at: Key = ()
        self.lines: list[str] = []

    def within(self, *at: str) -> "Problems":
        """The same list, for tables that stand in another one: their keys are told from there."""
        inner = Problems(self._layers)
        inner._broken, inner.lines, inner._at = self._broken, self.lines, (*self._at, *at)
        return inner

    def _whole(self, key: Key) -> Key:
        """The key from the top.  What events are is said there for all."""
        return key if key[:1] == ("event",) else (*self._at, *key)

    def is_broken(self, *key: str) -> bool:
        """Whether something was wrong with the thing of this key."""
        return self._whole(key) in self._broken

    def are_broken(self, table: str) -> bool:
        """Whether something was wrong with any of these named things."""
        whole = self._whole((table,))
        return any(key[: len(whole)] == whole for key in self._broken)

    def breaks(self, *key: str) -> None:
        """What depends on something broken is so itself."""
        self._broken.add(self._whole(key))

    def add(self, key: Key, seen: object, allowed: str, hint: str = "") -> None:
        """One more mistake."""
        self.lines.append(message(self._layers, self._whole(key), seen, allowed, hint))

    def unknown(self, key: Key, seen: object, known: Iterable[str], what: str) -> None:
        """A name that there is not."""
        names = list(known)
        self.add(key, seen, f"{what}: {one_of(names)}", did_you_mean(seen, names))

    def guard(self, key: Key, build: Callable[[], Built]) -> Built | None:
        """What it builds, or None with the mistakes of its ConfigError noted under the key."""
        try:
            return build()
        except ConfigError as error:
            self.lines += [placed(mistake, self._layers, self._whole(key)) for mistake in error.mistakes]
            return None

    def raise_all(self) -> None:
        """Raises ConfigError where there are any."""
        if self.lines:
            raise together(self.lines)


def together(lines: Iterable[str]) -> ConfigError:
    """All of these in one error, each once."""
    return ConfigError("\n".join(dict.fromkeys(lines)))


def of_validation(error: "ValidationError", layers: Layers) -> list[tuple[Key, str]]:
    """All entries of pydantic's report: the key that each is about, and its line."""
    return [_entry(dict(entry), layers) for entry in error.errors(include_url=False)]


def _entry(entry: dict[str, Any], layers: Layers) -> tuple[Key, str]:
    context = entry.get("ctx", {})
    key = _key(entry["loc"], layers)
    if entry["type"] in ("driftnet", "driftnet_spec"):
        key = (*key, *context["key"])
    if entry["type"] == "driftnet":
        return key, message(layers, key, context["seen"], context["allowed"], context["hint"])
    if entry["type"] == "driftnet_spec":
        return key, placed(Mistake((), context["text"]), layers, key)
    if entry["type"] == "missing":
        return key, message(layers, key, "nothing", "a value; this key is needed")
    # Who mistypes a name or a quote among a client's properties has a secret there too.
    seen = f"a {type(entry['input']).__name__}" if _OF_CLIENTS.intersection(key) else entry["input"]
    words = [
        word for word in str(context.get("expected", context.get("expected_tags", ""))).split("'") if word.strip(" ,or")
    ]
    if entry["type"] in ("union_tag_invalid", "union_tag_not_found"):
        name = str(context["discriminator"]).strip("'")
        seen = seen.get(name, "nothing") if isinstance(seen, dict) else seen
        key = (*key, name)
        return key, message(layers, key, seen, " or ".join(words) or "a table with a kind", did_you_mean(seen, words))
    if words:
        return key, message(layers, key, seen, ", ".join(words), did_you_mean(seen, words))
    if entry["type"] == "value_error":
        return key, message(layers, key, seen, str(context["error"]))
    return key, message(layers, key, seen, entry["msg"].removeprefix("Input should be ").removeprefix("String should "))


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
