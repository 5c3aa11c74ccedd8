"""Whole runs that write to servers: killed again and again, and with all servers away for a minute."""

import json
import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Timer
from typing import Any

import psycopg
import pytest
import redis

from flows.drive.assembly import Opener
from flows.drive.worker import JobStages
from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.sinks import PostgresSink, RedisSink, SinkSpec, WebhookSink
from flows.sources.base import Source
from flows.streams import Stream
from tests.engine.interrupted import AtRead, die
from tests.engine.scenarios import SCENARIOS, run_local, write_files
from tests.servers.running import Receiver, Server

JOB = SCENARIOS["hot_card"].job()
WRITTEN = (Stream.ALERTS, Stream.SCORES)
DOWN_S = 60.0
pytestmark = pytest.mark.parametrize("cache", ["valkey-server"], indirect=True)  # each sink's own tests take Redis too


class Ends:
    """Where the sinks of a run are, and what arrived there."""

    def __init__(self, database: Server, cache: Server, receiver: Receiver, dead_letters: Path) -> None:
        self.servers = (database, cache, receiver)
        self._database, self._cache, self._receiver, self._dead_letters = database, cache, receiver, dead_letters
        with psycopg.connect(database.url, autocommit=True) as db:
            db.execute("DROP TABLE IF EXISTS alerts, scores")
        with redis.Redis.from_url(cache.url) as client:
            client.flushall()

    def openers(self) -> dict[str, tuple[Stream, Opener]]:
        kinds: Mapping[str, SinkSpec] = {
            "postgres": PostgresSink(self._database.url),
            "keys": RedisSink(self._cache.url, prefix="keys"),
            "stream": RedisSink(self._cache.url, form="stream"),
            "webhook": WebhookSink(self._receiver.url, str(self._dead_letters)),
        }
        return {
            f"{stream}.{kind}": (stream, Opener(spec, stream, "run"))
            for stream in WRITTEN
            for kind, spec in kinds.items()
            if kind in ("postgres", "stream") or stream is Stream.ALERTS
        }

    def check(self, expected: Mapping[str, list[str]], *, webhook_again: bool) -> None:
        """All records are there, each once; of webhooks by the id.  webhook_again: it may have come twice."""
        for stream in WRITTEN:
            wanted = Counter(map(canonical, map(json.loads, expected[stream.value])))
            assert Counter(map(canonical, self._rows(stream))) == wanted
            assert Counter(map(canonical, self._entries(stream))) == wanted
        alerts = Counter(canonical(json.loads(line)) for line in expected["alerts"])
        arrived = {request.headers["webhook-id"]: canonical(request.json()) for request in self._receiver.requests}
        assert Counter(arrived.values()) == alerts
        assert webhook_again or len(self._receiver.requests) == len(arrived)
        assert not self._dead_letters.exists()
        with redis.Redis.from_url(self._cache.url) as client:
            kept = [json.loads(client.get(key) or b"") for key in client.keys("keys:*")]
        assert Counter(map(canonical, kept)) == alerts

    def _rows(self, stream: Stream) -> Iterator[Any]:
        with psycopg.connect(self._database.url) as db:
            yield from (record for (record,) in db.execute(f"SELECT record FROM {stream}"))

    def _entries(self, stream: Stream) -> Iterator[Any]:
        with redis.Redis.from_url(self._cache.url, decode_responses=True) as client:
            yield from (json.loads(fields["record"]) for _, fields in client.xrange(f"driftnet:{stream}"))


def canonical(record: Any) -> str:
    return json.dumps(record, sort_keys=True)


@pytest.fixture
def ends(database: Server, cache: Server, receiver: Receiver, tmp_path: Path) -> Ends:
    return Ends(database, cache, receiver, tmp_path / "dead.jsonl")


def run(source: Source, openers: Any, options: Options) -> None:
    sources = partitions_of([source])
    execute(Plan(JobStages(JOB, tuple(sources)).stages(), sources, openers, options))


@pytest.mark.parametrize(
    ("epoch_s", "workers", "deaths"),
    [(3600.0, 1, [12]), (0.0, 1, [9, 9]), (0.05, 2, [7])],
    ids=["before the first checkpoint", "a checkpoint per batch, two kills", "two workers"],
)
def test_kill_changes_nothing(tmp_path: Path, ends: Ends, epoch_s: float, workers: int, deaths: list[int]) -> None:
    """Runs that are killed and resumed leave the records of one run, each once; webhooks know by the id what comes
    again.
    """
    source = write_files("hot_card", 2, tmp_path)
    expected, _ = run_local(JOB, source, tmp_path / "whole", 8192)
    assert len(expected["alerts"]) > 3
    options = Options(workers=workers, batch_lines=200, epoch_s=epoch_s, state_dir=tmp_path / "state")
    for reads in deaths:
        arguments = AtRead(source, reads, die), ends.openers(), options
        process = multiprocessing.get_context("spawn").Process(target=run, args=arguments)
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        process.close()
    run(source, ends.openers(), options)
    ends.check(expected, webhook_again=True)


def test_servers_that_are_away_for_a_minute(tmp_path: Path, ends: Ends) -> None:
    """All of them, stopped in the middle of a run and started again: the run waits, and nothing is lost or doubled."""
    source = write_files("hot_card", 2, tmp_path)
    expected, _ = run_local(JOB, source, tmp_path / "whole", 8192)
    back: list[Timer] = []
    began_s = time.monotonic()

    def stop_all() -> None:
        if not back:
            back.append(Timer(DOWN_S, start_all))
            back[0].start()
            for server in ends.servers:
                server.stop()

    def start_all() -> None:
        for server in ends.servers:
            server.start()

    options = Options(batch_lines=200, epoch_s=0.1, state_dir=tmp_path / "state")
    run(AtRead(source, 9, stop_all), ends.openers(), options)
    back[0].join()
    assert time.monotonic() - began_s > DOWN_S
    ends.check(expected, webhook_again=False)
