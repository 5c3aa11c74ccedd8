"""What a specification allows, checked where it is made."""

from state.errors import ConfigError, Mistake


def require(spec: object, name: str, **allowed: tuple[bool, str]) -> None:
    """Raises ConfigError for the parameters that are not allowed.

    name: the specification's word in configuration.  allowed: parameter -> (whether its value is, what is).
    """
    mistakes = [
        Mistake((key,), f"seen {getattr(spec, key)!r}, allowed: {text}")
        for key, (holds, text) in allowed.items()
        if not holds
    ]
    if mistakes:
        raise ConfigError.of(mistakes, name)


def require_features(count: int, name: str) -> None:
    """Raises ConfigError for a detector that is given no feature."""
    if not count:
        raise ConfigError(f"{name}: the window has none of this detector's features; give it at least one")
