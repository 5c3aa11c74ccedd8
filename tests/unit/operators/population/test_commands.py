"""Commands to detectors, in the population stage: what they change, what is put on record, what survives."""

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import pytest

from detectors.base import FeatureInfo
from detectors.ecod import Ecod, EcodSpec
from detectors.river_model import RiverModelSpec
from flows.evolution.layout import form_of
from flows.job import Job
from flows.operators.messages import CohortInput, Output
from flows.operators.population.command import CommandError
from flows.operators.population.operator import PopulationOperator
from flows.operators.rows import FeatureRows
from flows.streams import Stream
from flows.wire.told import Command
from state.chunks import Bundle
from tests.unit.operators.population.test_population import FIVE, JOB

ECOD = replace(JOB.judgement.detectors[0], name="ecod", spec=EcodSpec(remember=64, ready=4))
MODEL = replace(JOB.judgement.detectors[0], name="model", spec=RiverModelSpec())
TWO: Job = JOB.with_judgement(detectors=(*JOB.judgement.detectors, ECOD, MODEL))


class Cohort:
    """A population operator, turn by turn."""

    def __init__(self, job: Job = TWO) -> None:
        self.job = job
        self.turn = 0
        self.operator = PopulationOperator(job.judgement, job.stream.rows, "all", form=form_of(job))
        self.verdicts: list[Any] = []
        self.operator.observer = lambda rows, verdict, models: self.verdicts.append(verdict)

    def play(self, *told: Command, events: tuple[float, ...] = (3, 4, 5, 6, 4, 5)) -> list[dict[str, Any]]:
        """A round, and what was told in it; the audit."""
        self.turn += 1
        n, end_us = len(events), self.turn * FIVE
        subject, at = np.arange(1, n + 1, dtype=np.uint64), np.full(n, end_us)
        rows = FeatureRows("w5m", end_us, 0, subject, subject.astype(object), at - FIVE, at, np.array([events]).T)
        commands = [command._replace(end_us=end_us) for command in told]
        out = self.operator.process(CohortInput(0, end_us, [rows], [*commands]))
        return [r for o in out if isinstance(o, Output) and o.stream is Stream.AUDIT for r in o.records]

    def again(self, job: Job | None = None) -> None:
        """Saved and restored, maybe for another configuration."""
        saved = Bundle.open(Bundle.of(self.operator))
        job = job or self.job
        self.operator = PopulationOperator(job.judgement, job.stream.rows, "all", saved, form_of(job))
        self.operator.observer = lambda rows, verdict, models: self.verdicts.append(verdict)

    def knows(self, detector: str) -> bool:
        """Whether it said anything of the last round."""
        return not np.isnan(self.verdicts[-1].score[detector]).all()

    def learned(self) -> int:
        return int(self.operator._models["w5m"]._models[1].detector.sample.count)  # type: ignore[union-attr]

    def weight(self) -> float:
        return self.operator._models["w5m"]._models[1].use.weight


def command(verb: str, detector: str = "ecod", **settings: Any) -> Command:
    return Command(0, "control/0", 5, verb, detector, settings, FIVE, "ann", "because")


def test_pause_and_resume() -> None:
    """A paused detector neither judges nor learns, from the round after the command; resumed, it knows what it knew."""
    cohort = Cohort()
    cohort.play()
    (record,) = cohort.play(command("pause"))
    assert cohort.knows("ecod")
    learned = cohort.learned()
    cohort.play()
    assert not cohort.knows("ecod")
    assert cohort.knows("impossible")
    cohort.play(command("resume"))
    assert cohort.learned() == learned
    cohort.play()
    assert cohort.knows("ecod")
    assert record | {"audit_id": ""} == {
        "audit_id": "",
        "at": "1970-01-01T00:05:00.000000Z",
        "effective": "1970-01-01T00:10:00.000000Z",
        "command": "pause",
        "detector": "ecod",
        "kind": "subject",
        "cohort": "all",
        "windows": ["w5m"],
        "outcome": "applied",
        "detail": "",
        "before": {"paused": False, "off": False},
        "after": {"paused": True, "off": False},
        "by": "ann",
        "reason": "because",
        "source": "control/0",
        "offset": 5,
    }


def test_disabled_detector_starts_cold() -> None:
    """It forgets; resumed, it has to learn again before it says anything."""
    cohort = Cohort()
    cohort.play()
    cohort.play(command("disable"))
    cohort.play(command("resume"))
    assert cohort.learned() == 0
    cohort.play()
    assert not cohort.knows("ecod")
    cohort.play()
    assert cohort.knows("ecod")


def test_weight_keeps_what_was_learned() -> None:
    """The evidence counts otherwise; the detector goes on."""
    cohort = Cohort()
    cohort.play()
    learned = cohort.learned()
    (record,) = cohort.play(command("tune", weight=3))
    assert (record["before"], record["after"]) == ({"weight": 1.0}, {"weight": 3})
    assert cohort.weight() == 3.0
    assert cohort.learned() > learned


def test_parameter_starts_cold() -> None:
    """With another parameter it is another detector."""
    cohort = Cohort()
    cohort.play()
    (record,) = cohort.play(command("tune", remember=32))
    assert (record["outcome"], record["before"]) == ("applied", {"remember": 64})
    assert cohort.learned() == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (command("pause", "nobody"), "no detector 'nobody' here; there are: impossible, ecod, model"),
        (command("tune", colour="red"), "no setting 'colour'; there are: weight, cost_us, memory_bytes, "),
        (command("tune", weight=0), "more than 0"),
        (command("tune", weight="x"), "weight: seen 'x', allowed: a number"),
        (command("tune", remember=-5), "remember"),
        (command("tune", "model", path="os.system"), "path: which code runs is set in the configuration"),
        (command("tune", "model", target="count"), "seen a text, allowed: numbers, durations, true and false"),
        (command("tune", "model", params=3), "params"),
        (command("tune", "model", steps=True), "steps"),
        (command("tune", remember=2.5), "remember: seen 2.5, allowed: an integer"),
    ],
)
def test_refused(given: Command, said: str) -> None:
    """A command that cannot be obeyed changes nothing, and is on record with the reason."""
    cohort = Cohort()
    cohort.play()
    (record,) = cohort.play(given)
    assert record["outcome"] == "refused"
    assert said in record["detail"]
    assert (cohort.weight(), cohort.learned()) == (1.0, 12)


@dataclass(frozen=True, slots=True)
class Wild(EcodSpec):
    """Goes wrong in a way of its own for each value of `remember`."""

    type: ClassVar[str] = "wild"

    def __post_init__(self) -> None:
        if self.remember == 60:
            raise ZeroDivisionError("sixty")

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> Ecod:
        match self.remember:
            case 61:
                raise RecursionError
            case 62:
                np.ones(1 << 31, np.uint8)
            case 63:
                time.sleep(60.0)
            case 65:
                os.kill(os.getpid(), signal.SIGKILL)
            case 66:
                raise SystemExit(3)
            case 68:
                files = [f.resolve().name for f in Path("/proc/self/fd").iterdir() if int(f.name) > 2]
                raise LookupError(f"{signal.getitimer(signal.ITIMER_REAL)[0] > 0.0}, {' '.join(files)}")
            case 67 if os.getpid() == MAIN:
                raise OSError("only here")
        return EcodSpec.build(self, features, resume)


MAIN = os.getpid()
WILD: Job = JOB.with_judgement(detectors=(*JOB.judgement.detectors, replace(ECOD, spec=Wild(remember=64, ready=4))))


@pytest.mark.parametrize(
    ("remember", "said"),
    [
        (60, "remember: sixty"),
        (61, "RecursionError"),
        (62, "it needs more than 512 MiB"),
        (63, "it took longer than 0.5 s"),
        (65, "was killed"),
        (66, "SystemExit: 3"),
        (67, "only here"),
    ],
)
def test_whatever_a_command_leads_to_it_is_refused(remember: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much memory or time, anything that is raised, even a death: on record, and nothing has changed."""
    monkeypatch.setattr("flows.operators.population.rehearsal.SECONDS", 0.5 if remember == 63 else 10.0)
    cohort = Cohort(WILD)
    cohort.play()
    (record,) = cohort.play(command("tune", remember=remember, weight=3))
    assert (record["outcome"], record["before"], record["after"]) == ("refused", {}, {})
    assert said in record["detail"]
    assert (cohort.weight(), cohort.learned()) == (1.0, 12)
    cohort.again()
    cohort.play()
    assert cohort.learned() > 12


def test_who_tries_it_outlives_no_run(tmp_path: Path) -> None:
    """When the run is killed meanwhile, nobody holds its files, and the trial comes to an end by itself."""
    cohort = Cohort(WILD)
    with (tmp_path / "lock").open("w"):
        (record,) = cohort.play(command("tune", remember=68))
    assert "LookupError: True, " in record["detail"]
    assert "pipe:" in record["detail"]
    assert "lock" not in record["detail"]


def test_a_state_larger_than_allowed_is_refused() -> None:
    """memory_bytes counts before the detector is changed."""
    cohort = Cohort()
    cohort.play()
    (record,) = cohort.play(command("tune", memory_bytes=100, ready=2))
    assert "allowed 100 (memory_bytes)" in record["detail"]
    assert cohort.learned() == 12


def test_which_code_runs_is_no_setting() -> None:
    """A command cannot name a module that is imported."""
    river = replace(JOB.judgement.detectors[0], name="ecod", spec=RiverModelSpec(warmup=4))
    cohort = Cohort(JOB.with_judgement(detectors=(*JOB.judgement.detectors, river)))
    cohort.play()
    (record,) = cohort.play(command("tune", path="river.anomaly.HalfSpaceTrees"))
    assert (record["outcome"], record["detail"]) == (
        "refused",
        "path: which code runs is set in the configuration; change it and start again",
    )


def test_refused_in_one_window_it_changes_no_other() -> None:
    """A command is obeyed in all windows that have the detector, or in none."""
    two = (*JOB.stream.windows, replace(JOB.stream.windows[0], window=replace(JOB.stream.windows[0].window, name="w2")))
    both = replace(WILD.judgement.detectors[-1], windows=("w5m", "w2"), spec=Wild(remember=64, ready=4))
    cohort = Cohort(WILD.with_stream(windows=two).with_judgement(detectors=(*JOB.judgement.detectors, both)))
    cohort.play()
    model = cohort.operator._models["w2"]
    with patch.object(model, "prepare", side_effect=CommandError("not here")):
        (record,) = cohort.play(command("tune", remember=32))
    assert (record["outcome"], record["windows"]) == ("refused", ["w5m", "w2"])
    assert cohort.learned() == 12


def test_survives() -> None:
    """What was commanded is part of the state; where the configuration has changed since, that is what counts."""
    cohort = Cohort()
    cohort.play()
    cohort.play(command("tune", weight=3, remember=32), command("pause"))
    cohort.again()
    cohort.play()
    assert not cohort.knows("ecod")
    assert cohort.weight() == 3.0
    cohort.play(command("resume"))
    cohort.play()
    assert cohort.learned() > 0
    learned = cohort.learned()
    cohort.again()
    assert cohort.learned() == learned
    changed = replace(ECOD, spec=EcodSpec(remember=128, ready=4))
    other = TWO.with_judgement(detectors=(*JOB.judgement.detectors, changed))
    cohort.again(other)
    assert (cohort.weight(), cohort.learned()) == (1.0, 0)


def test_waits_for_its_round() -> None:
    """A command that is told before its time is kept, through a restart too."""
    cohort = Cohort()
    late = command("pause")._replace(end_us=3 * FIVE)
    cohort.operator.process(CohortInput(0, 0, [], [late]))
    cohort.again()
    assert cohort.play() == []
    assert cohort.play() == []
    assert [r["command"] for r in cohort.play()] == ["pause"]


def test_one_that_failed_too_often_gets_another_chance() -> None:
    """Resume lets a detector that is off for good try again."""
    cohort = Cohort()
    model = cohort.operator._models["w5m"]._models[1]
    for _ in range(3):
        model.guard.blame("score", "broken")
        cohort.play()
    cohort.play()
    assert not cohort.knows("ecod")
    (record,) = cohort.play(command("resume"))
    assert (record["before"]["off"], record["after"]["off"]) == (True, False)
    cohort.play()  # it had not learned anything yet
    cohort.play()
    assert cohort.knows("ecod")
