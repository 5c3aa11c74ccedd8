"""The version of this installation."""

from importlib.metadata import PackageNotFoundError, version


def driftnet_version() -> str:
    """As in pyproject.toml; "0+source" where the packages are imported without being installed."""
    try:
        return version("driftnet")
    except PackageNotFoundError:
        return "0+source"
