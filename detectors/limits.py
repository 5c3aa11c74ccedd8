"""What a specification allows, checked where it is made."""

from state.errors import ConfigError


def require(spec: object, name: str, **allowed: tuple[bool, str]) -> None:
    """Raises ConfigError for the first parameter that is not allowed.

    name: the specification's word in configuration.  allowed: parameter -> (whether its value is, what is).
    """
    for key, (holds, text) in allowed.items():
        if not holds:
            raise ConfigError(f"{name}.{key}: seen {getattr(spec, key)!r}, allowed: {text}")


def require_features(count: int, name: str) -> None:
    """Raises ConfigError for a detector that is given no feature."""
    if not count:
        raise ConfigError(f"{name}: the window has none of this detector's features; give it at least one")
