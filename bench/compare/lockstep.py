"""A pytest plugin: runs single cases as it is told, as often as it is told, and says what they took.

One process per tree stays alive between the cases, so imports and workloads are paid for once and the two trees can
take turns within a second. It is loaded by file, apart from the package `bench`, which is the measured tree's own.
Lines of JSON go both ways over the socket whose number is in DRIFTNET_LOCKSTEP.
"""

import importlib
import json
import os
import socket
import sys
from typing import Any

import pytest

PACKAGES = ("flows", "detectors", "state", "bench")
# The finder of an editable installation would lend a tree the modules that it does not have. Cases are loaded later.
sys.meta_path[:] = [f for f in sys.meta_path if not getattr(f, "__module__", "").startswith("__editable__")]


class Lockstep:
    """The child's side."""

    def __init__(self, channel: socket.socket) -> None:
        self._lines = channel.makefile("rw", encoding="utf-8")
        self._broken: dict[str, str] = {}
        self._seen: dict[str, Any] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remembers files that cannot be imported here."""
        if report.failed:
            self._broken[report.nodeid] = _last_line(report.longreprtext)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Says what there is, then runs what is asked for until nobody asks any more."""
        items = {item.nodeid: item for item in session.items if "benchmark" in getattr(item, "fixturenames", ())}
        where = {name: importlib.import_module(name).__file__ for name in PACKAGES}
        self._say({"packages": where, "cases": list(items), "broken": self._broken})
        for line in self._lines:
            item = items[json.loads(line)["run"]]
            self._seen = {}
            # Nobody knows what comes next, so every fixture is let go of; workloads stay in their caches.
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            self._say(self._seen)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Takes the figures of the case, or why there are none."""
        report = yield
        if report.failed:
            self._seen = {"failed": _last_line(report.longreprtext)}
        elif report.skipped:
            self._seen = {"skipped": report.longrepr[2] if isinstance(report.longrepr, tuple) else ""}
        elif call.when == "call":
            benchmark = item.funcargs.get("benchmark")  # type: ignore[attr-defined]
            if benchmark is not None and benchmark.stats is not None:
                stats = benchmark.stats.stats
                self._seen = {"min": stats.min, "median": stats.median, "extra_info": benchmark.extra_info}
        return report

    def _say(self, what: dict[str, Any]) -> None:
        self._lines.write(json.dumps(what, default=str) + "\n")
        self._lines.flush()


def pytest_configure(config: pytest.Config) -> None:
    """Takes the socket that the parent opened."""
    config.pluginmanager.register(Lockstep(socket.socket(fileno=int(os.environ.pop("DRIFTNET_LOCKSTEP")))))


def _last_line(text: str) -> str:
    errors = [line.removeprefix("E").strip() for line in text.splitlines() if line.startswith("E ")]
    return errors[-1] if errors else (text.strip().splitlines() or ["failed"])[-1]
