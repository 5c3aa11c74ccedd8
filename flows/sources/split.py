"""Blocks of bytes to lines, with bounded memory."""


class LineSplitter:
    r"""Cuts blocks at "\n" (a "\r" before it goes too) and keeps the unfinished last line for the next block.

    Of a line longer than line_bytes_max its first line_bytes_max + 1 bytes are given: enough to be seen as too long.
    """

    def __init__(self, line_bytes_max: int) -> None:
        self._keep = line_bytes_max + 1
        self._tail = b""
        self.tail_bytes = 0
        """Length of the unfinished line, what was not kept of it included."""

    def feed(self, block: bytes) -> list[bytes]:
        """The lines that this block completes."""
        dropped = self.tail_bytes - len(self._tail)
        lines = block.split(b"\n")
        lines[0] = self._tail + lines[0]
        returns = b"\r" in block or b"\r" in lines[0]
        is_long = len(lines[0]) > self._keep or self._has_long(block)
        self._tail = lines.pop()
        self.tail_bytes = len(self._tail) + (0 if lines else dropped)
        if len(self._tail) > self._keep + 1:  # one more than needed: the last byte may be the "\r" of the line's end
            self._tail = self._tail[: self._keep + 1]
        return self._clean(lines, returns, is_long)

    def finish(self) -> list[bytes]:
        """The last line, if the input did not end in a line's end."""
        lines = [self._tail] if self._tail else []
        self._tail, self.tail_bytes = b"", 0
        return self._clean(lines, True, True)

    def _has_long(self, block: bytes) -> bool:
        """Whether a line that begins in the block may be too long: a few searches instead of a look at each line."""
        start = 0
        while len(block) - start > self._keep:
            start = block.rfind(b"\n", start, start + self._keep + 1) + 1
            if not start:
                return True
        return False

    def _clean(self, lines: list[bytes], returns: bool, is_long: bool) -> list[bytes]:
        if returns:
            lines = [line.removesuffix(b"\r") for line in lines]
        return [line[: self._keep] for line in lines] if is_long else lines
