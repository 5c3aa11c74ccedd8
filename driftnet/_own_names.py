"""Whether `flows`, `detectors` and `state` are Driftnet's: Python looks first where it was started."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

_OURS: Final = ("flows", "detectors", "state")
_HERE: Final = Path(__file__).resolve().parents[1]


def check_own_names() -> None:
    """Raises ImportError naming the file or folder that has taken one of the names, and what to do."""
    for name in _OURS:
        found = find_spec(name)
        places = [] if found is None else [*(found.submodule_search_locations or ()), *filter(None, [found.origin])]
        if _HERE / name not in (Path(place).resolve() for place in places):
            raise ImportError(
                f"Driftnet's package {name!r} is hidden by {places[-1] if places else 'nothing that can be found'}:"
                f" Python looks into the folder that it was started in, and into PYTHONPATH, first. Start it in another"
                " folder, or rename what is there; the program `driftnet` does not look there",
                name=name,
            )
