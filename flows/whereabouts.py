"""Where in a run a process, and each of its threads, is: for log records."""

import threading
from typing import Any, Final

_of_process: Final[dict[str, Any]] = {}


class _Thread(threading.local):
    stage = ""


_thread: Final = _Thread()


def bind(**fields: Any) -> None:
    """Of the whole process, until `unbind`: `run`, its name, and `process`, its number."""
    _of_process.update(fields)


def unbind() -> None:
    """Nothing is known of the process any more."""
    _of_process.clear()


def enter(stage: str) -> None:
    """What this thread does is for a stage from here on; "" for none."""
    _thread.stage = stage


def whereabouts() -> dict[str, Any]:
    """What is known of where this thread is, by name: `run`, `process`, `stage`."""
    return _of_process | ({"stage": _thread.stage} if _thread.stage else {})
