"""`driftnet serve` as a process, asked over HTTP."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from flows.contract.records import record_of
from flows.serve.app import TOKEN
from flows.sinks import SqliteSink, open_sink
from flows.streams import Stream
from tests.servers.running import free_port

SECRET = "a token of more than sixteen"


def standing(subject: str, kind: str = "user", **fields: Any) -> dict[str, Any]:
    return record_of(Stream.STANDINGS) | {"standing_id": f"{kind}:{subject}", "kind": kind, "subject": subject} | fields


def write(store: Path, *records: dict[str, Any]) -> None:
    sink = open_sink(SqliteSink(str(store)), "standings")
    sink.write(list(records))
    sink.close()


@contextmanager
def serving(store: Path, host: str = "127.0.0.1", token: str = "") -> Iterator["Asked"]:
    port = free_port()
    env = {k: v for k, v in os.environ.items() if k != TOKEN} | ({TOKEN: token} if token else {})
    command = [sys.executable, "-m", "flows.cli", "serve", "--db", str(store), "--listen", f"{host}:{port}"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        asked = Asked(port)
        try:
            until_s = time.monotonic() + 60
            while True:
                try:
                    asked("/livez")
                    break
                except OSError:
                    assert process.poll() is None, process.stderr.read() if process.stderr else ""
                    assert time.monotonic() < until_s
                    time.sleep(0.05)
            yield asked
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


class Asked:
    """Questions to a server."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, path: str, **headers: str) -> tuple[int, Any, dict[str, str]]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if body else None, {k.lower(): v for k, v in answer.getheaders()}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "driftnet.db"
    write(path, standing("u1"), standing("u1", "device", severity="high"), standing("odd/../id ?"))
    return path


def test_what_is_known_of_a_subject(store: Path) -> None:
    """Of all kinds or of one, as records are; whoever knows the answer is told that it is the same; then another."""
    with serving(store) as asked:
        status, body, headers = asked("/v1/subjects/u1")
        assert (status, headers["content-type"]) == (200, "application/json")
        expected = {"subject": "u1", "standings": [standing("u1", "device", severity="high"), standing("u1")]}
        assert body == expected
        assert asked("/v1/subjects/u1?kind=user")[1] == {"subject": "u1", "standings": [standing("u1")]}
        assert asked("/v1/subjects/odd%2F..%2Fid%20%3F")[1]["standings"] == [standing("odd/../id ?")]
        assert asked("/v1/subjects/u1", if_none_match=headers["etag"])[:2] == (304, None)
        assert asked("/v1/subjects/u1", if_none_match=f'"x", W/{headers["etag"]}')[0] == 304
        write(store, standing("u1", severity="critical"))
        status, body, other = asked("/v1/subjects/u1", if_none_match=headers["etag"])
        assert (status, body["standings"][1]["severity"]) == (200, "critical")
        assert other["etag"] != headers["etag"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/subjects/u2", 404),
        ("/v1/subjects/u1?kind=artist", 404),
        ("/v1/subjects/u1%27%20OR%201=1--", 404),
        ("/v1/subjects/", 404),
        ("/v1/other", 404),
        ("/readyz", 200),
    ],
)
def test_other_questions(store: Path, path: str, status: int) -> None:
    """Who is not known is not found."""
    with serving(store) as asked:
        found, body, headers = asked(path)
        assert (found, headers["content-type"]) == (status, "application/json")
        assert ("error" in body) == (status == 404)
        with closing(HTTPConnection("127.0.0.1", asked.port, timeout=10)) as connection:
            connection.request("POST", path, b"{}")
            answer = connection.getresponse()
            assert answer.status == (404 if path == "/v1/other" else 405)
            assert answer.getheader("allow") == (None if path == "/v1/other" else "GET, HEAD")
            assert "error" in json.loads(answer.read())
            connection.request("HEAD", path)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (status, b"")


def test_a_token_is_asked_for(store: Path) -> None:
    """Where others reach it; whether it lives may be asked by anybody."""
    with serving(store, "0.0.0.0", SECRET) as asked:
        assert asked("/v1/subjects/u1")[0] == 401
        assert asked("/v1/subjects/u1", authorization=f"Bearer {SECRET}x")[0] == 401
        status, body, headers = asked("/v1/subjects/nobody")
        assert (status, body, headers["www-authenticate"]) == (401, {"error": "a token is needed"}, "Bearer")
        assert asked("/v1/subjects/u1", authorization=f"bearer {SECRET}")[0] == 200
        assert asked("/livez")[0] == asked("/readyz")[0] == 200


def test_a_page_of_the_web_cannot_ask(store: Path) -> None:
    """A name that leads to this machine is not one of its own."""
    with serving(store) as asked:
        assert asked("/v1/subjects/u1", host=f"evil.example:{asked.port}")[0] == 403
        assert asked("/v1/subjects/u1", host="localhost")[0] == 200


def test_a_store_that_is_taken_away(store: Path, tmp_path: Path) -> None:
    """Then nothing can be said; a new one at its place is read, as jobs write to it."""
    with serving(store) as asked:
        shutil.move(store, tmp_path / "old.db")
        assert asked("/v1/subjects/u1")[0] == asked("/readyz")[0] == 503
        write(store, standing("u3"))
        assert asked("/v1/subjects/u3")[0] == 200
        assert asked("/v1/subjects/u1")[0] == 404


def test_a_store_without_standings(tmp_path: Path) -> None:
    """It is told at the start what is missing."""
    path = tmp_path / "driftnet.db"
    write(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE standings")
    command = [sys.executable, "-m", "flows.cli", "serve", "--db", str(path), "--listen", str(free_port())]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "has no standings; run a job of this build" in " ".join(ended.stderr.split())
