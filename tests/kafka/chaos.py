"""Topic in, topics out, under fire: runs and brokers are killed at random moments, and what is found at the end is what
the local driver finds in the same events.

`python -m tests.kafka.chaos --kills 30 --seed 1` on Tansu; with DRIFTNET_KAFKA_JARS on Apache Kafka, which dies too.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from flows.config import loads
from flows.drive.assembly import Assembly
from flows.drive.local import LocalDriver
from flows.simulate.config import SimulationSpec
from flows.simulate.platform import Platform
from flows.sinks.specs import JsonlSink, open_sink
from flows.streams import Stream
from tests.engine.scenarios import totals_of
from tests.kafka.brokers import JARS, Broker, apache, tansu
from tests.kafka.topics import Cluster

_STREAMS: Final = (Stream.ALERTS, Stream.DRIFT, Stream.LATE, Stream.REJECTS, Stream.AUDIT)
_PARTITIONS: Final = 4
_KILLS_PER_LIFE: Final = 15


def _config(cluster: Cluster, topics: Mapping[str, str], transactions: bool) -> str:
    def table(name: str, **more: str) -> str:
        rest = "".join(f', {key} = "{value}"' for key, value in more.items())
        return f'{{ kind = "kafka", brokers = "{cluster.brokers}", {name}{rest} }}'

    sources = {
        name: table(f'topics = "{topics[name]}"', until="now", reads=reads)
        for name, reads in (("plays", "events"), ("labels", "labels"), ("control", "control"))
    }
    sinks = {
        s.value: table(
            f'topic = "{topics[s.value]}"', **({"transactional_id": topics[s.value]} if transactions else {})
        )
        for s in _STREAMS
    }
    lines = [f"{name} = {text}" for name, text in sources.items()]
    judge = """
[detectors.judge]
type = "river"
windows = ["w1h"]
params = { path = "river.linear_model.LogisticRegression", params = {}, warmup = 32 }
"""
    outputs = [f"{name} = {text}" for name, text in sinks.items()]
    return judge + "\n".join(["[sources]", *lines, "[sinks]", *outputs, ""])


def _fill(cluster: Cluster, topics: Mapping[str, str], platform: Platform) -> None:
    """A day's events, what people found out about every tenth account that afternoon, and some commands."""
    for number, partition in enumerate(platform.partitions()):
        lines = [line for piece in platform.lines(partition) for line in piece]
        cluster.lines(topics["plays"], lines, number)
    began_us = platform.spec.start_us
    labels = [
        {"subject": account["user_id"], "label": int(account["is_attacker"]), "at": began_us // 1000 + 1000 * i}
        for i, account in enumerate(platform.truth())
        if account["is_attacker"] or i % 10 == 0
    ]
    cluster.lines(
        topics["labels"], [json.dumps(label | {"at": label["at"] + 12 * 3_600_000}).encode() for label in labels]
    )
    commands = [("pause", 6), ("resume", 9), ("disable", 14), ("resume", 16)]
    cluster.lines(
        topics["control"],
        [
            json.dumps({"command": verb, "detector": "population", "at": began_us // 1000 + h * 3_600_000}).encode()
            for verb, h in commands
        ],
    )


def _expected(config: str, place: Path) -> tuple[dict[str, Counter[str]], dict[str, Any]]:
    """What the local driver says of the same topics."""
    found = loads(config, "chaos")
    partitions, reads = Assembly(found).inputs()
    sinks = {s: [open_sink(JsonlSink(str(place / f"{s}.jsonl"), overwrite=True), s.value)] for s in _STREAMS}
    summary = LocalDriver(found.job(), partitions, sinks, reads=reads).run()
    for opened in sinks.values():
        opened[0].close()
    texts = {s.value: Counter((place / f"{s}.jsonl").read_text().splitlines()) for s in _STREAMS}
    return texts, summary.to_json()


class Life:
    """A job from its first start to its end."""

    def __init__(self, broker: Broker, platform: Platform, place: Path, seed: int) -> None:
        self._rng = random.Random(seed)
        self._broker = broker
        self._place = place
        self._cluster = Cluster(broker.address)
        self._platform = platform
        self.kills: Counter[str] = Counter()

    def live(self, kills: int) -> None:
        """Raises AssertionError when anything is missing, or there twice."""
        topics = {"plays": self._cluster.create(_PARTITIONS, "plays")}
        topics |= {name: self._cluster.create(1, name) for name in ("labels", "control")}
        topics |= {s.value: self._cluster.create(2, s.value) for s in _STREAMS}
        config = _config(self._cluster, topics, transactions=bool(JARS) and self._rng.random() < 0.5)
        (self._place / "job.toml").write_text(config)
        _fill(self._cluster, topics, self._platform)
        expected, totals = _expected(config, self._place)
        assert sum(expected["alerts"].values()) > 10, "nothing to compare"
        left = min(kills, _KILLS_PER_LIFE)
        while (out := self._attempt(left > 0)) is None:
            left -= 1
        for stream, texts in expected.items():
            found = Counter(m.value().decode() for m in self._cluster.read(topics[stream], 2))
            assert found == texts, f"{stream}: missing {list(texts - found)[:2]}, too many {list(found - texts)[:2]}"
        summary = json.loads(out[out.index("{") :])["summary"]
        here, there = totals_of(summary), totals_of(totals)
        differ = {k: (here[k], there[k]) for k in there if here[k] != there[k]}
        assert not differ, differ

    def _attempt(self, kill: bool) -> str | None:
        """What the run printed; None when it was killed first."""
        options = ["--state-dir", "kept", "--processes", str(self._rng.choice((1, 2))), "--restarts", "0"]
        command = [sys.executable, "-m", "flows.cli", "run", "job.toml", "--json", "--no-print", "--epoch", "200ms"]
        with (self._place / "log").open("a") as log:
            run = subprocess.Popen([*command, *options], cwd=self._place, stdout=subprocess.PIPE, stderr=log, text=True)
        timer = threading.Timer(self._rng.uniform(1.0, 7.0), self._strike, [run]) if kill else None
        if timer is not None:
            timer.start()
        out, _ = run.communicate(timeout=300)
        if timer is not None:
            timer.cancel()
            timer.join()
        if run.returncode == 0:
            return out
        assert kill, (self._place / "log").read_text()[-3000:]
        return None

    def _strike(self, run: "subprocess.Popen[str]") -> None:
        """The broker and the run at once, the run's first process, or one of the others."""
        children = _children(run.pid)
        victim = self._rng.choice(["run", *(["child"] if children else []), *(["broker and run"] if JARS else [])])
        self.kills[victim] += 1
        if victim == "broker and run":
            self._broker.kill()
        with suppress(ProcessLookupError):
            os.kill(self._rng.choice(children) if victim == "child" else run.pid, signal.SIGKILL)
        if victim == "broker and run":
            self._broker.start()


def _children(pid: int) -> list[int]:
    """The processes that work for a run; the one that multiprocessing starts for itself is not one of them."""
    try:
        found = [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [n for n in found if b"resource_tracker" not in Path(f"/proc/{n}/cmdline").read_bytes()]
    except OSError:
        return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--users", type=int, default=1500)
    given = parser.parse_args()
    began, kills, lives = time.monotonic(), Counter[str](), 0
    platform = Platform(
        SimulationSpec(users=given.users, partitions=_PARTITIONS, duplicate_share=0.01, bad_line_share=1e-4)
    )
    with TemporaryDirectory() as folder, (apache if JARS else tansu)(Path(folder)) as broker:
        while kills.total() < given.kills:
            place = Path(folder) / f"life-{lives}"
            place.mkdir()
            life = Life(broker, platform, place, given.seed * 1000 + lives)
            life.live(given.kills - kills.total())
            kills += life.kills
            lives += 1
            print(f"life {lives}: {life.kills.total()} kills, equal", flush=True)
    told = ", ".join(f"{n} of {what}" for what, n in kills.most_common())
    print(f"{kills.total()} kills survived in {lives} lives, all equal, in {time.monotonic() - began:.0f} s: {told}")


if __name__ == "__main__":
    main()
