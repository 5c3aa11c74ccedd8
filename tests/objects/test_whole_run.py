"""`driftnet run --archive`: killed, its disk lost, started elsewhere; what it says is what one quiet run says."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from flows.archive.head import Head, read_head
from flows.metrics.status import status
from tests.engine.scenarios import SCENARIOS, lines_of
from tests.objects.running import S3, Bucket

SCENARIO = "hot_card"
OUTPUTS = """
[sinks]
alerts = [{ kind = "jsonl", path = "OUT/alerts.jsonl" }, { kind = "sqlite", path = "OUT/driftnet.db" }]
scores = [{ kind = "jsonl", path = "OUT/scores.jsonl" }]
late = []
rejects = []
drift = []
"""


class Job:
    """A configuration, events that may become more, and hosts whose disks come and go."""

    def __init__(self, place: Path, bucket: Bucket) -> None:
        self.place, self.bucket = place, bucket
        self.lines = lines_of(SCENARIO)
        self.events = place / "events.jsonl"
        self.out = place / "out"

    def config(self, out: Path) -> Path:
        file = self.place / f"{out.name}.toml"
        sources = f'[sources.main]\nkind = "files"\npaths = ["{self.events}"]\n'
        given = SCENARIOS[SCENARIO].config.partition("[sinks]")[0]
        file.write_text(f"{given}\n{sources}{OUTPUTS.replace('OUT', str(out))}")
        return file

    def feed(self, lines: int) -> None:
        """So many are there."""
        self.events.write_bytes(b"".join(line + b"\n" for line in self.lines[:lines]))

    def start(self, state: str, *options: str, archive: bool = True) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "flows.cli", "run", str(self.config(self.out)), "--state-dir", state]
        command += ["--no-print", "--json", "--epoch", "20ms", "--batch-lines", "50", *options]
        if archive:
            command += ["--archive", self.bucket.url("job"), "--archive-every", "100ms"]
        return subprocess.Popen(
            command, cwd=self.place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def run(self, state: str, *options: str) -> tuple[dict[str, Any], str]:
        """To its end; its summary and its log."""
        process = self.start(state, *options)
        out, err = process.communicate(timeout=180)
        assert process.returncode == 0, err
        return json.loads(out)["summary"], err

    def head(self) -> Head | None:
        found = read_head(self.bucket.objects("job"))
        return found[0] if found else None

    def archived(self) -> int:
        """Lines that the last checkpoint in the archive knows."""
        head = self.head()
        return head.checkpoints[-1].read if head and head.checkpoints else 0

    def records(self, stream: str) -> list[str]:
        return sorted((self.out / f"{stream}.jsonl").read_text().splitlines())

    def stored(self) -> list[str]:
        with closing(sqlite3.connect(self.out / "driftnet.db")) as db:
            return sorted(record for (record,) in db.execute("SELECT record FROM alerts"))


def kill(process: "subprocess.Popen[str]") -> None:
    """All of its processes at once, as a host that loses its power does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_for(test: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 90.0) -> None:
    until_s = time.monotonic() + seconds
    while not test():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until_s
        time.sleep(0.02)


@pytest.fixture
def job(tmp_path: Path, bucket: Bucket) -> Job:
    return Job(tmp_path, bucket)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run says that nobody disturbs."""
    alone = Job(tmp_path_factory.mktemp("quiet"), Bucket("none"))
    alone.feed(len(alone.lines))
    process = alone.start("state", "--finish", archive=False)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    told = {stream: alone.records(stream) for stream in ("alerts", "scores")}
    assert len(told["alerts"]) > 3
    return {**told, "stored": alone.stored(), "summary": json.loads(out)["summary"]}


def same(summary: dict[str, Any], quiet: dict[str, Any]) -> None:
    names = ("read", "accepted", "late", "duplicate", "rejected", "alerts", "scored")
    assert {n: summary.get(n) for n in names} == {n: quiet["summary"].get(n) for n in names}


def test_killed_and_its_disk_lost(job: Job, quiet: dict[str, Any]) -> None:
    """Twice, on other numbers of processes: alerts and scores, in files that outlive the host, are those of one quiet
    run, each once; the totals too.
    """
    job.feed(len(job.lines))
    seen = 0
    for host, options in (("a", ()), ("b", ("--processes", "2"))):
        process = job.start(host, *options)
        wait_for(lambda before=seen: job.archived() > before, process)  # type: ignore[misc]
        kill(process)
        seen = job.archived()
        assert 0 < seen < len(job.lines)
        shutil.rmtree(job.place / host)
    summary, log = job.run("c", "--finish")
    assert f"{seen:,} lines read" in log
    assert job.records("alerts") == quiet["alerts"]
    assert job.records("scores") == quiet["scores"]
    assert job.stored() == quiet["stored"]
    same(summary, quiet)


def test_outputs_on_the_disk_that_is_lost(job: Job, quiet: dict[str, Any]) -> None:
    """They begin anew: what was written up to the archived checkpoint is gone with them, all that follows is there."""
    job.feed(len(job.lines))
    process = job.start("a")
    wait_for(lambda: job.archived() > len(job.lines) // 4, process)
    kill(process)
    lost = set(job.records("scores"))
    for gone in (job.place / "a", job.out):
        shutil.rmtree(gone)
    summary, _ = job.run("b", "--finish")
    for stream in ("alerts", "scores"):
        written = job.records(stream)
        assert len(written) == len(set(written))
        assert set(written) <= set(quiet[stream])
    assert set(job.records("scores")) | lost == set(quiet["scores"])
    assert set(job.stored()) <= set(quiet["stored"])
    same(summary, quiet)


def test_an_outage_in_the_middle(job: Job, s3: S3, quiet: dict[str, Any]) -> None:
    """The run goes on while the store is away, and says so; afterwards the archive has caught up."""
    job.feed(len(job.lines) // 2)
    process = job.start("a", "--listen", "127.0.0.1:0")
    wait_for(lambda: job.archived() > 0, process)
    s3.stop()
    job.feed(len(job.lines))
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert "cannot be written now" in err
    assert "the last checkpoint is not there" in err
    read = json.loads(out)["summary"]["read"]
    assert status(job.place / "a")["archive"]["error"]
    told = subprocess.run(
        [sys.executable, "-m", "flows.cli", "status", "a"], cwd=job.place, capture_output=True, text=True, check=False
    )
    assert job.bucket.url("job") in told.stdout
    assert "attempts failed, the last of them: " in told.stdout
    s3.start()
    assert job.archived() < read
    summary, log = job.run("a", "--finish")
    assert "is written again" not in log
    assert job.archived() == len(job.lines)
    assert job.records("alerts") == quiet["alerts"]
    assert job.records("scores") == quiet["scores"]
    same(summary, quiet)


@contextmanager
def going_on(job: Job, state: str) -> Iterator["subprocess.Popen[str]"]:
    """A run whose input does not end."""
    process = job.start(state, "--set", "sources.main.follow=true", "--listen", "127.0.0.1:0")
    try:
        wait_for(lambda: job.archived() > 0, process)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def test_a_second_run_is_refused(job: Job) -> None:
    """On another host while the first goes on; on the same directory without harm to the first; and with state of its
    own when the archive has gone on.
    """
    job.feed(len(job.lines) // 2)
    with going_on(job, "a") as first:
        address = status(job.place / "a")["runs"][0]["listen"]
        with urlopen(f"http://{address}/metrics") as answer:
            told = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#")
        assert time.time() - float(told["driftnet_archived_checkpoint_timestamp_seconds"]) < 60
        assert float(told["driftnet_archive_bytes_total"]) > 10_000
        assert float(told["driftnet_archive_errors_total"]) == 0
        second = job.start("b")
        _, err = second.communicate(timeout=60)
        assert second.returncode == 2
        assert "is being written by run" in err
        assert not (job.place / "b" / "store").exists()
        third = job.start("a")
        _, err = third.communicate(timeout=60)
        assert third.returncode == 2
        assert "another run is using it" in err
        assert first.poll() is None
    head = job.head()
    assert head is not None
    assert (head.generation, head.released) == (1, True)
    job.run("b", "--finish")
    _, err = job.start("a").communicate(timeout=60)
    assert "has other state than the state directory" in err


def test_one_that_was_taken_over_ends(job: Job) -> None:
    """A run that was asleep while another host went on finds out when it wakes, and ends with exit code 2."""
    job.feed(len(job.lines) // 2)
    with going_on(job, "a") as first:
        os.killpg(first.pid, signal.SIGSTOP)
        job.out = job.place / "elsewhere"
        job.run("b")
        os.killpg(first.pid, signal.SIGCONT)
        _, err = first.communicate(timeout=60)
        assert first.returncode == 2
        assert "was taken over by run" in err
    head = job.head()
    assert head is not None
    assert head.released
