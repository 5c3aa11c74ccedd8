"""The population stage: what is learned from, and what evidence is worth."""

import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from detectors.base import Detector, DetectorSpec, FeatureInfo, Rows
from detectors.drift.event import DriftEvent, Reaction, Watch
from detectors.ecod import Ecod, EcodSpec
from detectors.extremes import ExtremesSpec
from detectors.river_model import RiverDetector, RiverModelSpec
from flows.config.load import loads
from flows.job import Job
from flows.metrics.happening import What
from flows.operators.messages import CohortInput, Output, PolicyInput
from flows.operators.population.operator import PopulationOperator
from flows.operators.population.window_models import WindowModels, median
from flows.operators.rows import FeatureRows
from flows.streams import Stream
from state.chunks import Bundle
from state.types import DAY_US, F64, HOUR_US, MINUTE_US
from state.windows import Fire, WindowKind, WindowSpec

FIVE = 5 * MINUTE_US
JOB = loads(
    """
[job]
extends = "none"
key_groups = 1
[event]
subject = "user"
[event.columns]
kind = { kind = "enum", values = ["play"] }
[features]
events = { kind = "count", log = true }
[windows]
w5m = { kind = "tumbling", size = "5m" }
[detectors.impossible]
type = "rules"
params = { rules = [{ name = "flood", feature = "events", above = 100, p = 1e-9 }] }
"""
).job()


def play(operator: PopulationOperator, turn: int, events: list[float]) -> list[PolicyInput]:
    """One round: subjects 1, 2, ... with these counts of events."""
    n, end_us = len(events), (turn + 1) * FIVE
    names = np.array([f"u{i}" for i in range(n)], dtype=object)
    subject = np.arange(1, n + 1, dtype=np.uint64)
    start, stop = np.full(n, end_us - FIVE), np.full(n, end_us)
    rows = FeatureRows("w5m", end_us, 0, subject, names, start, stop, np.array(events)[:, None])
    out = operator.process(CohortInput(0, end_us, [rows]))
    return [message for message in out if isinstance(message, PolicyInput)]


@pytest.mark.parametrize("asked", [(), (Stream.SCORES,), (Stream.FEATURES,), (Stream.SCORES, Stream.FEATURES)])
def test_records_of_all_rows_are_made_for_who_asks(asked: tuple[Stream, ...]) -> None:
    """They are as many as the rows: where no sink takes a stream, a quiet round leaves nothing but its counts."""
    job = JOB.with_judgement(asked=frozenset(asked))
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    names, bounds = np.array(["u0", "u1"], dtype=object), np.array([0, 0])
    rows = FeatureRows("w5m", FIVE, 0, np.arange(1, 3, dtype=np.uint64), names, bounds, bounds + FIVE, np.ones((2, 1)))
    told = [out for out in operator.process(CohortInput(0, FIVE, [rows])) if isinstance(out, Output)]
    assert [(out.stream, len(out.records)) for out in told] == [(stream, 2) for stream in asked]


class Strict(Detector):
    """Says of everybody that it breaks a rule, in too few words or none."""

    def __init__(self, words: int) -> None:
        self._words = words

    def score(self, rows: Rows) -> F64:
        return np.full(len(rows), 9.0)

    def learn(self, rows: Rows) -> None:
        pass

    def explain(self, rows: Rows) -> F64:
        return np.ones(rows.x.shape)

    def broken(self, rows: Rows) -> list[tuple[str, ...]]:
        if not self._words:
            raise ValueError("no rules here")
        return [("strict",)] * self._words

    def snapshot(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class StrictSpec(DetectorSpec):
    type: ClassVar[str] = "strict"
    calibrated: ClassVar[bool] = False
    declared: ClassVar[bool] = True
    words: int = 0

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> Detector:
        return Strict(self.words)


@pytest.mark.parametrize(
    ("words", "rules", "said"),
    [(2, ("strict",), ""), (0, (), "no rules here"), (5, (), "returned 5 items, expected one per row: 2")],
)
def test_rules_that_cannot_be_asked_are_none(words: int, rules: tuple[str, ...], said: str) -> None:
    """A detector that fails when it is asked for rules is blamed for it, and the round goes on."""
    use = replace(JOB.judgement.detectors[0], name="strict", spec=StrictSpec(words=words))
    operator = PopulationOperator(replace(JOB.judgement, detectors=(use,)), JOB.stream.rows, "all")
    subject, at = np.arange(1, 3, dtype=np.uint64), np.full(2, FIVE)
    rows = FeatureRows("w5m", FIVE, 0, subject, subject.astype(object), at - FIVE, at, np.ones((2, 1)))
    out = operator.process(CohortInput(0, FIVE, [rows]))
    (found,) = (m.candidates for m in out if isinstance(m, PolicyInput))
    assert [c.rules for c in found] == [rules, rules]
    faults = [r for m in out if isinstance(m, Output) and m.stream is Stream.REJECTS for r in m.records]
    assert len(faults) == bool(said)
    assert said in str(faults)


def typical(operator: PopulationOperator) -> float:
    """The cohort's usual number of events, as learned."""
    return float(operator._models["w5m"].profile.typical()[0])


def test_everybody_is_learned_from_however_odd() -> None:
    """A sample without its odd rows finds more and more of them odd."""
    operator = PopulationOperator(JOB.judgement, JOB.stream.rows, "all")
    play(operator, 0, [500.0, 4.0, 4.0])
    assert operator._models["w5m"].profile.sample.quantiles((1.0,))[0, 0] == 500.0


def test_the_policy_hears_how_many_subjects_there_are() -> None:
    """Each once in 24 hours, whatever the number of its windows."""
    operator = PopulationOperator(JOB.judgement, JOB.stream.rows, "all")
    told = [play(operator, turn, [4.0] * n)[0].subjects for turn, n in ((0, 3), (1, 5), (2, 2), (288 + 1, 2))]
    assert [n for of_round in told for _, n in of_round] == [3, 5, 5, 2]


def test_evidence_is_counted_per_day() -> None:
    """One of the 288 five-minute windows of a day: a row's 1e-9 is worth 288 times as much."""
    (message,) = play(PopulationOperator(JOB.judgement, JOB.stream.rows, "all"), 0, [500.0, 4.0])
    (candidate,) = message.candidates
    assert candidate.name == "u0"
    assert candidate.rules == ("flood",)
    assert candidate.tail_probability == pytest.approx(288e-9)


class Alarm:
    """A drift monitor that fires once, with a given reaction."""

    def __init__(self, reaction: Reaction, at_turn: int) -> None:
        self._reaction, self._at_us = reaction, (at_turn + 1) * FIVE

    def update(self, end_us: int, *_: object) -> list[DriftEvent]:
        if end_us != self._at_us:
            return []
        return [
            DriftEvent(Watch.FEATURE, "events", "all", "w5m", "test", end_us, end_us, 4.0, 9.0, 3.0, self._reaction)
        ]


def test_freeze_stops_learning_for_a_while() -> None:
    """From the drift event on nothing is learned until freeze_us have passed, then everything again."""
    job = JOB.with_judgement(drift=replace(JOB.judgement.drift, freeze_us=2 * FIVE))
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    operator._models["w5m"]._monitors = Alarm(Reaction.FREEZE, at_turn=1)  # type: ignore[assignment]
    sample = operator._models["w5m"].profile.sample
    for turn, expected in ((0, 4.0), (1, 4.0), (2, 4.0), (3, 9.0)):
        play(operator, turn, [4.0, 4.0 if turn == 0 else 9.0])
        assert sample.quantiles((1.0,))[0, 0] == expected


def test_a_round_that_breaks_rules_is_not_learned_where_a_wave_freezes() -> None:
    """Rules look at the round itself: the first round of an attack is known before anything learns from it."""
    job = JOB.with_judgement(drift=replace(JOB.judgement.drift, on_attack_wave="freeze"))
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    for turn, attackers in enumerate((0, 30)):
        play(operator, turn, [500.0] * attackers + [4.0] * (60 - attackers))
    assert operator._models["w5m"].profile.sample.quantiles((1.0,))[0, 0] == 4.0


def retraining() -> tuple[PopulationOperator, WindowModels]:
    """ECOD, and a drift event after its tenth round that asks for a successor, to be judged after ten more."""
    job = JOB.with_judgement(detectors=(replace(JOB.judgement.detectors[0], spec=EcodSpec(remember=64, ready=4)),))
    job = job.with_judgement(
        drift=replace(job.judgement.drift, retrain_rounds=10), calibration=replace(job.judgement.calibration, ready=64)
    )
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    models = operator._models["w5m"]
    models._monitors = Alarm(Reaction.RETRAIN, at_turn=10)  # type: ignore[assignment]
    return operator, models


def people(turn: int, n: int = 40) -> list[float]:
    return np.floor(np.exp(np.random.default_rng(turn).normal(2.0, 0.5, n))).tolist()  # type: ignore[no-any-return]


def test_retrain_promotes_a_successor_that_learned_beside_the_old_model() -> None:
    """After retrain_rounds the model is another one, which has seen only what came since the drift event."""
    operator, models = retraining()
    old = models._models[0].detector
    for turn in range(19):
        play(operator, turn, people(turn, 80))
        assert models._models[0].detector is old
    play(operator, 19, people(19, 80))
    new = models._models[0].detector
    assert new is not old
    assert isinstance(new, Ecod)
    assert models._succession.models == []


def test_a_successor_that_does_not_know_the_population_is_dropped() -> None:
    """The model in office stays."""
    operator, models = retraining()
    old = models._models[0].detector
    for turn in range(20):
        play(operator, turn, people(turn, 80))
        for trial in models._succession._trials.values():
            trial.unlabelled(np.arange(1, 101) / 100, (np.arange(1, 101) / 100) ** 4)
    assert models._models[0].detector is old
    assert models._succession.models == []


def test_a_muted_feature_is_not_seen_until_it_is_back() -> None:
    """Detectors see no value; a second alarm, or the end of the time, ends it; it survives a snapshot."""
    job = JOB.with_judgement(drift=replace(JOB.judgement.drift, mute_us=3 * FIVE))
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    operator._models["w5m"]._monitors = Alarm(Reaction.MUTE, at_turn=1)  # type: ignore[assignment]
    told = [len(play(operator, turn, [500.0, 4.0, 4.0, 4.0])[0].candidates) for turn in range(6)]
    assert told == [1, 1, 0, 0, 1, 1]
    models = WindowModels(job.judgement, "all", job.stream.rows.windows[0])
    models._reactions._muted_until_us = {"events": 7 * FIVE}
    again = WindowModels(job.judgement, "all", job.stream.rows.windows[0])
    again.restore(models.frames())
    assert again._reactions._muted_until_us == {"events": 7 * FIVE}
    models._react(DriftEvent(Watch.FEATURE, "events", "all", "w5m", "t", FIVE, FIVE, 9.0, 4.0, 3.0, Reaction.MUTE))
    assert models._reactions._muted_until_us == {}


def test_a_restored_operator_goes_on_where_it_was() -> None:
    """Models, waves that were told, and who was seen survive a snapshot."""
    operator = PopulationOperator(JOB.judgement, JOB.stream.rows, "all")
    play(operator, 0, [500.0] * 10 + [4.0] * 50)
    again = PopulationOperator(JOB.judgement, JOB.stream.rows, "all", Bundle.open(Bundle.of(operator)))
    for turn, copy in ((1, operator), (1, again)):
        (message,) = play(copy, turn, [500.0] * 11 + [4.0] * 50)
        assert message.subjects == [(2 * FIVE, 61)]
    assert Bundle.of(again) == Bundle.of(operator)
    assert typical(again) == 4.0


def poisoned(**learning: object) -> float:
    """The share of a farm's accounts that are further out than 95 % of what was learned, on the day of the attack.

    People are there in one round of ten. The farm is there in all of them, at first like people, and plays a little
    more each day, up to eight times as much: so that what it will do is usual by then.
    """
    spec = EcodSpec(remember=512, ready=64, tail_share=1.0)
    job = JOB.with_judgement(
        detectors=(replace(JOB.judgement.detectors[0], spec=spec),),
        learning=replace(JOB.judgement.learning, **learning),
    )
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    rng, found = np.random.default_rng(1), 0.0
    everybody = rng.integers(1, 2**63, 1000).astype(np.uint64)
    for turn in range(400):
        there = np.sort(np.concatenate([everybody[50 + rng.choice(950, 95, replace=False)], everybody[:20]]))
        farm = np.isin(there, everybody[:20])
        plays = np.exp(rng.normal(2.0, 0.4, len(there)) + farm * 2.1 * turn / 400)
        end_us = (turn + 1) * FIVE
        names = np.array([str(s) for s in there], dtype=object)
        at = np.full(len(there), end_us)
        scores: list[np.ndarray] = []
        operator.observer = lambda rows, verdict, models: scores.append(next(iter(verdict.score.values())))  # noqa: B023
        rows = FeatureRows("w5m", end_us, 0, there, names, at - FIVE, at, plays[:, None])
        operator.process(CohortInput(0, end_us, [rows]))
        found = float((np.exp(-scores[0][farm]) <= 0.05).mean())
    return found


def test_slow_poison_teaches_less_where_learning_is_guarded() -> None:
    """A farm that ramps up in every round becomes usual for a model that hears every row; where nobody is heard more
    than once an hour, all of it is found.
    """
    assert poisoned() <= 0.3
    assert poisoned(teach_every_us=12 * FIVE) >= 0.9


def test_nobody_is_learned_from_twice_within_the_time() -> None:
    """However often it is there; whoever was not there loses no turn.  It survives a snapshot."""
    job = JOB.with_judgement(learning=replace(JOB.judgement.learning, teach_every_us=4 * FIVE))
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    learned = []
    for turn in range(8):
        play(operator, turn, [4.0, 4.0] if turn in (2, 7) else [4.0])
        learned.append(operator._models["w5m"].profile.sample.count)
        if turn == 4:
            operator = PopulationOperator(job.judgement, job.stream.rows, "all", Bundle.open(Bundle.of(operator)))
    assert np.diff(learned, prepend=0).tolist() == [1, 0, 1, 0, 1, 0, 0, 1]


def faults_of(job: Job, rounds: list[list[float]]) -> list[str]:
    operator, told = PopulationOperator(job.judgement, job.stream.rows, "all"), []
    for turn, events in enumerate(rounds):
        n, end_us = len(events), (turn + 1) * FIVE
        subject = np.arange(1, n + 1, dtype=np.uint64)
        at = np.full(n, end_us)
        rows = FeatureRows("w5m", end_us, 0, subject, subject.astype(object), at - FIVE, at, np.array(events)[:, None])
        for message in operator.process(CohortInput(0, end_us, [rows])):
            if isinstance(message, Output) and message.stream is Stream.REJECTS:
                told += [f"{r['reason']}: {r['detail']}" for r in message.records]
    return told


def test_a_rule_that_many_break_stays_on_and_is_told_as_an_attack_wave() -> None:
    """What the configuration declares holds however many do it: all are candidates in every round, and a drift event
    says so once, and again when twice as many do it.
    """
    operator = PopulationOperator(JOB.judgement, JOB.stream.rows, "all")
    waves, candidates = [], []
    for turn, attackers in enumerate([0, 10, 10, 10, 30, 60]):
        at = np.full(60, (turn + 1) * FIVE)
        x = np.where(np.arange(60) < attackers, 500.0, 4.0)[:, None]
        subject = np.arange(1, 61, dtype=np.uint64)
        rows = FeatureRows("w5m", int(at[0]), 0, subject, subject.astype(object), at - FIVE, at, x)
        for message in operator.process(CohortInput(0, int(at[0]), [rows])):
            if isinstance(message, Output) and message.stream is Stream.DRIFT:
                waves += [(turn, r["cause"], r["evidence"]) for r in message.records if r["what"] == "wave"]
            elif isinstance(message, PolicyInput):
                candidates.append(len(message.candidates))
    assert candidates == [0, 10, 10, 10, 30, 60]
    share = "of the subjects are odd in the same way; they share flood"
    assert waves == [
        (1, "attack_wave", f"16.7% {share}"),
        (4, "attack_wave", f"50.0% {share}"),
        (5, "attack_wave", f"100.0% {share}"),
    ]


def test_a_wave_is_told_in_the_round_in_which_it_comes() -> None:
    """A detector that remembers subjects is asked when it has heard of the round, not in the next one."""
    spec = ExtremesSpec(ready=64, ready_hours=0, settle_hours=0)
    job = JOB.with_judgement(detectors=(replace(JOB.judgement.detectors[0], spec=spec),))
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    rng, told = np.random.default_rng(2), []
    for turn, attackers in enumerate([0, 0, 60]):
        subject, at = np.arange(1, 361, dtype=np.uint64), np.full(360, (turn + 1) * FIVE)
        x = np.where(np.arange(360) < attackers, 5000.0, np.exp(rng.normal(2.0, 0.5, 360)))[:, None]
        rows = FeatureRows("w5m", int(at[0]), 0, subject, subject.astype(object), at - FIVE, at, x)
        for message in operator.process(CohortInput(0, int(at[0]), [rows])):
            if isinstance(message, Output) and message.stream is Stream.DRIFT:
                told += [(turn, r["evidence"]) for r in message.records if r["what"] == "wave"]
    assert told == [(2, "16.7% of the subjects are odd in the same way; they share events")]


def test_a_surge_is_told_while_attackers_are_few() -> None:
    """One in thirty, who were none an hour ago, on the second day: no detector calls it a wave yet."""
    window = WindowSpec("w5m", WindowKind.SLIDING, DAY_US, HOUR_US)
    spec = ExtremesSpec(ready=64, ready_hours=0)
    job = JOB.with_stream(windows=tuple(replace(w, window=window) for w in JOB.stream.windows))
    job = job.with_judgement(detectors=(replace(JOB.judgement.detectors[0], spec=spec),))
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    rng, told = np.random.default_rng(2), []
    for turn, attackers in enumerate([0] * 26 + [14, 14]):
        end_us, subject = (turn + 1) * HOUR_US, np.arange(1, 401, dtype=np.uint64)
        at = np.full(400, end_us)
        x = np.where(np.arange(400) < attackers, 5000.0, np.exp(rng.normal(2.0, 0.5, 400)))[:, None]
        rows = FeatureRows("w5m", end_us, 0, subject, subject.astype(object), at - DAY_US, at, x)
        for message in operator.process(CohortInput(0, end_us, [rows])):
            if isinstance(message, Output) and message.stream is Stream.DRIFT:
                told += [(turn, r["name"], r["evidence"]) for r in message.records if r["what"] == "wave"]
    ((turn, name, evidence),) = told
    assert (turn, name) == (26, "alert_rate")
    assert evidence.endswith("they share events")


def test_of_a_round_of_the_active_no_share_of_all_follows() -> None:
    """At night bots are most of those who are active: rules tell of waves where the window tells of everybody."""
    window = WindowSpec("w5m", WindowKind.SLIDING, 2 * FIVE, FIVE, fire=Fire.ACTIVE)
    job = JOB.with_stream(windows=tuple(replace(w, window=window) for w in JOB.stream.windows))
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    waves = []
    for turn in range(4):
        end_us, subject = (turn + 1) * FIVE, np.arange(1, 61, dtype=np.uint64)
        at, x = np.full(60, end_us), np.full((60, 1), 500.0)
        rows = FeatureRows("w5m", end_us, 0, subject, subject.astype(object), at - 2 * FIVE, at, x)
        for message in operator.process(CohortInput(0, end_us, [rows])):
            if isinstance(message, Output) and message.stream is Stream.DRIFT:
                waves += [turn for r in message.records if r["what"] == "wave"]
    assert waves == [1]


class Accuser(Detector):
    """A plug-in that gives probabilities itself, and accuses whoever has more than 100 events."""

    def score(self, rows: Rows) -> np.ndarray:
        return np.where(rows.x[:, 0] > 100, 9.0, 0.0)

    def learn(self, rows: Rows) -> None: ...

    def explain(self, rows: Rows) -> np.ndarray:
        return np.ones(rows.x.shape)

    def snapshot(self) -> bytes:
        return b""


@dataclass(frozen=True)
class AccuserSpec(DetectorSpec):
    type: ClassVar[str] = "accuser"
    calibrated: ClassVar[bool] = False

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> Accuser:
        return Accuser()


def test_a_plug_in_that_accuses_most_of_a_round_is_not_heard_in_it() -> None:
    """It is told, nobody is accused for it, and the next round is heard again."""
    job = JOB.with_judgement(detectors=(replace(JOB.judgement.detectors[0], spec=AccuserSpec()),))
    told = faults_of(job, [[500.0] * 60] * 5)
    assert [text.split(":")[0] for text in told] == ["detector_fault"] * 5
    assert "finds 100% of 60 rows suspicious, allowed 50%" in told[0]
    assert faults_of(job, [[500.0] * 10 + [4.0] * 50] * 5) == []
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    found = [
        len(play(operator, turn, events)[0].candidates)
        for turn, events in enumerate(([500.0] * 60, [500.0] * 10 + [4.0] * 50))
    ]
    assert found == [0, 10]


def test_a_model_that_grows_too_large_is_switched_off() -> None:
    """Its size is looked at when state is saved."""
    use = replace(JOB.judgement.detectors[0], spec=EcodSpec(remember=512, ready=4), memory_bytes=500)
    job = JOB.with_judgement(detectors=(use,))
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    models = operator._models["w5m"]
    for turn in range(4):
        play(operator, turn, people(turn) * 4)
        models.frames()
    (state,) = [m.guard.state() for m in models._models]
    assert state[1] == 1


def test_a_sampled_detector_is_asked_for_some_subjects() -> None:
    """One in eight by their hash, the same ones each time; the others have no opinion of it."""
    job = JOB.with_judgement(detectors=(replace(JOB.judgement.detectors[0], spec=EcodSpec(remember=64, ready=4)),))
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    models = operator._models["w5m"]
    models._models[0].guard.sampled = True
    scores: list[np.ndarray] = []
    operator.observer = lambda rows, verdict, models: scores.append(next(iter(verdict.score.values())))
    for turn in range(3):
        play(operator, turn, people(turn))
    assert np.flatnonzero(~np.isnan(scores[-1])).tolist() == [7, 15, 23, 31, 39]
    assert models._models[0].detector.sample.count == 15  # type: ignore[union-attr]


def test_a_labelled_row_is_learned_whatever_else_is_thought_of_it() -> None:
    """By a detector that learns from labels: the account that breaks a rule is the fraud that it has to know."""
    judge = RiverModelSpec("river.linear_model.LogisticRegression", (), warmup=2)
    job = JOB.with_judgement(
        detectors=(*JOB.judgement.detectors, replace(JOB.judgement.detectors[0], name="judge", spec=judge))
    )
    operator = PopulationOperator(job.judgement, job.stream.rows, "all")
    subject, at = np.arange(1, 5, dtype=np.uint64), np.full(4, FIVE)
    x, label = np.array([[500.0], [4.0], [4.0], [5.0]]), np.array([1.0, 0.0, np.nan, 0.0])
    rows = FeatureRows("w5m", FIVE, 0, subject, subject.astype(object), at - FIVE, at, x, label=label)
    operator.process(CohortInput(0, FIVE, [rows]))
    model = operator._models["w5m"]._models[1].detector
    assert isinstance(model, RiverDetector)
    assert model.labels == [2, 1]


@pytest.mark.filterwarnings("ignore:All-NaN slice", "ignore:invalid value")
def test_medians_are_those_of_numpy() -> None:
    """To the bit, also of even numbers of values, of zeros of both signs, and where there is none."""
    rng = np.random.default_rng(3)
    for rows in [*range(12), *rng.integers(64, 900, 50).tolist()]:
        values = rng.lognormal(size=rows)
        values[rng.random(rows) < 0.3] = np.nan
        for column in (values, np.copysign(0.0 * values, rng.normal(size=rows)), -values):
            expected = np.nanmedian(column) if rows else np.nan
            assert np.array([median(column)]).tobytes() == np.array([expected]).tobytes() or np.isnan(expected)
            assert np.isnan(median(column)) == np.isnan(expected)


def test_slow_rounds_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what they were about; others are not, and each is told once."""
    operator = PopulationOperator(JOB.judgement, JOB.stream.rows, "all")
    play(operator, 0, [1.0, 2.0])
    assert operator.slow_rounds() == []
    score = WindowModels.judge

    def slow(*args: Any) -> Any:
        time.sleep(0.02)
        return score(*args)

    monkeypatch.setattr(WindowModels, "judge", slow)
    monkeypatch.setattr("flows.operators.population.operator.SLOW_ROUND_S", 0.02)
    play(operator, 1, [1.0, 2.0, 3.0])
    (round_,) = operator.slow_rounds()
    assert (round_.what, round_.stage) == (What.ROUND, "population")
    assert round_.ended_s - round_.began_s >= 0.02
    assert round_.told == {
        "round.window": "w5m",
        "round.cohort": "all",
        "round.end": "1970-01-01T00:10:00.000000Z",
        "round.rows": 3,
    }
    assert operator.slow_rounds() == []
