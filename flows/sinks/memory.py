"""A sink that keeps all records in memory."""

from flows.sinks.base import Record


class MemoryWriter:
    """Keeps what it is given, in `records`, for whoever opened it."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, records: list[Record]) -> None:
        """Adds them."""
        self.records += records

    def flush(self) -> int:
        """How many there are."""
        return len(self.records)

    def close(self) -> None:
        """Nothing is held but the records."""
