"""The page that is filled in is the page that prometheus-client writes, letter by letter."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.exposition import choose_encoder

from flows.metrics.catalogue import CATALOGUE, Numbers
from flows.metrics.collector import RunCollector
from flows.metrics.page import Page

ACCEPTED = ("", "text/plain;version=1.0.0", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")

LABELS = ("", "main", 'a "quoted" one', "two\nlines\u2028or three", "a\\b", "x} 1.0", "# HELP", "é ☃", " NaN")

numbers_of_a_run = st.dictionaries(
    st.tuples(st.sampled_from(list(CATALOGUE.values())), *[st.sampled_from(LABELS)] * 4),
    st.floats() | st.integers(0, 2**60).map(float),
    max_size=12,
).map(lambda drawn: {metric.key(*labels[: len(metric.labels)]): n for (metric, *labels), n in drawn.items()})


@given(first=numbers_of_a_run, then=numbers_of_a_run)
@pytest.mark.parametrize("accept", ACCEPTED)
def test_as_the_library_writes_it(accept: str, first: Numbers, then: Numbers) -> None:
    """Whatever the labels hold, and whether the series are those of the request before."""
    now = first
    page = Page(lambda: now)
    encode, kind = choose_encoder(accept)
    for now in (first, {key: -value for key, value in first.items()}, then, then | first):
        assert page.text(accept) == (encode(RunCollector(lambda now=now: now)), kind)


def test_one_layout_for_the_same_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is asked once for each format, and again when there are others."""
    asked: list[str] = []

    def choose(accept: str) -> object:
        encode, kind = choose_encoder(accept)
        return lambda collector: (asked.append(kind), encode(collector))[1], kind

    monkeypatch.setattr("flows.metrics.page.choose_encoder", choose)
    now = {("ready",): 0.0}
    page = Page(lambda: now)
    for value in (0.0, 1.0, math.inf):
        now = {("ready",): value}
        for accept in ACCEPTED[::2]:
            assert b"driftnet_ready" in page.text(accept)[0]
    assert len(asked) == 2
    now = {("ready",): 1.0, ("restarts",): 2.0}
    assert b"driftnet_restarts_total 2.0" in page.text("")[0]
    assert len(asked) == 3
