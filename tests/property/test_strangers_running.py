"""What strangers write, given to commands and to jobs that run: configurations, savepoints, state, labels and commands.
Whatever is in them, an error of one line comes out, or a dead letter, or a refusal on record.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from flows.config import loads
from flows.drive.assembly import Assembly
from flows.drive.worker import work
from flows.engine.plan import Options
from flows.operators.messages import CohortInput, Output
from flows.operators.population import rehearsal
from flows.operators.population.operator import PopulationOperator
from flows.savepoint.copy import create, start
from flows.savepoint.manifest import NAME, describe, read
from flows.sources.files import FilesSpec
from flows.streams import Stream
from flows.wire.told import Command
from state.chunks import Bundle
from state.errors import ConfigError
from tests.engine.beside import run_beside_local
from tests.property.edits import FEW, MANY, Edits, edited, edits, only_ours, values
from tests.small import BASE
from tests.unit.cli.conftest import Cli, cli  # noqa: F401 - a fixture

SLOW: Final = settings(FEW, max_examples=25)
CLI: Final = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
JOB: Final = (
    BASE
    + """
users = 60
duration = "1h"
[detectors.trees]
type = "half_space_trees"
[detectors.judge]
type = "river"
params = { path = "river.linear_model.LogisticRegression", params = {}, warmup = 8, directed = false }
[detectors.bins]
type = "binned_logistic"
params = { ready = 1 }
"""
)
TOLD: Final = """
[sources.told]
kind = "stdin"
reads = "labels"
"""
KAFKA: Final = """
[sources.plays]
kind = "kafka"
brokers = "localhost:9092"
topics = "plays"
client = { "security.protocol" = "SASL_SSL", "sasl.username" = "ann", "sasl.password" = "secret" }
[sinks]
alerts = [{ kind = "kafka", brokers = "localhost:9092", topic = "alerts" }]
[time]
out_of_orderness = "20s"
"""


@MANY
@given(changes=edits)
def test_configurations_of_ones_own(changes: Edits) -> None:
    """With changed bytes: each key that is wrong has a line, and no secret is in it."""
    text = edited((JOB + KAFKA).encode(), changes).decode(errors="replace")
    said = ""
    with only_ours():
        try:
            Assembly(loads(text)).config.job()
        except ConfigError as error:
            said = str(error)
            raise
    assert "secret" not in said


@CLI
@given(changes=edits)
def test_config_check(cli: Cli, changes: Edits) -> None:  # noqa: F811
    """As a person asks: well, or exit code 2 and no traceback."""
    Path("job.toml").write_bytes(edited((JOB + KAFKA).encode(), changes))
    done = cli("config", "check", "job.toml")
    assert done.code in (0, 2)
    assert (done.code == 2) == done.err.startswith("driftnet: job.toml")
    assert "Traceback" not in done.err


@pytest.fixture(scope="module")
def savepoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("savepoint")
    work(Assembly(loads(JOB)), Options(state_dir=place / "state", epoch_s=0.1))
    create(place / "state", place / "whole")
    return place / "whole"


def changed_copy(savepoint: Path, copy: Path, which: float, changes: Edits) -> None:
    """One file of it is changed; the manifest too, if that is the one."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(savepoint, copy)
    names = [NAME, *sorted(read(savepoint).files)]
    file = copy / names[int(which * len(names))]
    file.write_bytes(edited(file.read_bytes(), changes))


def same_json(one: Path, other: Path) -> bool:
    """Whether two files say the same: blanks between the words of one say nothing."""
    try:
        return bool(json.loads(one.read_bytes()) == json.loads(other.read_bytes()))
    except ValueError:
        return False


@CLI
@given(which=st.floats(0, 1, exclude_max=True), changes=edits)
@example(which=0.0, changes=[(0.0, 0, b" ")])
def test_damaged_savepoints(cli: Cli, savepoint: Path, which: float, changes: Edits) -> None:  # noqa: F811
    """`verify` says so and ends with 1; inspect, reset-time and a run from it with 2 and one line."""
    changed_copy(savepoint, Path("copy"), which, changes)
    whole = all((savepoint / n).read_bytes() == (Path("copy") / n).read_bytes() for n in read(savepoint).files)
    whole = whole and same_json(savepoint / NAME, Path("copy") / NAME)
    verified = cli("savepoint", "verify", "copy")
    assert (verified.code == 0) == whole
    Path("job.toml").write_text(JOB + '[sinks]\nalerts = [{ kind = "jsonl", path = "alerts.jsonl" }]\n')
    shutil.rmtree("state", ignore_errors=True)
    for command in (
        ("savepoint", "inspect", "copy"),
        ("savepoint", "reset-time", "copy", "main"),
        ("run", "job.toml", "--from-savepoint", "copy", "--state-dir", "state", "--json"),
    ):
        done = cli(*command) if not whole else None
        assert done is None or (done.code, done.err.count("\n")) == (2, 1)


@SLOW
@given(which=st.floats(0, 1, exclude_max=True), changes=edits)
@example(which=0.75, changes=[(0.09375, 0, b"\x80")])
def test_runs_from_changed_savepoints(savepoint: Path, tmp_path: Path, which: float, changes: Edits) -> None:
    """The manifest says that it is so: the run goes on, or says in a line why not."""
    copy, state = tmp_path / "copy", tmp_path / "state"
    changed_copy(savepoint, copy, which, changes)
    describe(copy, 1, {}).write(copy)
    shutil.rmtree(state, ignore_errors=True)
    with only_ours():
        start(copy, state, None)
        work(Assembly(loads(JOB)), Options(state_dir=state, epoch_s=0.1))


@settings(FEW, max_examples=100)
@given(
    detector=st.sampled_from(["extremes", "trees", "judge", "bins", "nobody"]),
    verb=st.sampled_from(["tune", "pause", "resume", "disable"]),
    settings_=st.dictionaries(
        st.sampled_from(["weight", "cost_us", "memory_bytes", "ready", "remember", "n_trees", "height", "scale_rows",
                         "window_size", "reach", "path", "params", "warmup", "seed", "ridge"]) | st.text(max_size=4),
        values | st.integers(0, 2**40) | st.sampled_from(["1h", "-5m", "1e99d"]),
        max_size=2,
    ),
)  # fmt: skip
def test_commands(monkeypatch: pytest.MonkeyPatch, detector: str, verb: str, settings_: dict[str, Any]) -> None:
    """Obeyed or refused, on record as JSON; what was saved afterwards can be read."""
    monkeypatch.setattr(rehearsal, "SECONDS", 0.3)
    job = loads(JOB).job()
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    command = Command(0, "control", 0, verb, detector, settings_, 0, "ann", "")
    out = [*operator.process(CohortInput(0, 1, [], [command])), *operator.process(CohortInput(1, 1, []))]
    (record,) = [r for o in out if isinstance(o, Output) and o.stream is Stream.AUDIT for r in o.records]
    assert record["outcome"] == "applied" or record["detail"]
    assert json.loads(json.dumps(record))
    PopulationOperator(job.judgement, job.stream.rows, "all", Bundle.open(Bundle.of(operator)))


GZIPPED: Final = b"\x1f\x8b"
LABEL: Final = {"subject": "u1", "label": "fraud", "at": 1_772_409_900_000, "since": 1_772_409_600_000}
COMMAND: Final = {"command": "tune", "detector": "trees", "at": 1_772_409_900_000, "settings": {"weight": 2}}


@SLOW
@given(
    labels=st.lists(st.dictionaries(st.sampled_from(list(LABEL)), values, max_size=2), max_size=4),
    commands=st.lists(st.dictionaries(st.sampled_from(list(COMMAND)), values, max_size=2), max_size=4),
    changes=edits,
)
def test_jobs_that_are_told(tmp_path: Path, labels: list[Any], commands: list[Any], changes: Edits) -> None:
    """Every line is a label, a command, or a dead letter, and the job comes to its end."""
    lines = {
        "labels": [LABEL, *(LABEL | changed for changed in labels)],
        "control": [COMMAND, *(COMMAND | changed for changed in commands)],
    }
    event = {"type": "play", "track_id": "t", "user_id": "u1"}
    events = [event | {"event_id": str(i), "event_time": 1_772_409_600_000 + 9000 * i} for i in range(100)]
    sources = []
    for name, right in {"events": events, **lines}.items():
        text = b"\n".join(json.dumps(line).encode() for line in right)
        told = text if name == "events" else edited(text, changes)
        assume(told[:2] != GZIPPED)  # which is no lines, and refused as a whole
        (tmp_path / f"{name}.jsonl").write_bytes(told)
        sources.append(FilesSpec((str(tmp_path / f"{name}.jsonl"),), name=name))
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    (_, totals), audit = run_beside_local(loads(JOB + TOLD).job(), sources, tmp_path / "out")
    assert totals["balanced"]
    counts = [totals["control"].get(name, 0) for name in ("read", "rejected")]
    assert counts[0] - counts[1] == len(audit)
