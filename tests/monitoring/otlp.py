"""An OTLP receiver: takes what is posted to it, and decodes it with OpenTelemetry's own messages."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

pytest.importorskip("opentelemetry.proto", reason="OpenTelemetry is not here: pip install 'driftnet[otel]'")

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
"""Name and labels -> value."""


def value_of(value: Any) -> Any:
    """Of an attribute."""
    return getattr(value, value.WhichOneof("value"))


def attributes_of(found: Any) -> dict[str, Any]:
    """Of a span, a point or a resource."""
    return {pair.key: value_of(pair.value) for pair in found.attributes}


@dataclass
class Receiver:
    """status: what it answers.  metrics: of each request, what it said."""

    status: int = 200
    url: str = ""
    metrics: list[Series] = field(default_factory=list)
    cumulative: set[str] = field(default_factory=set)
    """Names of sums that only grow, told from the beginning."""
    units: dict[str, str] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    requests: int = 0

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/metrics":
            series: Series = {}
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.resources.append(attributes_of(resource.resource))
                for metric in (m for scope in resource.scope_metrics for m in scope.metrics):
                    self.units[metric.name] = metric.unit
                    if metric.sum.is_monotonic and metric.sum.aggregation_temporality == 2:
                        self.cumulative.add(metric.name)
                    for point in (*metric.sum.data_points, *metric.gauge.data_points):
                        series[metric.name, frozenset(attributes_of(point).items())] = point.as_double
            self.metrics.append(series)
        elif path == "/v1/traces":
            for of in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(attributes_of(of.resource))
                self.spans += [span for scope in of.scope_spans for span in scope.spans]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """While the block runs."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.requests += 1
            receiver.headers |= dict(self.headers.items())
            if receiver.status == 200:
                receiver.take(self.path, body)
            self.send_response(receiver.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    with Quiet(("127.0.0.1", port), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield receiver
        server.shutdown()


def wait_for(what: Callable[[], Any], patience_s: float = 60.0) -> Any:
    """What it gives, once it gives something."""
    until_s = time.monotonic() + patience_s
    while not (found := what()):
        assert time.monotonic() < until_s, "nothing came of it"
        time.sleep(0.02)
    return found
