"""The text of /metrics: set out once by prometheus-client, with the numbers of now filled in at each request.

The library writes each name and label anew whenever it is asked, which takes 1.2 ms of a quiet core for the shipped job
as text and more as OpenMetrics, and several times that where workers have emptied the caches.  A run has all of its
series from the start, so that only the numbers are new.
"""

from collections.abc import Callable, KeysView
from typing import Final

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from flows.metrics.catalogue import Key, Numbers
from flows.metrics.collector import RunCollector

Encode = Callable[[Collector], bytes]


class Page:
    """Of one run, in every format that the library writes.  For several threads."""

    def __init__(self, numbers: Callable[[], Numbers]) -> None:
        """numbers: every series that there is, now."""
        self._numbers: Final = numbers
        self._layouts: Final[dict[str, Layout]] = {}

    def text(self, accept: str) -> tuple[bytes, str]:
        """What is answered, and its content type.  accept: the header of the request."""
        encode, kind = choose_encoder(accept)
        numbers = self._numbers()
        layout = self._layouts.get(kind)
        if layout is None or not layout.fits(numbers):
            layout = self._layouts[kind] = Layout(encode, numbers.keys())
        return layout.filled(numbers), kind


class Layout:
    """What the library writes before each number, and after the last."""

    def __init__(self, encode: Encode, keys: KeysView[Key]) -> None:
        order = list(keys)
        # Each series is given its place as its number, by which it is found again wherever the library puts it.
        lines = encode(RunCollector(lambda: {key: float(at) for at, key in enumerate(order)})).decode().split("\n")
        self._keys = frozenset(order)
        self._parts: list[tuple[str, Key]] = []
        head = ""
        for line in lines[:-1]:
            if line.startswith("#"):
                head += line + "\n"
            else:
                before, _, at = line.rpartition(" ")
                self._parts.append((head + before + " ", order[int(float(at))]))
                head = "\n"
        self._end = head + lines[-1]

    def fits(self, numbers: Numbers) -> bool:
        """Whether these are the series it was set out for."""
        return numbers.keys() == self._keys

    def filled(self, numbers: Numbers) -> bytes:
        """The page, with these numbers."""
        text = "".join([before + floatToGoString(numbers[key]) for before, key in self._parts])  # type: ignore[no-untyped-call]
        return (text + self._end).encode()
