"""Labels and commands beside events: promises P1 and P3 hold for what people tell a job as they do for the rest."""

import json
import multiprocessing
import random
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from xxhash import xxh3_64_intdigest

from detectors.alerting.exempt import Exemption, Origin
from flows.config import loads
from flows.engine.plan import Options
from flows.engine.run import execute
from flows.job import Job
from flows.sources.base import Source
from flows.sources.files import FilesSpec
from tests.engine.beside import ToldAll, audit_of, plan_beside, run_beside_local, same_all
from tests.engine.interrupted import AtRead, die
from tests.engine.scenarios import SCENARIOS, told, write_files

_MORE = """
[features.risky]
kind = "max"
column = "shop_risk"
[features.lately]
kind = "max"
column = "shop_since_fraud"
[subjects.shop]
key = "shop"
lends = ["risk", "since_fraud"]
[subjects.shop.features]
payments = { kind = "count" }
frauds = { kind = "count", where = { verdict = "fraud" } }
known = { kind = "count", where = { verdict = { present = true } } }
frauds_1h = { kind = "decayed", feature = "frauds", half_life = "1h" }
known_1h = { kind = "decayed", feature = "known", half_life = "1h" }
risk = { kind = "quotient", feature = "frauds_1h", by = "known_1h" }
since_fraud = { kind = "since", feature = "frauds" }
[subjects.shop.windows.w5m]
kind = "tumbling"
size = "5m"
[subjects.shop.detectors.risk]
type = "values"
features = ["risk"]
[detectors.judge]
type = "river"
windows = ["w10m"]
params = { path = "river.linear_model.LogisticRegression", params = {}, warmup = 8, directed = false }
[detectors.bins]
type = "binned_logistic"
windows = ["w10m"]
params = { ready = 1, rows_each = 2 }
[detectors.refit]
type = "REFITS:MeansSpec"
windows = ["w10m"]
weight = 0.01
params = { every_hours = 0.5, lag_hours = 0.25, ready = 1, remember = 400 }
[labels]
wait = "1h"
rows_max = 2000
trust = "10m"
columns = ["shop"]
[drift]
monitors = { error = { tests = ["adwin"] } }
[sources.told]
kind = "stdin"
reads = "labels"
"""
_REFITS = Path(__file__).parents[1] / "unit/detectors/small_refits.py"
_BEGAN = 1_700_000_000
_TREES = {"detector": "trees"}
_TEST = {"reason": "test account", "by": "ann"}


def told_lines() -> tuple[list[bytes], list[bytes]]:
    """Labels of cards, one minute apart, and a few commands; some of each are broken."""
    rng = random.Random(4)
    labels = []
    for i in range(180):
        card = "hot" if i % 9 == 0 else f"card{rng.randrange(40)}"
        label = {"subject": card, "label": int(card == "hot"), "at": (_BEGAN + 600 + i * 60) * 1000}
        label |= {"shop": i * 7 % 50} if i % 11 else {}
        labels.append(json.dumps(label | ({"since": (_BEGAN + i * 50) * 1000} if i % 2 else {})).encode())
    labels[50:50] = [b"{", b'{"subject": "x", "label": 3, "at": 5}']
    control = [
        json.dumps(({} if "subject" in what else _TREES) | {"at": (_BEGAN + second) * 1000, **what}).encode()
        for second, what in (
            (2000, {"command": "pause", "by": "ann"}),
            (4000, {"command": "resume"}),
            (4500, {"command": "tune", "settings": {"weight": 2}}),
            (5000, {"command": "disable", "detector": "history"}),
            (5000, {"command": "tune", "settings": {"colour": "red"}}),
            (9000, {"command": "resume", "detector": "history"}),
            (1500, {"command": "exempt", "subject": "card3", "until": (_BEGAN + 6000) * 1000, **_TEST}),
            (1500, {"command": "exempt", "subject": "card4", "until": (_BEGAN + 99_000) * 1000, **_TEST}),
            (3500, {"command": "unexempt", "subject": "card4", "by": "ann"}),
            (3500, {"command": "unexempt", "subject": "nobody"}),
            (3600, {"command": "exempt", "subject": "card6", "until": (_BEGAN + 3000) * 1000, **_TEST}),
        )
    ]
    return labels, control


@dataclass(frozen=True)
class Inputs:
    """Events in two partitions, labels and commands in one each."""

    events: FilesSpec
    labels: FilesSpec
    control: FilesSpec

    @staticmethod
    def write(place: Path) -> "Inputs":
        labels, control = told_lines()
        (place / "labels.jsonl").write_bytes(b"\n".join(labels))
        (place / "control.jsonl").write_bytes(b"\n".join(control))
        specs = (FilesSpec((str(place / f"{name}.jsonl"),), name=name) for name in ("labels", "control"))
        return Inputs(write_files("hot_card", 2, place), *specs)

    def sources(self, events: Source | None = None) -> list[Source]:
        return [events or self.events, self.labels, self.control]


def _cards() -> str:
    """What is lent goes to the detectors that learn from labels; the others see what they always saw."""
    text = SCENARIOS["hot_card"].config.replace("[event]", '[event]\nkind = "card"')
    for table, more in (
        ("windows.w10m", ', "risky", "lately"'), ("windows.visit", ""), ("detectors.trees", ""),
        ("detectors.history", ""),
    ):  # fmt: skip
        text = text.replace(f"[{table}]", f'[{table}]\nfeatures = ["count", "capped", "total", "shops"{more}]')
    return text


def job() -> Job:
    """With a list of two: one to the end, one that is over in the middle."""
    listed = [
        Exemption(xxh3_64_intdigest(name.encode()), name, Origin.FILE, (_BEGAN + second) * 1_000_000, "staff")
        for name, second in (("hot", 99_000), ("card7", 4000))
    ]
    return (
        loads(_cards() + _MORE.replace("REFITS", str(_REFITS)), "scenario").job().with_judgement(exempt=tuple(listed))
    )


def run_local(inputs: Inputs, out: Path, batch_lines: int = 8192) -> ToldAll:
    return run_beside_local(job(), inputs.sources(), out, batch_lines)


def run_bytewax(inputs: Inputs, out: Path, options: Options, events: Source | None = None) -> ToldAll:
    return told(out, execute(plan_beside(job(), inputs.sources(events), out, options))), audit_of(out)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> ToldAll:
    place = tmp_path_factory.mktemp("reference")
    return run_local(Inputs.write(place), place / "out")


def test_worth_comparing(reference: ToldAll) -> None:
    """Rows are joined with labels, those who learn from them say something; every command is on record."""
    (records, totals), audit = reference
    assert totals["labels"]["read"] == 182
    assert totals["labels"]["rejected"] == 2
    assert sum(totals["labelled"].values()) > 300
    assert totals["balanced"]
    for name in ("judge", "bins", "refit"):
        judged = [s["scores"][name] for r in records["scores"] if name in (s := json.loads(r))["scores"]]
        assert sum(score is not None for score in judged) > 500
    shops = [s["scores"]["risk"] for r in records["scores"] if (s := json.loads(r))["kind"] == "shop"]
    assert len({score for score in shops if score}) > 100
    told = [json.loads(record) for record in audit]
    assert sorted((r["command"], r["detector"], r["outcome"]) for r in told if r["detector"]) == [
        ("disable", "history", "applied"),
        ("pause", "trees", "applied"),
        ("resume", "history", "applied"),
        ("resume", "trees", "applied"),
        ("tune", "trees", "applied"),
        ("tune", "trees", "refused"),
    ]
    paused = [
        s["scores"]["trees"]
        for r in records["scores"]
        if "T22:55" < (s := json.loads(r))["end"][10:16] < "T23:15" and s["kind"] == "card"
    ]
    assert paused
    assert set(paused) == {None}


def test_who_is_exempt(reference: ToldAll) -> None:
    """By list, command and label: on record when it comes, keeps an alert back and ends, and alerted before and
    after.
    """
    (records, totals), audit = reference
    told = [r for r in map(json.loads, audit) if r["command"] in ("exempt", "unexempt")]
    assert sorted(
        (r["subject"], r["command"], r["origin"], r["outcome"]) for r in told if r["outcome"] != "spared"
    ) == [
        ("card3", "exempt", "command", "applied"),
        ("card3", "exempt", "command", "ended"),
        ("card4", "exempt", "command", "applied"),
        ("card4", "unexempt", "command", "applied"),
        ("card6", "exempt", "command", "refused"),
        ("card7", "exempt", "file", "applied"),
        ("card7", "exempt", "file", "ended"),
        ("hot", "exempt", "file", "applied"),
        ("nobody", "unexempt", "command", "refused"),
    ]
    spared = [r for r in told if r["outcome"] == "spared"]
    assert Counter(r["origin"] for r in spared) == totals["spared"]
    assert set(totals["spared"]) == {"file", "command", "label"}
    assert sum(totals["spared_subjects"].values()) == len(spared)
    raised: dict[str, list[str]] = {}
    for record in map(json.loads, records["alerts"]):
        raised.setdefault(record["subject"], []).append(record["raised"])
    assert "hot" not in raised
    ended = next(r["at"] for r in told if (r["subject"], r["outcome"]) == ("card7", "ended"))
    assert min(raised["card7"]) >= ended
    began, over = (next(r["effective"] for r in told if r["subject"] == "card4" and r["command"] == c) for c in
                   ("exempt", "unexempt"))  # fmt: skip
    assert not [at for at in raised["card4"] if began < at <= over]
    assert [at for at in raised["card4"] if at > over]


@pytest.mark.parametrize("batch_lines", [13, 700])
def test_batches_do_not_matter(reference: Any, tmp_path: Path, batch_lines: int) -> None:
    """However the lines are cut, each label and command takes effect at the same place."""
    same_all(run_local(Inputs.write(tmp_path), tmp_path / "out", batch_lines), reference)


@pytest.mark.parametrize(
    "options",
    [Options(workers=2, batch_lines=500), Options(processes=2, batch_lines=100)],
    ids=["threads", "processes"],
)
def test_bytewax_says_the_same(reference: Any, tmp_path: Path, options: Options) -> None:
    """Every record of every stream, to the last digit."""
    same_all(run_bytewax(Inputs.write(tmp_path), tmp_path / "out", options), reference)


@pytest.mark.parametrize("epoch_s", [0.0, 0.05])
def test_kill_changes_nothing(reference: Any, tmp_path: Path, epoch_s: float) -> None:
    """What people told is remembered, and counts once."""
    inputs = Inputs.write(tmp_path)
    options = Options(batch_lines=200, epoch_s=epoch_s, state_dir=tmp_path / "state")
    for reads in (4, 9):
        args = (inputs, tmp_path / "out", options, AtRead(inputs.events, reads, die))
        process = multiprocessing.get_context("spawn").Process(target=run_bytewax, args=args)
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        process.close()
    same_all(run_bytewax(inputs, tmp_path / "out", options), reference)
