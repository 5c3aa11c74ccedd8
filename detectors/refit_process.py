"""A fit in a process of its own: it may take long, raise anything, or die, and the flow goes on.

The process is a new interpreter and no fork: libraries that keep threads of their own do not survive one.  It finds
modules where this process does, and ends by itself when its time is over, also where nobody is left to end it.
"""

import importlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from state.snapshot import pack, unpack
from state.types import F64

if TYPE_CHECKING:
    from detectors.refitted import RefittedSpec

T = TypeVar("T")
_TASK, _MODEL, _SAID = "task", "model", "said"
_VERSION: Final = 1
_GRACE_S: Final = 1.0
_LAST_BYTES: Final = 500


class RefitError(Exception):
    """A fit that gave no model, and why."""


class Fitting:
    """A fit that has begun.  x: (n, F).  fraud: (n,).  seconds: that it may take."""

    def __init__(self, spec: "RefittedSpec", x: F64, fraud: F64, seconds: float) -> None:
        self._seconds = seconds
        self._until_s = time.monotonic() + seconds
        self._place = place = Path(tempfile.mkdtemp(prefix="driftnet-refit-"))
        of = type(spec)
        meta = {
            "path": [path or str(Path.cwd()) for path in sys.path],
            "module": of.__module__,
            "name": of.__qualname__,
            "params": {field.name: getattr(spec, field.name) for field in fields(spec)},
        }
        (place / _TASK).write_bytes(pack(_TASK, _VERSION, meta, {"x": x, "fraud": fraud}))
        with (place / _SAID).open("wb") as said:
            self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
                [sys.executable, "-m", __name__, str(place), str(seconds + _GRACE_S)],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
                cwd=Path(__file__).parents[1],
            )  # fmt: skip
        self._over = weakref.finalize(self, _end, self._process, place)
        self._model: bytes | None = None
        self._failed: RefitError | None = None
        self._kept: dict[str, Any] = {}

    def model(self) -> bytes:
        """What came of it; waits.  Raises RefitError."""
        if self._failed is not None:
            raise self._failed
        if self._model is None:
            try:
                self._model = self._waited()
            except RefitError as error:
                self._failed = error
                raise
            finally:
                self._over()
        return self._model

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What make() returns, made once."""
        if name not in self._kept:
            self._kept[name] = make()
        found: T = self._kept[name]
        return found

    def _waited(self) -> bytes:
        try:
            code = self._process.wait(max(self._until_s - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            raise RefitError(f"a fit took longer than {self._seconds:g} s") from None
        place = self._place
        if code or not (place / _MODEL).exists():
            said = (place / _SAID).read_bytes()[-_LAST_BYTES:].decode(errors="replace").strip()
            raise RefitError(f"a fit ended with {code}: {said.splitlines()[-1] if said else 'it said nothing'}")
        return (place / _MODEL).read_bytes()


def _end(process: "subprocess.Popen[bytes]", place: Path) -> None:
    """Nobody waits for it any more, or it is over."""
    if process.poll() is None:
        process.kill()
        process.wait()
    shutil.rmtree(place, ignore_errors=True)


def main(place: Path, seconds: float) -> None:
    """Fits what the task says, and writes the model."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _, meta, arrays = unpack((place / _TASK).read_bytes(), _TASK, (_VERSION,))
    sys.path[:] = meta["path"]
    of = getattr(importlib.import_module(meta["module"]), meta["name"])
    params = {name: tuple(value) if isinstance(value, list) else value for name, value in meta["params"].items()}
    model = of(**params).fit(arrays["x"], arrays["fraud"])
    if not isinstance(model, bytes) or not model:
        raise TypeError(f"fit returned a {type(model).__name__}, expected bytes that are not empty")
    (place / _MODEL).write_bytes(model)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
