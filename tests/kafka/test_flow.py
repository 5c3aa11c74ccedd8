"""Topics in, topics out: the records are those of the local driver on the same lines, whatever is killed meanwhile."""

import multiprocessing
import signal
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from flows.drive.assembly import Opener
from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.engine.supervise import WorkerError
from flows.job import Job
from flows.job_stages import JobStages
from flows.sinks.specs import KafkaSink
from flows.sources.base import Source
from flows.sources.kafka import KafkaSpec
from flows.streams import Stream
from flows.summary import Summary
from tests.engine.interrupted import AtRead, die
from tests.engine.scenarios import SCENARIOS, STREAMS, Told, run_local, same, totals_of, write_files
from tests.kafka.brokers import real_kafka
from tests.kafka.topics import Cluster

_PARTS = 2
Topics = Mapping[Stream, str]


@cache
def job_of(name: str) -> Job:
    return SCENARIOS[name].job()


@cache
def _reference(name: str, place: Path) -> Told:
    return run_local(job_of(name), write_files(name, _PARTS, place), place / "out", 8192)


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return {name: tmp_path_factory.mktemp(name) for name in SCENARIOS}


def reference(name: str, places: Mapping[str, Path], topic: str) -> Told:
    """What the local driver says of the same lines in files, as if those were the topic's partitions."""
    records, totals = _reference(name, places[name])
    here = str(places[name])
    known = {f"/events-{i}.jsonl": f"{topic}/{i}" for i in range(_PARTS)} | {
        f"{here}/events-{i}.jsonl": f"{topic}/{i}" for i in range(_PARTS)
    }

    def renamed(text: str) -> str:
        record = orjson.loads(text)
        return _plain(record | ({"source": known[record["source"]]} if "source" in record else {}))

    return {stream: sorted(map(renamed, texts)) for stream, texts in records.items()}, totals


def _plain(record: dict[str, Any]) -> str:
    """Of a line that is too long a file gives the beginning, and Kafka all of it.  What is said of events ahead names
    their partition, which is not a file's.
    """
    if record.get("reason") == "ahead":
        record = {k: v for k, v in record.items() if k != "detail"}
    if record.get("what") == "lines":
        record = {k: v for k, v in record.items() if k not in ("event_id", "evidence")}
        record["name"] = record["name"].partition(" in ")[0]
    if record.get("reason") == "too_long":
        del record["detail"], record["raw_bytes"]
    return orjson.dumps(record).decode()


def fill(cluster: Cluster, name: str, places: Mapping[str, Path]) -> KafkaSpec:
    """The scenario's lines in a topic, its partitions as the files are."""
    topic = cluster.create(_PARTS, name.replace("_", "-"))
    for i, file in enumerate(write_files(name, _PARTS, places[name]).paths):
        cluster.lines(topic, Path(file).read_bytes().split(b"\n"), i)
    return KafkaSpec(cluster.connection, (topic,), "main", until="now")


def outputs(cluster: Cluster) -> Topics:
    return {stream: cluster.create(2, stream.value) for stream in STREAMS}


def plan(cluster: Cluster, job: Job, source: Source, topics: Topics, options: Options, tx: str = "") -> Plan:
    sources = partitions_of([source])
    openers: dict[str, Any] = {
        stream.value: (
            stream,
            Opener(KafkaSink(cluster.connection, topic, tx and f"{tx}-{stream}", 30.0), stream.value, "run"),
        )
        for stream, topic in topics.items()
    }
    return Plan(JobStages(job, tuple(sources)).stages(), sources, openers, options)


def told(cluster: Cluster, topics: Topics, summary: Summary) -> Told:
    return {
        s.value: sorted(_plain(orjson.loads(m.value())) for m in cluster.read(t, 2)) for s, t in topics.items()
    }, totals_of(summary.to_json())


@pytest.mark.parametrize("name", SCENARIOS)
def test_topics_say_what_files_say(cluster: Cluster, places: Mapping[str, Path], tmp_path: Path, name: str) -> None:
    """Every record of every stream, and all totals, as of the local driver on files."""
    source, topics = fill(cluster, name, places), outputs(cluster)
    options = Options(batch_lines=500, epoch_s=0.05, state_dir=tmp_path / "state")
    found = told(cluster, topics, execute(plan(cluster, job_of(name), source, topics, options)))
    same(found, reference(name, places, source.topics[0]))


def run_and_die(*args: Any) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_run, args=args)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    process.close()


def _run(*args: Any) -> None:
    execute(plan(*args))


@pytest.mark.parametrize(
    ("epoch_s", "deaths"), [(5.0, [4]), (0.0, [3, 9]), (0.05, [6, 8])], ids=["no checkpoint", "each batch", "some"]
)
def test_kills_lose_and_repeat_nothing(
    cluster: Cluster, places: Mapping[str, Path], tmp_path: Path, epoch_s: float, deaths: list[int]
) -> None:
    """Killed runs that go on write each record once, read by whatever consumer."""
    source, topics = fill(cluster, "hot_card", places), outputs(cluster)
    options = Options(batch_lines=200, epoch_s=epoch_s, state_dir=tmp_path / "state")
    job = job_of("hot_card")
    for reads in deaths:
        run_and_die(cluster, job, AtRead(source, reads, die), topics, options)
    found = told(cluster, topics, execute(plan(cluster, job, source, topics, options)))
    same(found, reference("hot_card", places, source.topics[0]))


@real_kafka
def test_kills_with_transactions(cluster: Cluster, places: Mapping[str, Path], tmp_path: Path) -> None:
    """With transactions too, and what killed runs left open is never seen."""
    source, topics = fill(cluster, "hot_card", places), outputs(cluster)
    options = Options(batch_lines=200, epoch_s=0.1, state_dir=tmp_path / "state")
    job, tx = job_of("hot_card"), source.topics[0]
    for reads in (5, 7):
        run_and_die(cluster, job, AtRead(source, reads, die), topics, options, tx)
    found = told(cluster, topics, execute(plan(cluster, job, source, topics, options, tx)))
    same(found, reference("hot_card", places, source.topics[0]))


def test_two_processes_one_is_killed(cluster: Cluster, places: Mapping[str, Path], tmp_path: Path) -> None:
    """Two processes share the partitions; after the death of one, another run says what an undisturbed one says."""
    source, topics = fill(cluster, "hot_card", places), outputs(cluster)
    options = Options(processes=2, batch_lines=200, epoch_s=0.05, state_dir=tmp_path / "state")
    job = job_of("hot_card")
    with pytest.raises(WorkerError, match="exit code -9"):
        execute(plan(cluster, job, AtRead(source, 8, die), topics, options))
    found = told(cluster, topics, execute(plan(cluster, job, source, topics, options)))
    same(found, reference("hot_card", places, source.topics[0]))
