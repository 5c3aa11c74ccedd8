"""CPU seconds, taken in turns so that all that is compared meets the same weather."""

import gc
import time
from collections.abc import Callable, Mapping


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of this process, all threads, for one call."""
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def interleaved(work: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each piece of work, `rounds` times.

    Every round runs them all, every other one in reverse. The ratio of the smallest times is the steadiest figure on a
    noisy machine.
    """
    taken: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds):
        for name in work if turn % 2 == 0 else reversed(list(work)):
            taken[name].append(cpu_s(work[name]))
    return taken
