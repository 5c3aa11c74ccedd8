"""What is printed: text of others, and output that cannot be written.

Ids, names and paths come from senders. They must reach a terminal as they are, but for what would steer it, and must
not be taken for markup. And whoever reads the output, or nobody, decides nothing about a run: what the encoding does
not have is replaced, and what nobody reads any more is dropped. A full disk behind it is an error, as of any output.
"""

import io
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

from state.errors import SinkError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def printable(text: object) -> str:
    """The text with a question mark for everything that steers a terminal: control characters, line breaks, marks that
    turn the direction of what follows.
    """
    plain = str(text)
    return plain if plain.isprintable() else "".join(c if c.isprintable() else "?" for c in plain)


def shown(text: object) -> str:
    """Text of others for what is printed with markup: none of it is taken for markup."""
    from rich.markup import escape

    return escape(printable(text))


def forgive_output() -> None:
    """From now on standard output and error of this process take everything, also when nobody reads them.

    Writing to a standard output that fails otherwise (a full disk) raises SinkError, once; to standard error, nothing,
    as there is nowhere left to say it.
    """
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:  # it was closed before the program began; the number must not go to another file
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif stream is getattr(sys, f"__{name}__"):  # no one has put another in its place
            stream.flush()
            raw: Any = _Forgiving(stream.fileno(), silent=name == "stderr")
            setattr(
                sys,
                name,
                io.TextIOWrapper(
                    io.BufferedWriter(raw),
                    encoding=stream.encoding,
                    errors="replace" if name == "stdout" else "backslashreplace",
                    line_buffering=name == "stderr" or raw.isatty(),
                ),
            )


class _Forgiving(io.RawIOBase):
    """A file descriptor to which writing never fails because its reader is gone.  silent: nor for any other reason."""

    def __init__(self, number: int, *, silent: bool) -> None:
        self._number = number
        self._silent = silent
        self._gone = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: "ReadableBuffer", /) -> int:
        size = memoryview(data).nbytes
        if not self._gone:
            try:
                return os.write(self._number, data)
            except OSError as error:
                self._gone = True  # what is still buffered would fail again, where nobody can catch it
                if not self._silent and not isinstance(error, BrokenPipeError):
                    raise SinkError(f"standard output: cannot write: {error.strerror}; send it elsewhere") from error
        return size
