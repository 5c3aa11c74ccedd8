"""A pytest plugin: a line per case while it runs, and in the results what the figures depend on."""

import os
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest

from bench.runner import is_checkout
from flows.version import driftnet_version

_PACKAGES = (
    "bytewax",
    "river",
    "numpy",
    "orjson",
    "msgspec",
    "xxhash",
    "scipy",
    "pathway",
    "apache-flink",
    "pytest-benchmark",
)


class Progress:
    """Writes `[ 3/41] scenario[zipf] ... 12.4 s` on pytest's terminal."""

    def __init__(self, terminal: Any) -> None:
        self._terminal = terminal
        self._total = self._done = 0
        self._started_s = 0.0
        self._failed: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leaves out tests that measure nothing."""
        items[:] = [item for item in items if "benchmark" in getattr(item, "fixturenames", ())]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Counts the cases."""
        self._total = len(session.items)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Says which case begins."""
        self._done += 1
        self._started_s = time.perf_counter()
        width = len(str(self._total))
        self._terminal.write(f"[{self._done:>{width}}/{self._total}] {_short(nodeid)} ... ", flush=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remembers the cases that failed."""
        if report.failed:
            self._failed.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        """Says how long the case took with all it prepared."""
        self._terminal.write_line(f"{time.perf_counter() - self._started_s:.1f} s", flush=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        """No letters for cases that ran; words for the others."""
        if report.when == "call" and report.passed:
            return "passed", "", ""
        if report.skipped:
            return "skipped", f"{report.longrepr[2].replace('Skipped', 'skipped')}, ", "SKIPPED"
        if report.failed:
            return "failed", "failed, ", "FAILED"
        return None

    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """Takes out the times of cases whose result turned out wrong."""
        cases = output_json["benchmarks"]
        output_json["benchmarks"] = [case for case in cases if case["fullname"] not in self._failed]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Registers the lines, now that the terminal is there."""
    plugins = session.config.pluginmanager
    plugins.register(Progress(plugins.get_plugin("terminalreporter")))


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Adds versions and memory; takes out the machine's name, which says nothing about speed."""
    del machine_info["node"]
    versions = {"python": machine_info["python_version"], "driftnet": driftnet_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    machine_info["versions"] = versions
    machine_info["memory_bytes"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def pytest_benchmark_update_commit_info(commit_info: dict[str, Any]) -> None:
    """Forgets the commit of a repository that Driftnet is only installed in."""
    if not is_checkout():
        commit_info.clear()


def _short(nodeid: str) -> str:
    path, _, case = nodeid.partition("::")
    file = path.rpartition("/")[2]
    return f"{file.removeprefix('test_').removesuffix('.py') or '?'}: {case.removeprefix('test_')}"
