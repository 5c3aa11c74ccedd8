"""A guard in front of each detector: what it does wrong harms it alone, and is told."""

import math
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

from detectors.watchdog import call_within
from state.types import F64

T = TypeVar("T")
SAMPLED: Final = 8
"""A detector that costs too much is asked for one subject in so many."""
_LOOK_ROWS: Final = 2_000
"""Rows over which cost is averaged."""
_PATIENCE: Final = 3
"""Rounds in a row in which a detector may fail; then it is off for good."""
_FEW: Final = 4
"""So few values are looked at one by one."""
_FATAL: Final = (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError)


@dataclass(frozen=True, slots=True)
class Fault:
    """What a detector did wrong.  call: what it was asked.  detail: what came of it.  off: whether it is off from now
    on.
    """

    call: str
    detail: str
    off: bool = False


class Guard:
    """Asks one detector, and answers in its place when it raises, takes longer than budget_s (0: as long as it likes),
    or returns something else than was asked for: then its answer is "not yet", and the round goes on without it.

    cost_us: CPU per row that it may take on average, 0 for any; beyond it is `sampled`, and if that does not help, off.
    state: as `state` gives it.
    """

    def __init__(self, budget_s: float = 0.0, state: list[int] | None = None, cost_us: float = 0.0) -> None:
        self._budget_s = budget_s
        self._cost_us = cost_us
        self._failed, off, sampled = (*(state or ()), 0, 0, 0)[:3]
        self._off = bool(off)
        self.sampled = bool(sampled)
        """Whether it is to be asked for some of the subjects only."""
        self._looked_s, self._looked_rows = 0.0, 0
        self._faults: list[Fault] = []
        self._call = ""
        """What it was asked last."""
        self.spent_s = 0.0
        """CPU seconds that it took in this process."""

    def array(self, call: str, ask: Callable[[], Any], shape: tuple[int, ...], otherwise: float) -> F64:
        """What ask() returns, float64 of this shape and finite or nan; else an array of `otherwise`."""
        return self.arrays((call, ask, shape, otherwise))[0]

    def arrays(
        self,
        *asks: tuple[str, Callable[[], Any], tuple[int, ...], float],
        then: tuple[str, Callable[[], None]] | None = None,
    ) -> list[F64]:
        """What several questions are answered, each as `array` has it; `then` has no answer, and follows if all were
        answered well.  budget_s is for all of it.
        """
        answers: list[F64] = []

        def work() -> None:
            for self._call, ask, shape, _ in asks:
                given = ask()
                seen = _unlike(given, shape)
                if seen:
                    detail = f"returned {seen}, expected float64 of shape {shape}"
                    self._faults.append(Fault(self._call, detail))
                    return
                answers.append(given)
            if then is not None:
                self._call, tell = then
                tell()

        self._asked("", work)
        if len(answers) < len(asks):
            answers += [np.full(shape, otherwise) for _, _, shape, otherwise in asks[len(answers) :]]
        return answers

    def value(self, call: str, ask: Callable[[], Any], kind: type[T]) -> T | None:
        """What ask() returns, of this kind; None where it has nothing to say, or says something else."""
        given = self._asked(call, ask)
        if given is None or given[0] is None or isinstance(given[0], kind):
            return given and given[0]
        self._faults.append(Fault(call, f"returned a {type(given[0]).__name__}, expected {kind.__name__} or None"))
        return None

    def tell(self, call: str, work: Callable[[], None]) -> None:
        """Lets it do something that has no answer."""
        self._asked(call, work)

    def saved(self, save: Callable[[], Any]) -> bytes | None:
        """What save() returns; None when it cannot be saved, and starts cold after a restart."""
        given = self._asked("snapshot", save)
        if given is None or isinstance(given[0], bytes):
            return given and given[0]
        self._faults.append(Fault("snapshot", f"returned a {type(given[0]).__name__}, expected bytes"))
        return None

    def _asked(self, call: str, ask: Callable[[], T]) -> tuple[T] | None:
        # After a fault it is left alone until the round is over: its state may be half of something.
        if self._off or self._faults:
            return None
        self._call = call
        started_ns = time.thread_time_ns()
        try:
            return (call_within(self._budget_s, ask),)
        except _FATAL:
            raise
        except BaseException as error:
            self._faults.append(Fault(self._call, _described(error)))
            return None
        finally:
            if call != "snapshot":  # how often state is saved says nothing about rows
                self.spent_s += (time.thread_time_ns() - started_ns) / 1e9

    @property
    def off(self) -> bool:
        """Whether it is asked nothing any more."""
        return self._off

    def blame(self, call: str, detail: str) -> None:
        """Something that it did wrong, and that others found."""
        if not self._off:
            self._faults.append(Fault(call, detail))

    def _look_at_cost(self, rows: int) -> None:
        self._looked_rows += rows
        if not self._cost_us or self._looked_rows < _LOOK_ROWS:
            return
        us = 1e6 * (self.spent_s - self._looked_s) / self._looked_rows
        self._looked_s, self._looked_rows = self.spent_s, 0
        if us <= self._cost_us or self._off:
            return
        then = "off" if self.sampled else f"asked for one subject in {SAMPLED} only"
        self._faults.append(
            Fault("cost", f"took {us:.0f} us of CPU per row, allowed {self._cost_us:g}: {then} from now on")
        )
        self._off, self.sampled = self.sampled, True

    def faults(self, rows: int = 0, whole: bool = True) -> list[Fault]:
        """Those of the round, of so many rows, which is over with this call.  whole: whether all was asked for that a
        detector can do; a round in which it was not told to learn says nothing of how it learns.
        """
        self._look_at_cost(rows)
        if self._faults and any(f.call != "cost" for f in self._faults):
            self._failed += 1
        elif whole:
            self._failed = 0
        self._off = self._off or self._failed >= _PATIENCE
        if not self._faults:
            return []
        told, self._faults = [Fault(f.call, f.detail, self._off) for f in self._faults], []
        return told

    def state(self) -> list[int]:
        """For a snapshot, as JSON values."""
        return [self._failed, int(self._off), int(self.sampled)]


def _unlike(given: Any, shape: tuple[int, ...]) -> str:
    """What is wrong with it, "" for nothing."""
    if not isinstance(given, np.ndarray):
        return f"a {type(given).__name__}"
    if given.shape != shape or given.dtype != np.float64:
        return f"{given.dtype} of shape {given.shape}"
    infinite = any(map(math.isinf, given.flat)) if given.size <= _FEW else np.isinf(given).any()
    return "infinite values" if infinite else ""


def _described(error: BaseException) -> str:
    """The error, and where in the detector's code it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}, in {frames[-1].name}" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
