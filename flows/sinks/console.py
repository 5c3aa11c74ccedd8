"""One short line per record, for people who watch a run."""

import sys
from collections.abc import Callable
from typing import Any, Final, TextIO

from flows.printing import printable
from flows.sinks.base import Record
from state.errors import SinkError
from state.times import minute

_REASONS: Final = 3


class ConsoleWriter:
    """Writes lines to standard output or standard error."""

    def __init__(self, to: str, stream: str, out: TextIO | None = None) -> None:
        if to not in ("stdout", "stderr"):
            raise SinkError(f"console sink: seen to={to!r}, allowed: stdout, stderr")
        self._out: TextIO = out or getattr(sys, to)
        self._line = _LINES.get(stream, _other_line)
        self._to = to

    def write(self, records: list[Record]) -> None:
        try:
            self._out.writelines(printable(self._line(record)) + "\n" for record in records)
        except OSError as error:
            raise SinkError(f"console sink: {self._to} is gone: {error.strerror}; send the stream elsewhere") from error

    def flush(self) -> None:
        try:
            self._out.flush()
        except OSError as error:
            raise SinkError(f"console sink: {self._to} is gone: {error.strerror}; send the stream elsewhere") from error

    def close(self) -> None:
        self.flush()


def alert_line(record: Record) -> str:
    """Time, severity, subject, window, tail probability, and what tells most, in one line."""
    reasons = [
        f"{r['feature']} {_number(r['seen'])} ({_typical(r)})"
        if _typical(r)
        else f"{r['feature']} {_number(r['seen'])}"
        for r in record["reasons"][:_REASONS]
    ]
    why = ", ".join([*record["rules"], *reasons]) or "no reasons"
    head = f"{minute(record['raised'])}  {record['severity']:<8}  {record['subject']}"
    return f"{head}  {record['window']}  p {record['tail_probability']:.1e}  {why}"


def _drift_line(r: Record) -> str:
    change = f"{_number(r['before'])} -> {_number(r['after'])} ({r['size']:+.2g} sd)"
    where = f"{r['cohort']}/{r['window']}"
    return f"{minute(r['at'])}  drift  {r['what']} {r['name']}  {where}  {change} since {minute(r['since'])}"


def _late_line(r: Record) -> str:
    return f"late  {r.get('source', '')}:{r.get('offset', '')}  {r.get('subject', '')}  {r.get('lateness_s', 0):.0f} s"


def _reject_line(r: Record) -> str:
    return f"reject  {r.get('source', '')}:{r.get('offset', '')}  {r.get('reason', '')}  {r.get('detail', '')}"


def _score_line(r: Record) -> str:
    p = r["tail_probability"]
    return f"{minute(r['end'])}  score  {r['subject']}  {r['window']}  p {'-' if p is None else format(p, '.1e')}"


def _audit_line(r: Record) -> str:
    why = f"  {r['detail']}" if r["detail"] else ""
    by = f"  by {r['by']}" if r["by"] else ""
    return f"{minute(r['at'])}  {r['command']} {r['detector'] or r['subject']}  {r['cohort']}  {r['outcome']}{by}{why}"


def _other_line(r: Record) -> str:
    return "  ".join(f"{key}={value}" for key, value in r.items())


_LINES: Final[dict[str, Callable[[Record], str]]] = {
    "alerts": alert_line,
    "drift": _drift_line,
    "late": _late_line,
    "rejects": _reject_line,
    "scores": _score_line,
    "audit": _audit_line,
}


def _typical(reason: Record) -> str:
    known = (("own", reason["typical_own"]), ("cohort", reason["typical_cohort"]))
    return ", ".join(f"{who} {_number(value)}" for who, value in known if value is not None)


def _number(value: Any) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
