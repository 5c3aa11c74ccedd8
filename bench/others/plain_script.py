"""A plain script: orjson, dicts, River.  What one writes first, and the reference for all other outputs."""

from collections import defaultdict
from pathlib import Path
from typing import BinaryIO

import orjson

from bench.others.cli import main
from bench.others.features import BEHIND_MS, SIZE_MS, Event, event_of, row, window_features
from bench.others.population import Population, order_key


class Windows:
    """The windows that are open: start -> user -> events."""

    def __init__(self, out: BinaryIO, population: Population | None) -> None:
        self._out = out
        self._population = population
        self._open: dict[int, dict[str, list[Event]]] = {}
        self._last_play_ms: dict[str, int | None] = {}

    def add(self, start_ms: int, user: str, event: Event) -> None:
        window = self._open.get(start_ms)
        if window is None:
            window = self._open[start_ms] = defaultdict(list)
        window[user].append(event)

    def close(self, until_ms: float) -> None:
        """Everything that ends by then, in the order of time."""
        for start_ms in sorted(self._open):
            if start_ms + SIZE_MS <= until_ms:
                self._emit(start_ms + SIZE_MS, self._open.pop(start_ms))

    def _emit(self, end_ms: int, window: dict[str, list[Event]]) -> None:
        users = sorted(window, key=order_key) if self._population else list(window)
        rows = []
        for user in users:
            values, self._last_play_ms[user] = window_features(window[user], self._last_play_ms.get(user))
            rows.append(values)
        if self._population is None:
            self._out.writelines(row(user, end_ms, values) for user, values in zip(users, rows, strict=True))
            return
        scores = self._population.round(rows)
        self._out.writelines(
            row(user, end_ms, values, score, scored=True)
            for user, values, score in zip(users, rows, scores, strict=True)
        )


def work(source: str, target: str, scored: bool) -> None:
    """Reads the file once, front to back."""
    with Path(source).open("rb") as lines, Path(target).open("wb") as out:
        windows = Windows(out, Population() if scored else None)
        newest_ms = next_end_ms = 0
        for line in lines:
            document = orjson.loads(line)
            time_ms: int = document["event_time"]
            start_ms = time_ms - time_ms % SIZE_MS
            if start_ms + SIZE_MS <= newest_ms - BEHIND_MS:
                continue  # late: its window is closed
            windows.add(start_ms, document["user_id"], event_of(document))
            if time_ms > newest_ms:
                newest_ms = time_ms
                if newest_ms - BEHIND_MS >= next_end_ms:
                    watermark_ms = newest_ms - BEHIND_MS
                    windows.close(watermark_ms)
                    next_end_ms = watermark_ms - watermark_ms % SIZE_MS + SIZE_MS
        windows.close(float("inf"))


if __name__ == "__main__":
    main(work)
