"""A detector with other settings, tried in a process of its own before anything is changed.

Settings come from a topic: they may ask for more memory than there is, take hours, or raise anything. A fork knows all
that this process knows, plug-ins too, and takes nothing with it when it dies. It only computes, and leaves at once;
when this process is killed meanwhile it holds nothing that the next run waits for.
"""

import os
import resource
import select
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import numpy as np

from detectors.base import Detector, DetectorSpec, FeatureInfo, Rows
from flows.operators.population.command import CommandError

SECONDS: Final = 10.0
BYTES: Final = 1 << 29
"""What a detector may take to be built, to judge and learn a few rows, and to be saved."""
_ROWS: Final = 8


def rehearse(spec: DetectorSpec, features: tuple[FeatureInfo, ...], saved_bytes_max: int = 0) -> None:
    """Builds a detector and uses it, within SECONDS and BYTES.  Raises CommandError with what went wrong.

    saved_bytes_max: what its state may take, 0 for any.  The outcome depends on the machine where a detector takes
    about as much as it may.
    """
    why = _apart(lambda: _use(spec, features, saved_bytes_max))
    if why:
        raise CommandError(why)


def _use(spec: DetectorSpec, features: tuple[FeatureInfo, ...], saved_bytes_max: int) -> None:
    detector: Detector = spec.build(features, None)
    at = np.arange(_ROWS)
    x = np.linspace(0.0, 1.0, _ROWS * len(features)).reshape(_ROWS, len(features))
    rows = Rows("rehearsal", _ROWS, x, at.astype(np.uint64) + 1, at, at + 1)
    detector.score(rows)
    if not spec.uses_labels:
        detector.learn(rows)
    size = len(detector.snapshot())
    if saved_bytes_max and size > saved_bytes_max:
        raise CommandError(f"its state takes {size:,} bytes, allowed {saved_bytes_max:,} (memory_bytes)")


def _apart(work: Callable[[], None]) -> str:
    """Why work() does not end well in a process of its own; empty when it does."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Other threads stay behind, and with them locks that they hold; what follows takes none of those.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        os.close(reading)
        _child(work, writing)
    os.close(writing)
    try:
        told, ended = _answer(reading, child)
    finally:
        os.close(reading)
    if told is None:
        return f"it took longer than {SECONDS:g} s to be built and used"
    if not ended:
        return told or "the process in which it was tried was killed: it may need more memory than there is"
    return told


def _child(work: Callable[[], None], writing: int) -> None:
    """Never returns."""
    code = 1
    try:
        # Locks on the state directory go with the last process that has their files open.
        os.closerange(3, writing)
        os.closerange(writing + 1, os.sysconf("SC_OPEN_MAX"))
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
        # Its end, when nobody is there to end it.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, SECONDS + 1.0)
        with suppress(OSError, ValueError):
            pages = int(open("/proc/self/statm").read().split()[0])  # noqa: SIM115, PTH123 - leaves at once
            most = pages * os.sysconf("SC_PAGE_SIZE") + BYTES
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        try:
            work()
        except MemoryError:
            os.write(writing, f"it needs more than {BYTES >> 20} MiB to be built and used".encode())
        except BaseException as error:
            text = str(error) if isinstance(error, CommandError) else f"{type(error).__name__}: {error}"
            os.write(writing, (text or "it raised something without a word").encode()[:4096])
        code = 0
    finally:
        os._exit(code)


def _answer(reading: int, child: int) -> tuple[str | None, bool]:
    """What it says, None when it took too long; and whether it left by itself."""
    until_s, said = time.monotonic() + SECONDS, b""
    while True:
        ready, _, _ = select.select([reading], [], [], max(until_s - time.monotonic(), 0.0))
        piece = os.read(reading, 4096) if ready else None
        if piece is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None, False
        said += piece
        if not piece:
            _, status = os.waitpid(child, 0)
            return said.decode(errors="replace"), status == 0
