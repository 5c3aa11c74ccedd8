"""The report: one page that needs nothing else, and the same figures for programs."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bench.report import growth, scenarios
from bench.report.layers import layer_id, ns_per_unit
from bench.report.page import headline, page, sections
from bench.report.summary import summary
from bench.report.tables import Cell, Column, Section, Table
from bench.report.units import NONE, duration, number, percent, size, span, whole
from bench.report.write import write
from bench.results import BenchError, Results, merged, read_results, results_of, spread
from tests.unit.bench.sample import sample

_VOID = {"meta", "link", "br", "path", "use", "rect", "image"}


class _Balanced(HTMLParser):
    """Complains about tags that are closed in the wrong order, or never."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def results() -> Results:
    """A whole run."""
    return results_of(sample())


@pytest.fixture(scope="module")
def found(results: Results) -> list[Section]:
    """What it says."""
    return sections(results)


@pytest.fixture(scope="module")
def html(results: Results, found: list[Section]) -> str:
    """Its page."""
    return page(results, found)


def _only(kind: str) -> dict[str, Any]:
    table = sample()
    table["benchmarks"] = [b for b in table["benchmarks"] if b["extra_info"]["kind"] == kind]
    return table


def test_the_page_needs_nothing_else(html: str) -> None:
    """Well formed; no address but those inside the page; no stand-in colour left over."""
    parser = _Balanced()
    parser.feed(html)
    assert parser.open == []
    assert all(address.startswith("#") or address == "data:," for address in parser.addresses)
    assert "://" not in html
    assert not re.search(r"#010[12][0-9a-f]{2}", html)


def test_the_page_has_every_part(html: str) -> None:
    """All sections, plots with their captions, the flame graph's data, the machine, the versions."""
    for name in (
        "speed",
        "stages",
        "latency",
        "state",
        "quality",
        "verdicts",
        "company",
        "others",
        "layers",
        "growth",
        "machine",
    ):
        assert f'<section id="{name}">' in html
        assert f'href="#{name}"' in html
    assert html.count("<svg") == html.count("<figure aria-label=") == 5
    graphs = re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert graphs is not None
    assert json.loads(graphs[1])["zipf"]["name"] == "whole"
    for words in ("AMD EPYC 7B13, 2 cores, 8 GiB, Linux x86_64", "numpy 2.4.6", "0cb10820d033", "version 0.2.0"):
        assert words in html


@pytest.mark.parametrize(
    ("kind", "there"),
    [
        ("scenario", {"speed", "stages", "latency", "state"}),
        ("quality", {"quality"}),
        ("verdicts", {"verdicts"}),
        ("company", {"company"}),
        ("others", {"others"}),
        ("layer", {"layers"}),
        ("growth", {"growth"}),
    ],
)
def test_sections_without_data_are_left_out(kind: str, there: set[str]) -> None:
    """A run of one kind gives the sections of that kind; a page comes of each."""
    results = results_of(_only(kind))
    found = sections(results)
    assert {section.id for section in found} == there
    assert set(re.findall(r'<section id="(\w+)">', page(results, found))) == there | {"machine"}


def test_the_headline_is_about_the_canonical_scenario(results: Results) -> None:
    """Ratio, throughput, latency and state of zipf; what the configuration that people run costs; quality; and what
    grows too fast.
    """
    found = {figure.about: figure.value for figure in headline(results)}
    assert found["CPU of orjson.loads alone, whole flow, zipf"] == "2.40 ×"
    assert found["CPU of orjson.loads alone, whole flow, shipped"] == "9.60 ×"
    assert found["precision and recall at the alert budget"] == "94 % · 98 %"
    assert found["costs that grow too fast: detectors"] == "1"


def test_verdicts_say_what_is_wrong(found: list[Section]) -> None:
    """Seeds that were tuned on are marked; false alerts and waves without an attack are red, and a probability that is
    reached four times as often as it says; with attackers there is a day by day, and warm ones have their curve.
    """
    (section,) = [s for s in found if s.id == "verdicts"]
    whole, calibration, days, kinds, roles, curve = section.tables
    null, shipped, warm = whole.cells
    assert [c.text for c in (null[1], shipped[1], warm[1])] == ["41", "31, tuned on", "42"]
    assert [c.text for c in null if c.tone == "bad"] == ["2.0", "day 1, no attack"]
    assert [c.text for c in shipped if c.tone == "bad"] == []
    assert shipped[-1].text == "1 h 30 min, 14 %"
    assert {c.text for row in calibration.cells for c in row if c.tone == "bad"} == {"0.40 %"}
    assert [row[2].text for row in days.cells] == ["1", "2", "3"] * 3
    assert [row[7].text for row in days.cells[3:]] == ["95.2 %", "100.0 %", "100.0 %", "0.0 %", "100.0 %", "100.0 %"]
    assert [row[2].text for row in kinds.cells] == ["49/50, 11 h 07 min"] * 2
    assert roles.cells[0][2:] == [Cell("1/1,000"), Cell("1/8")]
    assert [c.text for c in curve.cells[0]][:6] == ["0.001", NONE, "1.50", "90.0 %", "95.0 %", "8 h 00 min"]


def test_growth_worse_than_expected_is_red(results: Results, found: list[Section]) -> None:
    """The exponents are fitted; one that is too high is told in the table and on the page, the others are not."""
    curves = {curve.name: curve for curve in growth.curves(results)}
    assert curves["detectors"].fit.exponent == pytest.approx(1.31, abs=0.1)
    assert [name for name, curve in curves.items() if curve.worse] == ["detectors"]
    (section,) = [s for s in found if s.id == "growth"]
    bad = [row[0].text for row in section.tables[0].cells if any(cell.tone == "bad" for cell in row)]
    assert bad == ["detectors"]


def test_a_curve_needs_two_points() -> None:
    """A single point is no growth."""
    table = sample()
    table["benchmarks"] = [b for b in table["benchmarks"] if b["extra_info"].get("x") == 1e3]
    assert growth.curves(results_of(table)) == []
    assert growth.sections(results_of(table)) == []


def test_layers_at_several_batch_sizes_share_a_row(results: Results, found: list[Section]) -> None:
    """A unit costs the smallest time over the units; batches of 1, 32 and 1,024 rows stand side by side."""
    layers = next(s for s in found if s.id == "layers")
    detectors = next(t for t in layers.tables if t.title == "Detectors")
    assert [c.text for c in detectors.columns] == ["detector", *(f"{n} at once, ns" for n in ("1", "32", "1,024"))]
    assert [row[0] for row in detectors.rows] == ["half_space_trees", "ecod", "history"]
    assert detectors.note == "unit row"
    case = results.of("layer")[0]
    assert ns_per_unit(case) == pytest.approx(1100, rel=0.1)
    assert layer_id(case) == "wire: decode[few]"


def test_what_layers_have_in_common_is_a_note(found: list[Section]) -> None:
    """Parameters that differ are columns; the others are told once."""
    layers = next(s for s in found if s.id == "layers")
    windows = next(t for t in layers.tables if t.title == "Windows")
    assert [c.text for c in windows.columns] == ["window", "ns", "spread"]
    assert windows.note == "units a call 8,192, unit event"


def test_a_scenario_of_phases_has_a_table_of_its_own() -> None:
    """A scenario whose stages are others than those of the rest is kept out of their table and plot."""
    table = sample()
    cold = next(b["extra_info"] for b in table["benchmarks"] if b["extra_info"].get("scenario") == "cold")
    cold["stages"] = [{"stage": "imports", "share": 1.0, "ns_per_event": 9000.0}]
    found = scenarios.stages(results_of(table).of("scenario"))
    assert found is not None
    by_title = {t.title: t for t in found.tables}
    assert list(by_title) == ["zipf", "Shares in every scenario", "cold"]
    assert "cold" not in [c.text for c in by_title["Shares in every scenario"].columns]


def test_figures_that_were_not_measured_are_dashes() -> None:
    """A scenario with the bare minimum still makes a page."""
    table = sample()
    keep = {"kind", "result", "scenario", "summary", "events", "users", "cpu_s", "ratio", "events_per_s"}
    (bare,) = [b for b in table["benchmarks"] if b["extra_info"].get("scenario") == "churn"]
    bare["extra_info"] = {key: value for key, value in bare["extra_info"].items() if key in keep}
    table["benchmarks"] = [bare]
    results = results_of(table)
    found = sections(results)
    assert {section.id for section in found} == {"speed", "state"}
    assert NONE in [cell.text for section in found for t in section.tables for row in t.cells for cell in row]
    assert "churn" in page(results, found)


def test_the_summary_is_plain(results: Results) -> None:
    """Figures by scenario, layer, curve, system and run, without raw rounds or flame graphs."""
    found = json.loads(json.dumps(summary(results)))
    assert found["version"] == "0.2.0"
    assert found["scenarios"]["full"]["evictions"] == 48_211
    assert "flame" not in found["scenarios"]["zipf"]
    assert found["growth"]["detectors"]["worse"] is True
    assert found["quality"]["quality"]["recall"] == 0.984
    assert len(found["others"]) == 10


def test_files_of_a_run(tmp_path: Path) -> None:
    """What is written can be read again, and is the same when it is written again."""
    table = _only("others")
    first = write(table, tmp_path / "a" / "b")
    assert read_results(first.results) == results_of(table)
    again = write(json.loads(first.results.read_text()), tmp_path / "c")
    assert again.page.read_text() == first.page.read_text()
    assert again.summary.read_text() == first.summary.read_text()


@pytest.mark.parametrize("text", ["", "{}", '{"machine_info": 1}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    """A file that is no run is named in the message."""
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(BenchError, match=r"x\.json: not the JSON of a benchmark run"):
        read_results(path)


def test_runs_are_put_together() -> None:
    """Where and when are the first run's, the cases are those of both."""
    one, other = sample(), sample(machine="arm64")
    both = merged([one, other])
    assert both["machine_info"]["machine"] == "x86_64"
    assert len(both["benchmarks"]) == 2 * len(one["benchmarks"])


def test_a_table_in_markdown() -> None:
    """Columns of figures to the right, bad news in bold, no bar breaks a row."""
    table = Table("T", [Column("a", left=True), Column("b")], [["x|y", Cell("2", "bad")]], "N")
    assert table.markdown() == "**T**\n\n| a | b |\n| :-- | --: |\n| x\\|y | **2** |\n\nN"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(1_234_567), "1,234,567"),
        (number(12.345), "12.3"),
        (number(0.012345), "0.0123"),
        (number(0), "0"),
        (number(None), "-"),
        (number(float("nan")), "-"),
        (whole(1e6), "1,000,000"),
        (whole(2.5), "2.50"),
        (percent(0.3149), "31.5 %"),
        (size(640), "640 B"),
        (size(1.5 * 2**20), "1.50 MiB"),
        (duration(4.1e-7), "410 ns"),
        (duration(0.0099996), "10.0 ms"),
        (duration(1.0), "1.00 s"),
        (duration(None), "-"),
        (span(300), "5 min"),
        (span(48_660), "13 h 31 min"),
        (span(None), "-"),
    ],
)
def test_units(shown: str, expected: str) -> None:
    """Three digits and a unit; thousands apart; a dash for what is not known."""
    assert shown == expected


def test_spread() -> None:
    """How far the middle lies above the smallest; nothing for no times."""
    assert spread([1.0, 1.2, 1.1]) == pytest.approx(0.1)
    assert spread([]) == 0.0


def test_machine_without_details() -> None:
    """A machine that tells little still has a line."""
    table: dict[str, Any] = sample()
    table["machine_info"] = {"machine": "arm64", "system": "Darwin"}
    assert results_of(table).machine_line == "arm64, Darwin arm64"


def test_a_run_without_alerts_has_no_precision() -> None:
    """Where nothing was found there is no precision; the page says so instead of failing."""
    table = _only("quality")
    table["benchmarks"][0]["extra_info"] |= {"precision": None, "recall": 0.0, "alerts": 0}
    results = results_of(table)
    (figure,) = headline(results)
    assert figure.value == "- · 0 %"
    assert "0.0 %" in page(results, sections(results))
