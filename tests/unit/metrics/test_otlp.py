"""What is sent to a collector, by a receiver that decodes it."""

import logging
import sys
from collections.abc import Iterator

import pytest

from flows.counters import Kind
from flows.metrics.catalogue import CATALOGUE, PREFIX
from flows.metrics.collector import RunCollector
from flows.metrics.happening import Happening, What, trace_of_alert
from flows.metrics.otlp import Wanted, sending, wanted
from flows.metrics.traces import Span
from state.errors import ConfigError
from tests.monitoring.otlp import Receiver, Series, attributes_of, receiving, wait_for
from tests.unit.metrics.seen import Clock, seen, shipped

BOTH = Wanted(metrics=True, traces=True)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A running one, to which all is sent, quickly."""
    with receiving() as found:
        for name, value in {
            "OTEL_EXPORTER_OTLP_ENDPOINT": found.url,
            "OTEL_METRIC_EXPORT_INTERVAL": "60",
            "OTEL_BSP_SCHEDULE_DELAY": "60",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        }.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Wanted()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, BOTH),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "True"}, Wanted()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, Wanted(metrics=True)),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics"}, Wanted(metrics=True)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, Wanted(traces=True)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, BOTH),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, Wanted()),
    ],
)
def test_the_environment_says_what_is_sent(environ: dict[str, str], expected: Wanted) -> None:
    """A signal is, where it has an endpoint and nobody turns it off."""
    assert wanted(environ) == expected
    assert bool(wanted(environ)) == (expected != Wanted())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_METRICS_EXPORTER", "console"),
    ],
)
def test_what_is_not_spoken_is_refused(name: str, value: str) -> None:
    """With what was seen and what is allowed."""
    with pytest.raises(ConfigError, match=f"{name}: seen '{value}', allowed: (http/protobuf|otlp, none)"):
        wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", name: value})


@pytest.mark.parametrize(("name", "value"), [("OTEL_METRIC_EXPORT_INTERVAL", "-5"), ("OTEL_BSP_MAX_QUEUE_SIZE", "-1")])
def test_settings_that_opentelemetry_refuses(
    name: str, value: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Are mistakes of whoever set them, and told before the run begins."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="OpenTelemetry's variables"), sending("r1", "1", BOTH):
        pass


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what to install; a run that is not to send anything needs nothing."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    with pytest.raises(ConfigError, match=r"pip install \"driftnet\[otel\]\", or set OTEL_SDK_DISABLED=true"):
        wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"})
    assert not wanted({})


def scraped(collector: RunCollector) -> Series:
    """What /metrics would say, under the names that collectors know metrics by."""
    return {
        (family.name, frozenset(sample.labels.items())): sample.value
        for family in collector.collect()
        for sample in family.samples
    }


def test_metrics_are_those_of_a_scrape(receiver: Receiver) -> None:
    """Every series of the catalogue, with its value, at the same moment; also when the numbers change."""
    clock = Clock()
    with sending("r1", "1.2.3", Wanted(metrics=True)) as overview:
        overview._clock_s = clock
        overview.begin(shipped(), {}, None, lambda: (3, 900.0))
        overview.start()
        overview._look_at_checkpoints()
        wait_for(lambda: receiver.metrics)
        for n in (1, 2):
            overview.take(0, seen(clock, counts={"read": 70 * n, "rejected.not_json": 3 * n}, waiting=2))
            expected = {
                key: n for key, n in scraped(RunCollector(overview.numbers)).items() if "disk_free" not in key[0]
            }
            had = len(receiver.metrics)
            wait_for(lambda had=had: len(receiver.metrics) > had + 1)
            told = {key: value for key, value in receiver.metrics[-1].items() if "disk_free" not in key[0]}
            assert told == expected
            assert told[f"{PREFIX}lines_read", frozenset()] == 70 * n
    counters = {PREFIX + metric.name for metric in CATALOGUE.values() if metric.kind is Kind.COUNTER}
    assert receiver.cumulative == counters & receiver.units.keys()
    assert {key[0] for key in receiver.metrics[-1]} == {PREFIX + name for name in CATALOGUE}
    assert receiver.units["driftnet_checkpoint_seconds"] == "s"
    assert receiver.units["driftnet_state_bytes"] == "By"
    assert receiver.units["driftnet_lines_read"] == ""
    assert receiver.spans == [], "not asked for"


def test_who_sends(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run; the environment has the last word, and its headers go with every request."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.version=9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue")
    with sending("r1", "1.2.3", BOTH):
        wait_for(lambda: receiver.metrics)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "fraud")
    with sending("r2", "1.2.3", BOTH):
        pass
    first, last = receiver.resources[0], receiver.resources[-1]
    assert (first["service.name"], first["service.instance.id"], first["service.version"]) == ("driftnet", "r1", "9")
    assert first["deployment.environment.name"] == "test"
    assert (last["service.name"], last["service.instance.id"]) == ("fraud", "r2")
    assert receiver.headers["x-tenant"] == "blue"


def test_spans_are_sent(receiver: Receiver) -> None:
    """At the times at which they were, with their parts; an alert's under the id that is known without asking."""
    clock = Clock()
    with sending("r1", "1.2.3", Wanted(traces=True)) as overview:
        overview.begin(shipped(processes=(0,)), {}, None, lambda: (3, 990.0))
        overview.start(frozenset({("subject", "1")}))
        happened = [
            Happening(What.RESTORE, "subject", 980.0, 980.5, {"bytes": 5}),
            Happening(What.ALERT, "sinks", 981.0, 981.25, {"alert.id": "a1"}),
            Happening(What.ROUND, "population", 982.0, 984.0, {"round.rows": 7}),
        ]
        overview.take(0, seen(clock, happened=happened))
        overview.gone()
    assert sorted(span.name for span in receiver.spans) == ["alert", "restore", "restore subject", "slow round"]
    (alert,), (slow,), (whole,), (child,) = map(receiver.named, ("alert", "slow round", "restore", "restore subject"))
    assert int.from_bytes(alert.trace_id, "big") == trace_of_alert("r1", "a1")
    assert attributes_of(alert)["driftnet.alert.id"] == "a1"
    assert (alert.start_time_unix_nano, alert.end_time_unix_nano) == (981 * 10**9, 981_250_000_000)
    assert (slow.end_time_unix_nano - slow.start_time_unix_nano, attributes_of(slow)["driftnet.round.rows"]) == (2e9, 7)
    assert (child.trace_id, child.parent_span_id) == (whole.trace_id, whole.span_id)
    assert len({alert.trace_id, slow.trace_id, whole.trace_id}) == 3
    assert whole.status.code == 2, "the processes ended before the run was ready"
    assert receiver.metrics == [], "not asked for"


def test_a_collector_that_is_away(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once of each signal, and once that it answers again; what waits for it is bounded."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "32")
    caplog.set_level(logging.INFO)
    receiver.status = 500
    with sending("r1", "1.2.3", BOTH) as overview:
        emit = overview._traces._emit  # type: ignore[union-attr]
        for n in range(5_000):
            emit(Span(f"span {n}", 1.0, 2.0, {}))
        wait_for(lambda: receiver.requests > 8)
        away = [r.getMessage() for r in caplog.records if "do not arrive" in r.getMessage()]
        assert sorted(text.split()[0] for text in away) == ["metrics", "traces"]
        assert all(receiver.url in text and "Internal Server Error" in text for text in away), away
        receiver.status = 200
        wait_for(lambda: receiver.metrics and len([r for r in caplog.records if "again" in r.getMessage()]) > 1)
    assert 0 < len(receiver.spans) <= 64 + 32, "the queue, and a batch under way"
    assert {record.name for record in caplog.records} == {"driftnet.metrics"}
    assert len(caplog.records) == 4


def test_the_end_does_not_wait_long(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody listens where it should: the block ends, and says so."""
    with receiving() as gone:
        url = gone.url
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setattr("flows.metrics.otlp._END_S", 0.3)
    with sending("r1", "1.2.3", BOTH) as overview:
        overview._traces._emit(Span("span", 1.0, 2.0, {}))  # type: ignore[union-attr]
    assert sorted(r.getMessage().split()[0] for r in caplog.records) == ["metrics", "traces"]
    assert logging.getLogger("opentelemetry").propagate
    assert not logging.getLogger("opentelemetry").handlers
