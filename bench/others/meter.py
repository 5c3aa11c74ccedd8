"""CPU, wall time and peak memory of a command and everything that it starts: JVMs, workers, orphans.

Run as a program: `python meter.py COMMAND...` prints one line of JSON.  It makes itself the reaper of all that the
command leaves behind (Linux), so that the kernel's own accounts of the whole tree are added up, nothing is sampled.
Memory is the largest sum of resident sizes seen, looked at every 0.1 s; pages that processes share count in each.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36
_PAUSE_S: Final = 0.1
_ORPHANS_S: Final = 10.0
"""How long what the command left behind may take to end by itself."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took.  output: the end of what it printed."""

    cpu_s: float
    wall_s: float
    peak_rss_bytes: int
    code: int
    output: str


def measure(command: Sequence[str], environ: Mapping[str, str], folder: Path, timeout_s: float) -> Usage:
    """Runs the command in `folder`.  Raises TimeoutError; then everything is stopped."""
    meter = [sys.executable, "-S", __file__, str(timeout_s), *command]
    done = subprocess.run(meter, env=dict(environ), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the meter failed: {done.stderr[-2000:]}")
    usage = Usage(**json.loads(done.stdout.splitlines()[-1]), output=done.stderr[-4000:])
    if usage.code == -signal.SIGALRM:
        raise TimeoutError(f"{' '.join(command)}: still running after {timeout_s:g} s")
    return usage


def main(timeout_s: float, command: Sequence[str]) -> None:
    """Prints the usage of the command, which writes to standard error only."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    started_s = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno())
    peak = _Peak()
    watcher = threading.Thread(target=peak.watch, daemon=True)
    watcher.start()
    code, wall_s, cpu_s, rss_max = None, 0.0, 0.0, 0
    while True:
        elapsed_s = time.monotonic() - started_s
        if code is None and elapsed_s > timeout_s:
            code, wall_s = -signal.SIGALRM, elapsed_s
            _stop(signal.SIGKILL)
        elif code is not None and elapsed_s - wall_s > _ORPHANS_S:
            _stop(signal.SIGKILL)
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if not pid:
            time.sleep(0.002)
            continue
        cpu_s += usage.ru_utime + usage.ru_stime
        rss_max = max(rss_max, usage.ru_maxrss * 1024)
        if pid == child.pid and code is None:
            code, wall_s = os.waitstatus_to_exitcode(status), time.monotonic() - started_s
    peak.stop = True
    watcher.join()
    figures = {"cpu_s": cpu_s, "wall_s": wall_s, "peak_rss_bytes": max(rss_max, peak.bytes), "code": code}
    print(json.dumps(figures), flush=True)


class _Peak:
    """The largest sum of resident sizes."""

    def __init__(self) -> None:
        self.bytes = 0
        self.stop = False

    def watch(self) -> None:
        while not self.stop:
            self.bytes = max(self.bytes, sum(map(_resident, descendants(os.getpid()))))
            time.sleep(_PAUSE_S)


def descendants(root: int) -> list[int]:
    """All processes below `root`, itself not."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name, in brackets, may hold anything; the parent is the second word after it.
                parent = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
            except (OSError, IndexError):
                continue  # it has ended meanwhile
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _stop(number: signal.Signals) -> None:
    """Only what the command started: this process's own descendants."""
    for pid in descendants(os.getpid()):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
