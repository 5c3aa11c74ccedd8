"""The one collector of prometheus-client: the catalogue, with the numbers of now."""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from flows.counters import Kind
from flows.metrics.catalogue import CATALOGUE, PREFIX, Numbers


class RunCollector(Collector):
    """All metrics of a run, each with all of its series, whenever it is asked."""

    def __init__(self, numbers: Callable[[], Numbers]) -> None:
        """numbers: every series that there is, now."""
        self._numbers = numbers

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        families = {
            name: (CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily)(
                PREFIX + name, metric.help, labels=metric.labels
            )
            for name, metric in CATALOGUE.items()
        }
        for key, value in self._numbers().items():
            families[key[0]].add_metric(key[1:], value)
        yield from families.values()
