"""What settings of all kinds must be: values that say what is wrong with them, and keep their secrets."""

import tomllib
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from flows.config.layers import Layer, Layers
from flows.config.plugged import Settings, word_of
from flows.config.problems import of_validation
from flows.config.toml import dumps
from flows.redaction import REDACTED
from state.check import must
from state.pickles import copied


def table_of(settings: Settings) -> dict[str, Any]:
    """The table that gives them, without secrets."""
    return settings.model_dump(exclude_none=True, by_alias=True)


def say_what_is_wrong(settings: Settings) -> None:
    """A key that is not there, and a value that cannot be, each by its name."""
    told = list(_told(type(settings), table_of(settings) | {"no_such_key": 1}))
    must(any("no_such_key" in key for key, _ in told), f"an unknown key is not refused: {told}")
    for name in type(settings).model_fields:
        for key, line in _told(type(settings), table_of(settings) | {name: [[["x"]]]}):
            must(not key or name in key, f"a wrong value of {name} is said to be one of {'.'.join(key)}: {line}")
    without = {key: value for key, value in table_of(settings).items() if key != "kind"}
    must(bool(list(_told(type(settings), without))), "a table without a kind is not refused")


def _told(model: type[Settings], table: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    try:
        model.model_validate(table)
    except ValidationError as error:
        yield from of_validation(error, Layers((Layer("trial", table),)))


def are_explained(settings: Settings) -> None:
    """Each key has a description, and the whole a first line, for those who read what is installed."""
    model = type(settings)
    must(bool((model.__doc__ or "").strip()), f"{model.__name__} has no docstring")
    silent = [name for name, field in model.model_fields.items() if not field.description and name != "kind"]
    must(not silent, f"without a description: {', '.join(silent)}")
    must(word_of(model) == settings.kind, f"kind is {settings.kind!r}, and the model's word {word_of(model)!r}")


def come_back(settings: Settings) -> None:
    """What `driftnet config show` prints gives the same settings, but for secrets; so does a pickle."""
    text = dumps({"trial": table_of(settings)})
    if REDACTED not in text:
        again = type(settings).model_validate(tomllib.loads(text)["trial"])
        must(again == settings, f"{text}gives other settings")
    must(copied(settings) == settings, "a pickle gives other settings")


def keep(settings: Settings, secret: str, *texts: str) -> None:
    """The secret is in nothing that is shown.  texts: more of that."""
    for text in (repr(settings), str(settings), dumps({"trial": table_of(settings)}), *texts):
        must(secret not in text, f"a secret is shown: {text.replace(secret, '<the secret>')}")
