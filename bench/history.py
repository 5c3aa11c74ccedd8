"""The history: one line of figures per release, kept in the repository beside the code that they are about."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from bench.quality.guard import worse
from bench.report.summary import HEADLINE_SCENARIO
from bench.report.tables import Column, Table
from bench.report.units import NONE, number, percent, size, times
from bench.results import BenchError

FILE = Path(__file__).parent / "history.jsonl"
_UNRELEASED = "0+source"


def read(path: Path) -> list[dict[str, Any]]:
    """The releases, oldest first; none when there is no file.  Raises BenchError for a line that is none."""
    if not path.exists():
        return []
    try:
        return [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    except orjson.JSONDecodeError as error:
        raise BenchError(f"{path}: not a history, a JSON object per line: {error}") from None


def add(path: Path, summary: Path, version: str | None = None) -> dict[str, Any]:
    """Appends a run's `summary.json` as a release.  version: what to call it, when the run did not know.

    Raises BenchError for a release that is there already, and for a run that cannot be one.
    """
    try:
        found = orjson.loads(summary.read_bytes())
        scenarios, found["version"] = found["scenarios"], version or found["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{summary}: not the summary.json of a run ({error!r})") from None
    if found.get("smoke"):
        raise BenchError(f"{summary}: a run at smoke sizes is not worth remembering")
    if not scenarios:
        raise BenchError(f"{summary}: no scenario was measured, so there is nothing to remember")
    if not found["version"] or found["version"] == _UNRELEASED:
        raise BenchError(f"{summary}: the run was not of an installed version; name the release with --release")
    if any(line["version"] == found["version"] for line in read(path)):
        raise BenchError(f"{path}: has {found['version']} already; a release is measured once")
    with path.open("ab") as file:
        file.write(orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE))
    return dict(found)


def worse_than(releases: Sequence[dict[str, Any]], added: dict[str, Any]) -> list[str]:
    """Scenarios whose verdicts got worse by more than noise since the last release that had them, in words; of worlds,
    whose campaigns.
    """
    return [line for judge in ("verdicts", "company") for line in _worse_than(releases, added, judge)]


def _worse_than(releases: Sequence[dict[str, Any]], added: dict[str, Any], judge: str) -> list[str]:
    found = []
    for name, now in added.get(judge, {}).items():
        earlier = [line for line in releases if name in line.get(judge, {}) and line["version"] != added["version"]]
        before = earlier[-1][judge][name] if earlier else None
        if before is not None and before["days"] == now["days"]:
            since = earlier[-1]["version"]
            found += [f"{name}: {what} since {since}" for what in worse(before["mistakes"], now["mistakes"])]
    return found


def table(releases: Sequence[dict[str, Any]], scenario: str = HEADLINE_SCENARIO) -> Table:
    """One row per release: the headline figures of a scenario, and the quality.

    false per 1,000: false alerts per 1,000 genuine subject-days in all scenarios of `driftnet bench quality`.
    """
    columns = [Column("release", left=True), Column("date", left=True), Column("commit", left=True)]
    columns += [
        Column(t)
        for t in ("whole, × loads", "events/s", "per user", "peak RSS", "precision", "recall", "false per 1,000")
    ]
    columns.append(Column("machine", left=True))
    return Table(f"Releases, {scenario}", columns, [_row(line, scenario) for line in releases])


def _row(line: dict[str, Any], scenario: str) -> list[str]:
    figures = line["scenarios"].get(scenario, {})
    quality: dict[str, Any] = next(iter(line.get("quality", {}).values()), {})
    return [
        line["version"],
        line["date"][:10],
        line["commit"][:12] + ("+" if line.get("dirty") else "") or NONE,
        times(figures.get("ratio", {}).get("whole")),
        number(figures.get("events_per_s")),
        size(figures.get("bytes_per_user")),
        size(figures.get("peak_rss_bytes")),
        percent(quality.get("precision")),
        percent(quality.get("recall")),
        number(_false_per_1000(line.get("verdicts", {}))),
        line["machine"],
    ]


def _false_per_1000(verdicts: dict[str, dict[str, Any]]) -> float | None:
    """Of all scenarios together."""
    days = sum(found["genuine_days"] for found in verdicts.values())
    return 1000 * sum(found["false_alerts"] for found in verdicts.values()) / days if days else None
