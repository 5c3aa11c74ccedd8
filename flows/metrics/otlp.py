"""Metrics and traces of a run, sent by the supervising process to an OpenTelemetry collector: OTLP over HTTP, protobuf.

Switched on, and set, by OpenTelemetry's own environment variables.  Metrics are those of flows.metrics.catalogue, under
the names from which a collector makes the names that /metrics has.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flows.counters import Kind
from flows.metrics.catalogue import CATALOGUE, PREFIX, Numbers
from flows.metrics.overview import Overview
from flows.metrics.traces import Span, Traces
from state.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import Tracer

_log: Final = logging.getLogger("driftnet.metrics")
_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL: Final = "http/protobuf"
_END_S: Final = 5.0
"""How long the end of a run waits for a collector, for metrics and for traces."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whether metrics, and whether traces, are to be sent."""

    metrics: bool = False
    traces: bool = False

    def __bool__(self) -> bool:
        return self.metrics or self.traces


def wanted(environ: Mapping[str, str]) -> Wanted:
    """What the environment asks for: each signal that has an endpoint, and is not turned off.  Raises ConfigError for a
    protocol that is not spoken, and where OpenTelemetry is not installed.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Wanted()
    found = Wanted(*(_is_wanted(signal, environ) for signal in ("METRICS", "TRACES")))
    if found:
        try:
            import opentelemetry.exporter.otlp.proto.http.metric_exporter
            import opentelemetry.sdk.metrics  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                f"{_ENDPOINT} is set, and what sends metrics and traces there is not installed ({error}); install it:"
                ' pip install "driftnet[otel]", or set OTEL_SDK_DISABLED=true'
            ) from error
    return found


def _is_wanted(signal: str, environ: Mapping[str, str]) -> bool:
    if not (environ.get(_ENDPOINT) or environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")):
        return False
    exporter = environ.get(f"OTEL_{signal}_EXPORTER", "otlp").strip() or "otlp"
    if exporter == "none":
        return False
    if exporter != "otlp":
        raise ConfigError(f"OTEL_{signal}_EXPORTER: seen {exporter!r}, allowed: otlp, none")
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if (protocol := environ.get(name, "").strip() or _PROTOCOL) != _PROTOCOL:
            raise ConfigError(f"{name}: seen {protocol!r}, allowed: {_PROTOCOL} (port 4318 of most collectors)")
    return True


@contextmanager
def sending(run: str, version: str, what: Wanted) -> Iterator[Overview]:
    """An overview of a run, of which metrics and traces are sent while the block runs, and a last time at its end.

    A collector that is away costs nothing but what it would have been told: metrics are told anew the next time, and of
    spans a bounded queue is kept.  It is said once, and again when it answers.
    """
    resource, outcome = _resource(run, version), _Outcome()
    with ExitStack() as stack:
        stack.enter_context(outcome.heard())
        traces = Traces(run, stack.enter_context(_sending_spans(resource, outcome))) if what.traces else None
        overview = Overview(traces=traces)
        if what.metrics:
            stack.enter_context(_sending_metrics(resource, outcome, overview.numbers))
        yield overview


def _resource(run: str, version: str) -> "Resource":
    """Who sends: the environment has the last word (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES)."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    ours = Resource({"service.name": "driftnet", "service.version": version, "service.instance.id": run})
    return Resource.create().merge(ours).merge(OTELResourceDetector().detect())


class _Outcome(logging.Handler):
    """Of what is sent: says when it begins to fail, and when it arrives again.  Hears what OpenTelemetry logs, which
    says every failure several times, and keeps the first of it.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._why: dict[str, str] = {}
        """Name of who logs it -> what it said first of an attempt."""
        self._failing: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self._why.setdefault(record.name, record.getMessage())

    @contextmanager
    def heard(self) -> Iterator[None]:
        """In place of OpenTelemetry's own log, while the block runs."""
        theirs = logging.getLogger("opentelemetry")
        theirs.addHandler(self)
        before, theirs.propagate = theirs.propagate, False
        try:
            yield
        finally:
            theirs.propagate = before
            theirs.removeHandler(self)

    def of(self, what: str, exporter: Any, *, well: bool) -> None:
        """An attempt is over.  what: was sent."""
        endpoint, why = exporter._endpoint, self._why.pop(type(exporter).__base__.__module__, "no reason is known")
        if not well and what not in self._failing:
            self._failing.add(what)
            _log.warning("%s do not arrive at %s; the run goes on, and this is said once. %s", what, endpoint, why)
        elif well and what in self._failing:
            self._failing.remove(what)
            _log.info("%s arrive at %s again", what, endpoint)


@contextmanager
def _sending_metrics(resource: "Resource", outcome: _Outcome, numbers: Callable[[], Numbers]) -> Iterator[None]:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader

    class Exporter(OTLPMetricExporter):
        def export(self, *args: Any, **more: Any) -> MetricExportResult:
            result = super().export(*args, **more)
            outcome.of("metrics", self, well=result is MetricExportResult.SUCCESS)
            return result

    with _read():
        reader = PeriodicExportingMetricReader(Exporter())
    provider = MeterProvider([reader], resource, shutdown_on_exit=False)
    _instruments(provider.get_meter("driftnet"), numbers)
    try:
        yield
    finally:
        provider.shutdown(timeout_millis=_END_S * 1e3)


def _instruments(meter: "Meter", numbers: Callable[[], Numbers]) -> None:
    """One for each metric of the catalogue.  All that is told together is of one moment."""
    from opentelemetry.metrics import Observation

    moment: dict[str, list[Observation]] = {}
    """Metric -> what is still to be told of it."""

    def told(name: str) -> list[Observation]:
        if name not in moment:  # it is asked for the next time
            moment.update({name: [] for name in CATALOGUE})
            for (of, *values), value in numbers().items():
                moment[of].append(Observation(value, dict(zip(CATALOGUE[of].labels, values, strict=True))))
        return moment.pop(name)

    for name, metric in CATALOGUE.items():
        make = meter.create_observable_counter if metric.kind is Kind.COUNTER else meter.create_observable_gauge
        make(PREFIX + name, [lambda _, name=name: told(name)], metric.unit, metric.help)  # type: ignore[misc]


@contextmanager
def _sending_spans(resource: "Resource", outcome: _Outcome) -> Iterator[Callable[[Span], None]]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Exporter(OTLPSpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            result = super().export(spans)
            outcome.of("traces", self, well=result is SpanExportResult.SUCCESS)
            return result

    class Ids(RandomIdGenerator):
        """The ids of traces are told where they are known before."""

        known: int | None = None

        def generate_trace_id(self) -> int:
            return super().generate_trace_id() if self.known is None else self.known

    with _read():
        ids, exporter = Ids(), Exporter()
        provider = TracerProvider(resource=resource, id_generator=ids, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("driftnet")

    def emit(span: Span) -> None:
        ids.known = span.trace
        _record(tracer, span, None)

    try:
        yield emit
    finally:
        enough = threading.Timer(_END_S, exporter.shutdown)
        enough.start()
        provider.shutdown()
        enough.cancel()


@contextmanager
def _read() -> Iterator[None]:
    """OpenTelemetry reads its variables."""
    try:
        yield
    except ValueError as error:
        raise ConfigError(f"one of OpenTelemetry's variables (OTEL_...) is none that it takes: {error}") from error


def _record(tracer: "Tracer", span: Span, within: Any) -> None:
    """With its children.  within: the context of the span that it is a part of."""
    from opentelemetry.context import Context
    from opentelemetry.trace import Status, StatusCode, set_span_in_context

    began_ns, ended_ns = (int(at_s * 1e9) for at_s in (span.began_s, span.ended_s))
    found = tracer.start_span(span.name, within or Context(), attributes=span.attributes, start_time=began_ns)
    for child in span.children:
        _record(tracer, child, set_span_in_context(found))
    if span.error:
        found.set_status(Status(StatusCode.ERROR, span.error))
    found.end(ended_ns)
