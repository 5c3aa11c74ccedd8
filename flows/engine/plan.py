"""A run, described: what every process of it must know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flows.batches import BATCH_LINES
from flows.engine.sink import Openers
from flows.engine.supervise import Restarts
from flows.metrics.facts import Facts
from flows.sources.base import Source
from flows.stages import Stages
from state.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Options:
    """How to run, as opposed to what: nothing here changes an alert.

    workers: threads per process; they share one core's worth of Python.  processes: on this machine, one core each.
    batch_lines: lines read at a time.  epoch_s: time between checkpoints, and the only backpressure.
    live: silent partitions let event time go on.  state_dir: where state survives; None for a run without.
    restarts: of processes that die; they need a state_dir.  drain_s: how long a run that was asked to stop may take.
    addresses, index: "host:port" of each of several hosts that run one process each, and which of them this is.
    listen: where the supervising process answers /metrics, /livez and /readyz, "HOST:PORT"; "" for nowhere.
    network_state: no other host uses the network file system that state_dir is on.
    alert_log: whether each alert is a line of the log.  traced: whether its trace is exported.
    prepare: called first in each process of its own that the run starts; picklable.
    finish: whether the end of the input closes all windows.  False is for runs with a state_dir: there the end of what
    may get more (files, pipes) pauses the run, and a later one goes on as if there had been none.
    """

    workers: int = 1
    processes: int = 1
    batch_lines: int = BATCH_LINES
    epoch_s: float = 5.0
    live: bool = False
    state_dir: Path | None = None
    restarts: Restarts = field(default_factory=Restarts)
    drain_s: float = 30.0
    addresses: tuple[str, ...] = ()
    index: int = 0
    finish: bool = True
    prepare: Callable[[], None] | None = None
    listen: str = ""
    network_state: bool = False
    alert_log: bool = False
    traced: bool = False

    @property
    def members(self) -> tuple[int, ...]:
        """The numbers of the processes that this one supervises."""
        return (self.index,) if self.addresses else tuple(range(self.processes))


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a process needs to take part in a run; picklable if its parts are.

    sources: partition name -> the source that opens it.  openers: the sinks.  notes: texts by file name, for people and
    tools that look into the state directory.  facts: for who is asked what the run does.
    """

    stages: Stages
    sources: Mapping[str, Source]
    openers: Openers
    options: Options
    notes: Mapping[str, str] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)


def partitions_of(sources: Sequence[Source]) -> dict[str, Source]:
    """Partition name -> source, in the order given.  Raises ConfigError when two partitions have one name."""
    of_name: dict[str, Source] = {}
    for source in sources:
        for name in source.partition_names():
            if name in of_name:
                raise ConfigError(f"two sources have a partition named {name!r}; give one of the sources another name")
            of_name[name] = source
    return of_name
