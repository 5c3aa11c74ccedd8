"""The page: headline, sections in their order, machine and versions; put together by a template."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

import jinja2

from bench.report import company, growth, layers, others, quality, scenarios, verdicts
from bench.report.summary import SHIPPED_SCENARIO, headline_case, scenario
from bench.report.tables import Flames, Plot, Section, Table
from bench.report.units import duration, number, percent, size, times
from bench.results import Results


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the headline.  value: as a person reads it.  about: of what."""

    value: str
    about: str


def sections(results: Results) -> list[Section]:
    """All that there is to say, in the order in which a reader asks."""
    parts = (scenarios, quality, verdicts, company, others, layers, growth)
    return [section for part in parts for section in part.sections(results)]


def headline(results: Results) -> list[Figure]:
    """What somebody would remember."""
    found = []
    case, shipped = headline_case(results), scenario(results, SHIPPED_SCENARIO)
    found += [
        Figure(times(each.info["ratio"]["whole"]), f"CPU of orjson.loads alone, whole flow, {each.info['scenario']}")
        for each in ((case,) if shipped is case else (case, shipped))
        if each is not None
    ]
    if case is not None:
        info, name = case.info, case.info["scenario"]
        found.append(Figure(number(info["events_per_s"]), f"events per second in one process, {name}"))
        found += [
            Figure(duration(load["p99_us"] / 1e6), f"p99 latency at 70 % load, {name}")
            for load in info.get("latency", ())
            if load["load"] == 0.7
        ]
        if "bytes_per_user" in info:
            found.append(Figure(size(info["bytes_per_user"]), f"of state per user, {name}"))
    found += [
        Figure(
            f"{percent(case.info['precision'], 0)} · {percent(case.info['recall'], 0)}",
            "precision and recall at the alert budget",
        )
        for case in results.of("quality")[:1]
    ]
    worse = [curve.name for curve in growth.curves(results) if curve.worse]
    if worse:
        found.append(Figure(str(len(worse)), f"costs that grow too fast: {', '.join(worse)}"))
    return found


def page(results: Results, found: Sequence[Section]) -> str:
    """The HTML, whole."""
    here = files("bench.report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (here / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests |= {"table": _is(Table), "plot": _is(Plot), "flames": _is(Flames)}
    commit = str(results.commit.get("id") or "unversioned")
    return environment.get_template("page.html.j2").render(
        headline=headline(results),
        sections=found,
        machine=results.machine_line,
        smoke=results.smoke,
        versions=results.versions,
        commit=commit[:12] + (" and changes" if results.commit.get("dirty") else ""),
        date=f"{datetime.fromisoformat(results.date):%Y-%m-%d %H:%M} UTC",
    )


def _is(kind: type) -> Any:
    return lambda value: isinstance(value, kind)
