"""Several bodies in turns, one of them under pytest-benchmark's clock."""

import gc
import resource
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from bench.measure.cpu import cpu_s

T = TypeVar("T")


class Turns(Generic[T]):
    """Every round runs all bodies, every other one in reverse, so that all meet the same weather.

    `main` is for `benchmark.pedantic`, with `before` as its setup and `after` as its teardown.  cpu_s: seconds by body
    and round, "whole" being the main one with its child processes.  wall_s, results: of the main body, by round.
    """

    def __init__(self, beside: Mapping[str, Callable[[], object]], whole: Callable[[], T]) -> None:
        self._beside = beside
        self._whole = whole
        self.cpu_s: dict[str, list[float]] = {name: [] for name in (*beside, "whole")}
        self.wall_s: list[float] = []
        self.results: list[T] = []

    def before(self) -> None:
        """The other bodies, in rounds 0, 2, ..."""
        if len(self.results) % 2 == 0:
            self._others(list(self._beside))
        gc.collect()

    def main(self) -> T:
        """The main body."""
        cpu, wall = _cpu_s(), time.perf_counter()
        result = self._whole()
        self.wall_s.append(time.perf_counter() - wall)
        self.cpu_s["whole"].append(_cpu_s() - cpu)
        self.results.append(result)
        return result

    def after(self) -> None:
        """The other bodies, in rounds 1, 3, ..."""
        if len(self.results) % 2 == 0:
            self._others(list(self._beside)[::-1])

    def ratios(self, to: str) -> dict[str, float]:
        """Smallest CPU time of each body over that of `to`: the steadiest figure on a noisy machine."""
        return {name: min(taken) / min(self.cpu_s[to]) for name, taken in self.cpu_s.items() if name != to}

    def _others(self, names: list[str]) -> None:
        for name in names:
            self.cpu_s[name].append(cpu_s(self._beside[name]))


def _cpu_s() -> float:
    """CPU seconds of this process and of the children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
